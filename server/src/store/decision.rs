//! Decisions: what some records say is read, judged here, and what follows is written in one
//! transaction, if they say so still; else all of it is done again.
//!
//! The rules so stand in Rust, with types, and the engine is left what only it can do. Parsing and
//! evaluating them in SurrealQL cost it more than reading and writing together
//! (docs/PERFORMANCE.md).

use std::mem;

use chrono::{DateTime, Utc};
use surrealdb::types::{Object, RecordId, SurrealValue, Value};

use super::budgets::{Budget, Limited, Wait};
use super::reader::id_of;
use super::statements::{MAX_TRIES, Pause};
use super::writer::{Bill, Payment, Row, Writing, Written};
use super::{Store, StoreError};

/// What records said at one moment.
pub(super) struct Found {
    records: Vec<RecordId>,
    rows: Vec<Object>,
}

impl Found {
    fn object(&self, record: &RecordId) -> Option<&Object> {
        self.rows.iter().find(|row| id_of(row) == Some(record))
    }

    /// Whether there was such a record.
    fn has(&self, record: &RecordId) -> bool {
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

/// What was decided.
pub(super) struct Decision<'a, T> {
    outcome: T,
    price: Price<'a>,
    /// The outcome where the price cannot be paid.
    or: Option<fn(Limited) -> T>,
    put: Vec<Row>,
    gone: Vec<RecordId>,
    held: Vec<RecordId>,
    can_wait: bool,
}

/// What it costs.
enum Price<'a> {
    Nothing,
    Spent(&'a [Budget], Vec<Wait>),
    /// Must be there, and is not spent.
    Looked(&'a [Budget], Vec<Wait>),
    /// Was spent before and comes back.
    Refunded(&'a [Budget]),
}

impl<'a, T> Decision<'a, T> {
    /// This, which costs nothing and writes nothing yet.
    pub(super) fn new(outcome: T) -> Self {
        Self {
            outcome,
            price: Price::Nothing,
            or: None,
            put: Vec::new(),
            gone: Vec::new(),
            held: Vec::new(),
            can_wait: false,
        }
    }

    /// Where many are about, it may be written with what the next of them write.
    pub(super) fn in_no_hurry(mut self) -> Self {
        self.can_wait = true;
        self
    }

    /// All of this is spent; or nothing is written, where a budget or one of `waits` does not allow
    /// it, and the outcome is `or`.
    pub(super) fn spending(
        mut self,
        budgets: &'a [Budget],
        waits: Vec<Wait>,
        or: fn(Limited) -> T,
    ) -> Self {
        self.price = Price::Spent(budgets, waits);
        self.or = Some(or);
        self
    }

    /// The same, but that nothing is spent.
    pub(super) fn looking(
        mut self,
        budgets: &'a [Budget],
        waits: Vec<Wait>,
        or: fn(Limited) -> T,
    ) -> Self {
        self.price = Price::Looked(budgets, waits);
        self.or = Some(or);
        self
    }

    /// This was spent before and is given back.
    pub(super) fn refunding(mut self, budgets: &'a [Budget]) -> Self {
        self.price = Price::Refunded(budgets);
        self
    }

    /// And the record, one of those that were asked for, becomes this.
    pub(super) fn put(mut self, record: &RecordId, row: impl SurrealValue) -> Self {
        self.put.push(Row::new(record.clone(), row));
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

    /// And these, of those that were asked for and are not written, nobody has written by the time that
    /// this is.
    ///
    /// Isolation is by snapshot: two transactions that read the same both come through if they write
    /// to different records, unless each holds what the other one writes. One of them is not enough:
    /// a hold is heeded by the commit of whoever has it, not by one that comes later.
    pub(super) fn hold<const N: usize>(mut self, records: [&RecordId; N]) -> Self {
        self.held.extend(records.into_iter().cloned());
        self
    }

    /// What has to be written for it, provided that what was found is there still.
    fn writing(&mut self, found: Found, now: DateTime<Utc>) -> Writing {
        let bill = |budgets: &[Budget], waits| Bill {
            budgets: budgets.to_vec(),
            waits,
            now,
        };
        let payment = match mem::replace(&mut self.price, Price::Nothing) {
            Price::Nothing => Payment::Nothing,
            Price::Spent(budgets, waits) => Payment::Spend(bill(budgets, waits)),
            Price::Looked(budgets, waits) => Payment::Look(bill(budgets, waits)),
            Price::Refunded(budgets) => Payment::Refund(budgets.to_vec()),
        };
        let (rewritten, made) = mem::take(&mut self.put)
            .into_iter()
            .partition(|row| found.has(&row.id));
        Writing {
            records: found.records,
            found: found.rows,
            made,
            rewritten,
            gone: mem::take(&mut self.gone),
            held: mem::take(&mut self.held),
            payment,
            can_wait: self.can_wait,
        }
    }
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
            let mut decision = judge(&found)?;
            let writing = decision.writing(found, self.clock.now());
            if writing.is_nothing() {
                return Ok(decision.outcome);
            }
            match self.writer.write(writing).await? {
                Written::All => return Ok(decision.outcome),
                Written::Changed => pause.wait().await,
                Written::Limited(limited) => {
                    let or = decision.or.ok_or_else(|| {
                        StoreError::Failed("what has no price was refused for it".to_owned())
                    })?;
                    return Ok(or(limited));
                }
            }
        }
        Err(StoreError::Contended)
    }

    async fn find(&self, records: &[RecordId]) -> Result<Found, StoreError> {
        Ok(Found {
            records: records.to_vec(),
            rows: self.reader.find(records.to_vec()).await?,
        })
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
        let records = std::slice::from_ref(&record);
        for number in 1..3 {
            let found = store.find(records).await.unwrap();
            let again = store.find(records).await.unwrap();
            let at = DateTime::from_timestamp(number, 0).unwrap();
            let mut overtaking = Decision::new(()).put(&record, Probe { at });
            let mut late = Decision::new(()).delete(&record);
            let now = store.clock.now();
            let written = store.writer.write(overtaking.writing(found, now)).await;
            assert!(matches!(written, Ok(Written::All)));
            let mut later = Decision::new(()).put(&record, Probe { at: now });
            let too_late = Found {
                records: again.records.clone(),
                rows: again.rows.clone(),
            };
            for writing in [later.writing(too_late, now), late.writing(again, now)] {
                let written = store.writer.write(writing).await;
                assert!(matches!(written, Ok(Written::Changed)));
            }
            let found = store.find(records).await.unwrap();
            let kept: Probe = found.row(&record).unwrap().unwrap();
            assert_eq!(kept.at, at);
        }
    }
}
