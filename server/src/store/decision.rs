//! Decisions: what some records say is read, judged here, and what follows is written in one
//! transaction, if they say so still; else all of it is done again.
//!
//! The rules so stand in Rust, with types, and the engine is left what only it can do. Parsing and
//! evaluating them in SurrealQL cost it more than reading and writing together
//! (docs/PERFORMANCE.md).

use surrealdb::types::{Object, RecordId, SurrealValue, Value, Variables};

use super::budgets::{
    Budget, Limited, Wait, budget_waits, end_if_limited, refund_budgets, spend_budgets, to_spend,
    wanted,
};
use super::{MAX_TRIES, Pause, Store, StoreError, vars};

const FIND: &str = "{ RETURN (SELECT * FROM $records) }";

/// Two transactions that read the same may both come through, if they write to different records.
/// Who must not slip through beside another writes to what the other does.
macro_rules! end_if_changed {
    () => {
        "
    IF (SELECT * FROM $records) != $found { RETURN { changed: true } };"
    };
}

/// What exists is known: to have the engine find out costs it a first try that fails.
macro_rules! write_rows {
    () => {
        "
    FOR $row IN $made { CREATE $row.id CONTENT $row.content RETURN NONE };
    FOR $row IN $rewritten { UPDATE $row.id CONTENT $row.content RETURN NONE };
    DELETE $gone;
    RETURN { changed: false }
}"
    };
}

const WRITE: &str = concat!("{", end_if_changed!(), write_rows!());

const SPEND_AND_WRITE: &str = concat!(
    "{",
    end_if_changed!(),
    budget_waits!(),
    end_if_limited!(),
    spend_budgets!(),
    write_rows!()
);

const LOOK_AND_WRITE: &str = concat!(
    "{",
    end_if_changed!(),
    budget_waits!(),
    end_if_limited!(),
    write_rows!()
);

const REFUND_AND_WRITE: &str = concat!("{", end_if_changed!(), refund_budgets!(), write_rows!());

/// What records said at one moment.
pub(super) struct Found {
    records: Vec<RecordId>,
    rows: Vec<Object>,
}

impl Found {
    fn object(&self, record: &RecordId) -> Option<&Object> {
        self.rows
            .iter()
            .find(|row| matches!(row.get("id"), Some(Value::RecordId(id)) if id == record))
    }

    /// Whether there was such a record.
    pub(super) fn has(&self, record: &RecordId) -> bool {
        self.object(record).is_some()
    }

    /// One of the records that were asked for, if it was there.
    ///
    /// # Errors
    /// When the row is damaged.
    pub(super) fn row<T: SurrealValue>(&self, record: &RecordId) -> Result<Option<T>, StoreError> {
        self.object(record)
            .map(|row| Ok(T::from_value(Value::Object(row.clone()))?))
            .transpose()
    }
}

/// What a decision costs.
enum Price<'a, T> {
    Nothing,
    /// Spent, or nothing is written at all and this is the outcome.
    Spent(Bill<'a>, fn(Limited) -> T),
    /// Must be there, and is not spent.
    Looked(Bill<'a>, fn(Limited) -> T),
    /// Was spent before and comes back.
    Refunded(&'a [Budget]),
}

/// Budgets, and what else must be waited for.
struct Bill<'a> {
    budgets: &'a [Budget],
    waits: Vec<Wait>,
}

impl Bill<'_> {
    fn is_nothing(&self) -> bool {
        self.budgets.is_empty() && self.waits.is_empty()
    }
}

/// What was decided.
pub(super) struct Decision<'a, T> {
    outcome: T,
    price: Price<'a, T>,
    put: Vec<(RecordId, Value)>,
    gone: Vec<RecordId>,
}

