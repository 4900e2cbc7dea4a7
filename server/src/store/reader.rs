//! Reading records: one statement for what several people ask for at once.

use std::sync::Arc;

use surrealdb::types::{Object, RecordId, SurrealValue, Value, Variables};

use super::line::{Line, Shared, Told};
use super::statements::{Statements, Tried};
use super::{StoreError, vars};

const FIND: &str = "{ RETURN (SELECT * FROM $records) }";

/// Reads for everybody.
pub(super) struct Reader(Arc<Statements>);

impl Reader {
    pub(super) fn new(statements: Arc<Statements>) -> Arc<Line<Self>> {
        Line::new(Self(statements))
    }

    async fn find(&self, records: Vec<RecordId>) -> Result<Vec<Object>, StoreError> {
        self.0.look(FIND, asked(records)).await
    }
}

impl Line<Reader> {
    /// The rows of those of these records that there are, in the same order, all of one moment; not
    /// read where they were written just now.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn find(
        self: &Arc<Self>,
        records: Vec<RecordId>,
    ) -> Result<Vec<Object>, StoreError> {
        if let Some(rows) = self.shared().0.recent().rows(&records) {
            return Ok(rows);
        }
        match self.line_up(&records).await {
            Told::Together(found) => found,
            Told::First(_busy) => self.shared().find(records).await,
            Told::Alone | Told::Lost => self.shared().find(records).await,
        }
    }
}

impl Shared for Reader {
    type Item = Vec<RecordId>;
    type Answer = Result<Vec<Object>, StoreError>;

    fn goes_with(_: &Self::Item, _: &[&Self::Item]) -> bool {
        true
    }

    async fn together(&self, group: Vec<Self::Item>) -> Option<Vec<Self::Answer>> {
        let found = self.0.try_often(1, FIND, asked(group.concat())).await;
        let found: Vec<Object> = match found {
            Ok(found) => found,
            Err(Tried::Failed(error)) => return Some(vec![Err(error); group.len()]),
            // One of them is at fault.
            Err(Tried::Refused(_) | Tried::Conflict) => return None,
        };
        let of = |record: &RecordId| found.iter().find(|row| id_of(row) == Some(record)).cloned();
        let answers = group
            .iter()
            .map(|records| Ok(records.iter().filter_map(of).collect()));
        Some(answers.collect())
    }
}

fn asked(records: Vec<RecordId>) -> Variables {
    vars([("records", records.into_value())])
}

/// Which record a row is.
pub(super) fn id_of(row: &Object) -> Option<&RecordId> {
    match row.get("id") {
        Some(Value::RecordId(id)) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::super::Store;
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[tokio::test]
    async fn each_of_those_who_ask_together_hears_what_they_have_asked_for() {
        const MAKE: &str = "{
            FOR $name IN ['a', 'b'] { CREATE type::record('probe', $name) SET at = time::now() };
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = Arc::new(store.unwrap());
        store.run::<Value>(MAKE, Variables::new()).await.unwrap();
        let Told::First(busy) = store.reader.line_up(&Vec::new()).await else {
            panic!("nobody else reads");
        };
        let mut tasks = JoinSet::new();
        for names in [&["a"][..], &["b", "c"], &["c"], &["b", "a", "c"]] {
            let store = store.clone();
            tasks.spawn(async move {
                let records: Vec<_> = names
                    .iter()
                    .map(|name| RecordId::new("probe", *name))
                    .collect();
                let Told::Together(Ok(rows)) = store.reader.line_up(&records).await else {
                    panic!("others ask too");
                };
                let nobody = RecordId::new("probe", "c");
                let there: Vec<_> = rows.iter().filter_map(id_of).collect();
                let asked: Vec<_> = records.iter().filter(|it| **it != nobody).collect();
                assert_eq!(there, asked);
            });
        }
        while store.reader.waiting() < 4 {
            tokio::task::yield_now().await;
        }
        drop(busy);
        tasks.join_all().await;
    }
}
