//! What was just written is not read again.
//!
//! Whoever signs up comes back at once, with the next page and with the code, and a row that is read
//! costs the engine a tenth of a millisecond and more (docs/PERFORMANCE.md). The embedded engine is
//! this process's alone, so a record says what was written to it last. Its rows are kept here from the
//! moment their transaction is on disk until a statement begins that may change them. A database
//! server has other clients, and is always asked.
//!
//! Only statements fill this, never readers: whoever reads cannot know whether what they have read is
//! old already.

#![expect(
    clippy::mutable_key_type,
    reason = "a record's key could hold a pattern, whose caches are no part of what it is"
)]

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use surrealdb::types::SurrealValue;
use surrealdb::types::{Object, RecordId};

/// How many rows are kept at least before the oldest go, and half of what is kept at most: a claim
/// takes about 4 KiB, and 130 people a second leave about five rows each.
const KEPT: usize = 1024;

/// What records say: their rows, or that there is none.
pub(super) type Known = Vec<(RecordId, Option<Object>)>;

/// The records that a statement may change.
pub(super) enum Touched {
    These(HashSet<RecordId>),
    /// Any at all.
    Anything,
}

/// What the records say that were written last.
pub(super) struct Recent(Mutex<State>);

#[derive(Default)]
struct State {
    is_on: bool,
    /// The rows of late.
    young: HashMap<RecordId, Option<Object>>,
    /// Those before, which are next to go.
    old: HashMap<RecordId, Option<Object>>,
    /// Records that statements under way may change.
    changing: HashMap<RecordId, UnderWay>,
    /// How many statements are under way that may change anything.
    changing_anything: usize,
}

/// What is under way that may change a record.
#[derive(Default)]
struct UnderWay {
    /// How many statements.
    count: usize,
    /// Whether there was more than one at a time, of which nobody knows which came last.
    is_unclear: bool,
}

/// A statement under way. One that never ends, since nobody knows what became of it, keeps its records
/// from being known.
#[must_use]
pub(super) struct Change(Touched);

impl Change {
    /// Whether nothing is known while it is under way.
    pub(super) fn is_of_anything(&self) -> bool {
        matches!(self.0, Touched::Anything)
    }
}

impl Recent {
    pub(super) fn new(is_on: bool) -> Self {
        Self(Mutex::new(State {
            is_on,
            ..State::default()
        }))
    }

    /// The rows of those of these records that there are, in the same order; `None` where that is not
    /// known of all.
    pub(super) fn rows(&self, records: &[RecordId]) -> Option<Vec<Object>> {
        let state = self.lock();
        let known: Option<Vec<_>> = records.iter().map(|record| state.known(record)).collect();
        Some(known?.into_iter().flatten().cloned().collect())
    }

    /// A statement begins.
    pub(super) fn begin(&self, touched: Touched) -> Change {
        let mut state = self.lock();
        if !state.is_on {
            return Change(Touched::These(HashSet::new()));
        }
        match &touched {
            Touched::These(records) => {
                let is_unclear = state.changing_anything > 0;
                for record in records {
                    state.forget(record);
                    let changing = state.changing.entry(record.clone()).or_default();
                    changing.is_unclear |= is_unclear || changing.count > 0;
                    changing.count += 1;
                }
            }
            Touched::Anything => {
                state.forget_all();
                state.changing_anything += 1;
                for changing in state.changing.values_mut() {
                    changing.is_unclear = true;
                }
            }
        }
        Change(touched)
    }

    /// A statement has ended, and these of its records say this now.
    pub(super) fn end(&self, change: Change, known: Known) {
        let mut state = self.lock();
        match change.0 {
            Touched::These(records) => {
                let clear: HashSet<RecordId> = records
                    .into_iter()
                    .filter(|record| state.is_clear_after(record))
                    .collect();
                for (record, row) in known {
                    if clear.contains(&record) {
                        state.keep(record, row);
                    }
                }
            }
            Touched::Anything => state.changing_anything -= 1,
        }
    }

    /// Others write to the same engine.
    #[cfg(test)]
    pub(super) fn turn_off(&self) {
        let mut state = self.lock();
        state.is_on = false;
        state.forget_all();
    }

    /// Whether a statement is under way that may change the record.
    #[cfg(test)]
    pub(super) fn is_changing(&self, record: &RecordId) -> bool {
        let state = self.lock();
        state.changing_anything > 0 || state.changing.contains_key(record)
    }