impl<'a, T> Decision<'a, T> {
    /// This, which costs nothing and writes nothing yet.
    pub(super) fn new(outcome: T) -> Self {
        Self {
            outcome,
            price: Price::Nothing,
            put: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// All of this is spent; or nothing is written, where a budget or one of `waits` does not allow
    /// it, and the outcome is `or`.
    pub(super) fn spending(
        mut self,
        budgets: &'a [Budget],
        waits: Vec<Wait>,
        or: fn(Limited) -> T,
    ) -> Self {
        self.price = Price::Spent(Bill { budgets, waits }, or);
        self
    }

    /// The same, but that nothing is spent.
    pub(super) fn looking(
        mut self,
        budgets: &'a [Budget],
        waits: Vec<Wait>,
        or: fn(Limited) -> T,
    ) -> Self {
        self.price = Price::Looked(Bill { budgets, waits }, or);
        self
    }

    /// This was spent before and is given back.
    pub(super) fn refunding(mut self, budgets: &'a [Budget]) -> Self {
        self.price = Price::Refunded(budgets);
        self
    }

    /// And the record, one of those that were asked for, becomes this.
    pub(super) fn put(mut self, record: &RecordId, row: impl SurrealValue) -> Self {
        self.put.push((record.clone(), row.into_value()));
        self
    }

    /// The same, where that is so.
    pub(super) fn put_if(self, so: bool, record: &RecordId, row: impl SurrealValue) -> Self {
        if so { self.put(record, row) } else { self }
    }

    /// And the record is deleted.
    pub(super) fn delete(mut self, record: &RecordId) -> Self {
        self.gone.push(record.clone());
        self
    }

    /// The statement that carries it out, unless there is nothing to do.
    fn statement(&self) -> Option<&'static str> {
        match &self.price {
            Price::Spent(bill, _) if !bill.is_nothing() => Some(SPEND_AND_WRITE),
            Price::Looked(bill, _) if !bill.is_nothing() => Some(LOOK_AND_WRITE),
            Price::Refunded(budgets) if !budgets.is_empty() => Some(REFUND_AND_WRITE),
            _ => (!self.put.is_empty() || !self.gone.is_empty()).then_some(WRITE),
        }
    }
}

#[derive(SurrealValue)]
struct Row {
    id: RecordId,
    content: Value,
}

#[derive(SurrealValue)]
struct WrittenRow {
    changed: Option<bool>,
    limited: Option<Wait>,
}

impl Store {
    /// Reads the records, has them judged, and writes what was decided. They are judged again when
    /// they have changed in between, so within one process take the [turn](super::turns::Turns) of
    /// the address first.
    ///
    /// # Errors
    /// When the store fails, or others keep getting in the way; then nothing is changed.
    pub(super) async fn decide<'a, T>(
        &self,
        records: &[RecordId],
        judge: impl Fn(&Found) -> Result<Decision<'a, T>, StoreError>,
    ) -> Result<T, StoreError> {
        let mut pause = Pause::default();
        for _ in 0..MAX_TRIES {
            let found = self.find(records).await?;
            let decision = judge(&found)?;
            let Some(statement) = decision.statement() else {
                return Ok(decision.outcome);
            };
            let variables = self.variables(found, &decision);
            let written: WrittenRow = self.run(statement, variables).await?;
            match (written.limited, decision.price) {
                (Some(wait), Price::Spent(_, or) | Price::Looked(_, or)) => {
                    return Ok(or(wait.limited()?));
                }
                _ if written.changed.unwrap_or(false) => pause.wait().await,
                _ => return Ok(decision.outcome),
            }
        }
        Err(StoreError::Contended)
    }

    async fn find(&self, records: &[RecordId]) -> Result<Found, StoreError> {
        let rows = vars([("records", records.to_vec().into_value())]);
        Ok(Found {
            records: records.to_vec(),
            rows: self.run(FIND, rows).await?,
        })
    }

    fn variables<T>(&self, found: Found, decision: &Decision<'_, T>) -> Variables {
        let (rewritten, made): (Vec<_>, Vec<_>) = decision
            .put
            .iter()
            .map(|(id, content)| Row {
                id: id.clone(),
                content: content.clone(),
            })
            .partition(|row| found.has(&row.id));
        let mut variables = vars([
            ("records", found.records.into_value()),
            ("found", found.rows.into_value()),
            ("made", made.into_value()),
            ("rewritten", rewritten.into_value()),
            ("gone", decision.gone.clone().into_value()),
        ]);
        match &decision.price {
            Price::Nothing => {}
            Price::Spent(bill, _) | Price::Looked(bill, _) => {
                let waits = bill.waits.clone();
                variables.extend(vars(to_spend(bill.budgets, waits, self.clock.now())));
            }
            Price::Refunded(budgets) => variables.extend(vars([("budgets", wanted(budgets))])),
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, Utc};

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[derive(SurrealValue)]
    struct Probe {
        at: DateTime<Utc>,
    }

    fn record() -> RecordId {
        RecordId::new("probe", "counted")
    }

    /// The row counts seconds.
    async fn add_one(store: &Store) -> i64 {
        let record = record();
        let counted = store.decide(std::slice::from_ref(&record), |found| {
            let before: Option<Probe> = found.row(&record)?;
            let at =
                before.map_or(DateTime::UNIX_EPOCH, |row| row.at) + chrono::Duration::seconds(1);
            Ok(Decision::new(at.timestamp()).put(&record, Probe { at }))
        });
        counted.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_is_overtaken_judges_again() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = Arc::new(store.unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut counted = Vec::new();
                for _ in 0..10 {
                    counted.push(add_one(&store).await);
                }
                counted
            });
        }
        let mut counted = tasks.join_all().await.concat();
        counted.sort_unstable();
        assert_eq!(counted, (1..=40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_decided_upon_records_that_changed_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        let record = record();
        for number in 1..3 {
            let found = store.find(std::slice::from_ref(&record)).await.unwrap();
            let at = DateTime::from_timestamp(number, 0).unwrap();
            let overtaken = Decision::new(()).put(&record, Probe { at });
            let late = Decision::new(()).delete(&record);
            for (decision, changed) in [(overtaken, false), (late, true)] {
                let found = Found {
                    records: found.records.clone(),
                    rows: found.rows.clone(),
                };
                let variables = store.variables(found, &decision);
                let written: WrittenRow = store.run(WRITE, variables).await.unwrap();
                assert_eq!(written.changed, Some(changed));
            }
            let found = store.find(std::slice::from_ref(&record)).await.unwrap();
            let kept: Probe = found.row(&record).unwrap().unwrap();
            assert_eq!(kept.at, at);
        }
    }
}