    /// All that is known.
    #[cfg(test)]
    pub(super) fn all(&self) -> Known {
        let state = self.lock();
        let all = state.young.iter().chain(&state.old);
        all.map(|(record, row)| (record.clone(), row.clone()))
            .collect()
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn known(&self, record: &RecordId) -> Option<Option<&Object>> {
        let row = self.young.get(record).or_else(|| self.old.get(record))?;
        Some(row.as_ref())
    }

    fn keep(&mut self, record: RecordId, row: Option<Object>) {
        if self.young.len() >= KEPT {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(record, row);
    }

    fn forget(&mut self, record: &RecordId) {
        self.young.remove(record);
        self.old.remove(record);
    }

    fn forget_all(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// One statement less changes the record; says whether it was the only one all the while.
    fn is_clear_after(&mut self, record: &RecordId) -> bool {
        let Some(changing) = self.changing.get_mut(record) else {
            return false;
        };
        changing.count -= 1;
        let is_clear = !changing.is_unclear;
        if changing.count == 0 {
            self.changing.remove(record);
        }
        is_clear
    }
}

#[cfg(test)]
impl super::Store {
    /// Asks the engine about everything that is known without asking it; says how many rows that are.
    pub async fn compare_what_is_known(&self) -> usize {
        const SELECT: &str = "{ RETURN (SELECT * FROM $record) }";
        let mut rows = 0;
        for (record, known) in self.statements.recent().all() {
            let id = super::vars([("record", record.clone().into_value())]);
            let says: Vec<Object> = self.look(SELECT, id).await.unwrap();
            assert_eq!(known.as_slice(), says, "{record:?}");
            rows += says.len();
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use surrealdb::types::Value;

    use super::*;

    fn record(name: &str) -> RecordId {
        RecordId::new("probe", name)
    }

    fn begin(recent: &Recent, names: &[&str]) -> Change {
        recent.begin(Touched::These(names.iter().map(|it| record(it)).collect()))
    }

    fn row(text: &str) -> Option<Object> {
        let mut row = Object::new();
        row.insert("text", Value::String(text.to_owned()));
        Some(row)
    }

    fn known(recent: &Recent, name: &str) -> Option<Vec<Object>> {
        recent.rows(&[record(name)])
    }

    #[test]
    fn a_row_is_known_from_the_end_of_its_statement_to_the_beginning_of_the_next() {
        let recent = Recent::new(true);
        let change = begin(&recent, &["a", "b", "c"]);
        assert_eq!(known(&recent, "a"), None);
        recent.end(change, vec![(record("a"), row("1")), (record("b"), None)]);
        assert_eq!(known(&recent, "a"), Some(vec![row("1").unwrap()]));
        assert_eq!(known(&recent, "b"), Some(Vec::new()));
        assert_eq!(known(&recent, "c"), None);
        let both = recent.rows(&[record("b"), record("a")]);
        assert_eq!(both, Some(vec![row("1").unwrap()]));
        assert_eq!(recent.rows(&[record("a"), record("c")]), None);
        let change = begin(&recent, &["a"]);
        assert_eq!(known(&recent, "a"), None);
        recent.end(change, Vec::new());
        assert_eq!(
            known(&recent, "a"),
            None,
            "nothing is known of one that failed"
        );
        assert_eq!(known(&recent, "b"), Some(Vec::new()));
    }

    #[test]
    fn of_statements_at_the_same_time_nobody_knows_which_came_last() {
        for is_first_the_first_to_end in [true, false] {
            let recent = Recent::new(true);
            let mut under_way = vec![begin(&recent, &["a"]), begin(&recent, &["a"])];
            if is_first_the_first_to_end {
                under_way.reverse();
            }
            while let Some(change) = under_way.pop() {
                recent.end(change, vec![(record("a"), row("1"))]);
                assert_eq!(known(&recent, "a"), None);
            }
            let change = begin(&recent, &["a"]);
            recent.end(change, vec![(record("a"), row("2"))]);
            assert!(known(&recent, "a").is_some());
            assert!(recent.lock().changing.is_empty());
        }
    }

    #[test]
    fn while_anything_may_change_nothing_is_known() {
        let recent = Recent::new(true);
        let change = begin(&recent, &["a"]);
        recent.end(change, vec![(record("a"), row("1"))]);
        let before = begin(&recent, &["b"]);
        let anything = recent.begin(Touched::Anything);
        assert_eq!(known(&recent, "a"), None);
        recent.end(before, vec![(record("b"), row("1"))]);
        let within = begin(&recent, &["c"]);
        recent.end(within, vec![(record("c"), row("1"))]);
        let across = begin(&recent, &["d"]);
        recent.end(anything, Vec::new());
        recent.end(across, vec![(record("d"), row("1"))]);
        assert_eq!(recent.all(), []);
        let change = begin(&recent, &["a"]);
        recent.end(change, vec![(record("a"), row("2"))]);
        assert!(known(&recent, "a").is_some());
    }

    #[test]
    fn one_that_never_ends_keeps_its_records_from_being_known() {
        let recent = Recent::new(true);
        let _lost = begin(&recent, &["a"]);
        let change = begin(&recent, &["a", "b"]);
        recent.end(
            change,
            vec![(record("a"), row("1")), (record("b"), row("1"))],
        );
        assert_eq!(known(&recent, "a"), None);
        assert!(known(&recent, "b").is_some());
    }

    #[test]
    fn the_oldest_go_and_off_means_nothing() {
        let recent = Recent::new(true);
        let write = |recent: &Recent, number: usize| {
            let name = number.to_string();
            let change = begin(recent, &[&name]);
            recent.end(change, vec![(record(&name), row("1"))]);
        };
        for number in 0..=2 * KEPT {
            write(&recent, number);
        }
        assert_eq!(known(&recent, "0"), None);
        assert!(known(&recent, &(KEPT + 1).to_string()).is_some());
        assert!(recent.all().len() <= 2 * KEPT);
        let off = Recent::new(false);
        write(&off, 1);
        let _lost = begin(&off, &["a"]);
        assert_eq!(off.all(), []);
        assert!(off.lock().changing.is_empty());
    }
}
