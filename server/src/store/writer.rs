//! Writing: one transaction for what several people write at once.
//!
//! What cannot be written with the others (it was decided upon records that have changed, a budget is
//! spent, a row is at fault) has none of them written; then each is written alone.

use std::mem;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use surrealdb::types::{Object, RecordId, SurrealValue, Value};

use super::budgets::{
    Budget, Limited, Wait, budget_waits, end_if_limited, refund_budgets, spend_budgets, to_spend,
    wanted,
};
use super::line::{Line, Shared, Told};
use super::reader::id_of;
use super::recent::{Known, Touched};
use super::statements::{Changing, MAX_TRIES, Statements, Tried};
use super::{StoreError, vars};
use crate::crowd::Crowd;

/// How often several are tried together when other transactions get in their way.
const TRIES: u32 = 3;

/// How long whoever can wait waits for others where many are about. While many wait for their hash,
/// those that are done are told together (`hashing/queue.rs`), and write together, that often or more.
pub(super) const PATIENCE: Duration = Duration::from_millis(40);

const END_IF_CHANGED: &str = "
    IF (SELECT * FROM $records) != $found { RETURN { changed: true } };";

/// The commit fails if somebody else has written to them meanwhile, or made what was not there
/// ([`hold`](super::decision::Decision::hold)). One by one, as the engine wants it.
const HOLD: &str = "
    FOR $record IN $held { SELECT VALUE id FROM ONLY $record FOR UPDATE };";

// What exists is known: to have the engine find out costs it a first try that fails.
const INSERT: &str = "
    INSERT $made RETURN NONE;";

const REWRITE: &str = "
    FOR $row IN $rewritten { UPDATE $row.id CONTENT $row RETURN NONE };";

const DELETE: &str = "
    DELETE $gone;";

const SPEND: &str = concat!(budget_waits!(), end_if_limited!(), spend_budgets!());

const LOOK: &str = concat!(budget_waits!(), end_if_limited!());

const REFUND: &str = refund_budgets!();

/// All statements that there are: each consists of what there is to do, since to evaluate a part that
/// has nothing to do costs as well.
static STATEMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let statement = |number: usize| {
        let parts = [
            (number & 16 != 0, HOLD),
            (number & 1 != 0, END_IF_CHANGED),
            (true, ["", SPEND, LOOK, REFUND][number >> 5]),
            (number & 2 != 0, INSERT),
            (number & 4 != 0, REWRITE),
            (number & 8 != 0, DELETE),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(is_there, part)| is_there.then_some(part));
        format!("{{{}\n    RETURN NONE\n}}", parts.collect::<String>())
    };
    (0..128).map(statement).collect()
});

/// What is written together or not at all.
#[derive(Clone, Default)]
pub(super) struct Writing {
    /// Only if these records ...
    pub records: Vec<RecordId>,
    /// ... say this: the rows of those that are there, in the same order.
    pub found: Vec<Object>,
    /// Rows that are not there yet.
    pub made: Vec<Row>,
    /// Rows that are there, if they are.
    pub rewritten: Vec<Row>,
    pub gone: Vec<RecordId>,
    /// Of `records`, those that nobody else may write at the same time.
    pub held: Vec<RecordId>,
    pub payment: Payment,
    /// Whether it may be written a little later, where many are about.
    pub can_wait: bool,
}

/// A whole row.
#[derive(Clone)]
pub(super) struct Row {
    pub id: RecordId,
    pub content: Object,
}

impl Row {
    /// `content` is an object.
    pub(super) fn new(id: RecordId, content: impl SurrealValue) -> Self {
        let content = match content.into_value() {
            Value::Object(content) => content,
            // Refused by the schema, as any other row would be that lacks everything.
            _ => Object::new(),
        };
        Self { id, content }
    }

    /// As the engine gives it back: it has an id in it, and nothing of what is not there.
    fn as_read(&self) -> Object {
        let content = self.content.iter();
        let fields = content.filter(|(_, value)| **value != Value::None);
        let mut row: Object = fields
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        row.insert("id", self.id.clone());
        row
    }
}

/// As objects that have their ids in them.
fn objects(rows: Vec<Row>) -> Value {
    let objects = rows.into_iter().map(|mut row| {
        row.content.insert("id", row.id);
        row.content
    });
    objects.collect::<Vec<_>>().into_value()
}

/// What is paid for it.
#[derive(Clone, Default)]
pub(super) enum Payment {
    #[default]
    Nothing,
    Spend(Bill),
    /// Must be there, and is not spent.
    Look(Bill),
    /// Was spent before and comes back.
    Refund(Vec<Budget>),
}

/// Budgets, and what else must be waited for.
#[derive(Clone)]
pub(super) struct Bill {
    pub budgets: Vec<Budget>,
    pub waits: Vec<Wait>,
    pub now: DateTime<Utc>,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    /// The records do not say any more what they said: nothing was written.
    Changed,
    /// A budget is spent: nothing was written.
    Limited(Limited),
}

/// Why nothing was written: records that have changed, if no budget is limited.
#[derive(SurrealValue)]
struct WrittenRow {
    limited: Option<Wait>,
}

impl Bill {
    fn is_nothing(&self) -> bool {
        self.budgets.is_empty() && self.waits.is_empty()
    }

    /// Whether budgets that are whole allow it, which statements take for granted.
    fn is_modest(&self) -> bool {
        self.budgets
            .iter()
            .all(|budget| budget.cost <= budget.count)
    }

    /// Both: who shares a budget pays out of it together.
    fn join(&mut self, other: Self) {
        for budget in other.budgets {
            let same =
                |known: &&mut Budget| known.kind == budget.kind && known.owner == budget.owner;
            match self.budgets.iter_mut().find(same) {
                Some(known) => known.cost = known.cost.saturating_add(budget.cost),
                None => self.budgets.push(budget),
            }
        }
        self.waits.extend(other.waits);
        self.now = self.now.max(other.now);
    }
}

impl Payment {
    fn has_waits(&self) -> bool {
        match self {
            Self::Spend(bill) | Self::Look(bill) => !bill.waits.is_empty(),
            Self::Nothing | Self::Refund(_) => false,
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Spend(bill) | Self::Look(bill) => bill.is_nothing(),
            Self::Refund(budgets) => budgets.is_empty(),
        }
    }
}

impl Writing {
    /// Whether there is nothing to be done.
    pub(super) fn is_nothing(&self) -> bool {
        self.made.is_empty()
            && self.rewritten.is_empty()
            && self.gone.is_empty()
            && self.payment.is_nothing()
    }

    /// Whether others can be written with it. What is rare cannot, nor what will be refused.
    fn is_sociable(&self) -> bool {
        match &self.payment {
            Payment::Spend(bill) => bill.waits.iter().all(|wait| !wait.is_on(bill.now)),
            payment => payment.is_nothing(),
        }
    }

    /// The records that it depends on or changes.
    fn concerns(&self) -> impl Iterator<Item = &RecordId> {
        let written = self.made.iter().chain(&self.rewritten).map(|row| &row.id);
        self.records
            .iter()
            .chain(written)
            .chain(&self.gone)
            .chain(&self.held)
    }

    fn join(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.found.extend(other.found);
        self.made.extend(other.made);
        self.rewritten.extend(other.rewritten);
        self.gone.extend(other.gone);
        self.held.extend(other.held);
        self.payment = match (mem::take(&mut self.payment), other.payment) {
            (Payment::Spend(mut bill), Payment::Spend(more)) => {
                bill.join(more);
                Payment::Spend(bill)
            }
            (spend @ Payment::Spend(_), _) | (_, spend) => spend,
        };
        self
    }

    /// What its records say once it is written.
    fn known(&self) -> Known {
        let written = self.made.iter().chain(&self.rewritten).map(|row| &row.id);
        let changed: Vec<&RecordId> = written.chain(&self.gone).collect();
        let found = |record: &RecordId| self.found.iter().find(|row| id_of(row) == Some(record));
        let unchanged = self.records.iter().filter(|it| !changed.contains(it));
        let unchanged = unchanged.map(|record| (record.clone(), found(record).cloned()));
        // One that was not found first may not be there to be rewritten.
        let is_there = |row: &&Row| found(&row.id).is_some();
        let rewritten = self.rewritten.iter().filter(is_there);
        let written = self.made.iter().chain(rewritten);
        let written = written.map(|row| (row.id.clone(), Some(row.as_read())));
        unchanged.chain(written).collect()
    }

    fn statement(mut self) -> Changing {
        let touched = Touched::These(self.concerns().cloned().collect());
        let then = self.known();
        // One that is made must not be there, which making it finds out by itself; where there may be
        // something to wait for first, whether it is there comes before that.
        if !self.payment.has_waits() {
            self.records
                .retain(|record| self.made.iter().all(|row| row.id != *record));
        }
        // The engine prepares itself for each change of table.
        self.made.sort_by(|a, b| a.id.table.cmp(&b.id.table));
        let mut number = usize::from(!self.records.is_empty())
            | usize::from(!self.made.is_empty()) << 1
            | usize::from(!self.rewritten.is_empty()) << 2
            | usize::from(!self.gone.is_empty()) << 3
            | usize::from(!self.held.is_empty()) << 4;
        let mut variables = vars([
            ("records", self.records.into_value()),
            ("found", self.found.into_value()),
            ("made", objects(self.made)),
            ("rewritten", objects(self.rewritten)),
            ("gone", self.gone.into_value()),
            ("held", self.held.into_value()),
        ]);
        let pay = |bill: Bill| vars(to_spend(&bill.budgets, bill.waits, bill.now));
        if !self.payment.is_nothing() {
            let (kind, payment) = match self.payment {
                Payment::Nothing => (0, vars([])),
                Payment::Spend(bill) => (1, pay(bill)),
                Payment::Look(bill) => (2, pay(bill)),
                Payment::Refund(budgets) => (3, vars([("budgets", wanted(&budgets))])),
            };
            variables.extend(payment);
            number |= kind << 5;
        }
        Changing {
            block: &STATEMENTS[number],
            variables,
            touched,
            then,
        }
    }
}

impl TryFrom<Option<WrittenRow>> for Written {
    type Error = StoreError;

    fn try_from(row: Option<WrittenRow>) -> Result<Self, StoreError> {
        Ok(match row {
            None => Self::All,
            Some(WrittenRow { limited: None }) => Self::Changed,
            Some(WrittenRow {
                limited: Some(wait),
            }) => Self::Limited(wait.limited()?),
        })
    }
}

/// Writes for everybody.
pub(super) struct Writer {
    statements: Arc<Statements>,
    crowd: Crowd,
}

impl Writer {
    pub(super) fn new(statements: Arc<Statements>, crowd: Crowd) -> Arc<Line<Self>> {
        Line::new(Self { statements, crowd })
    }
}

impl Line<Writer> {
    /// Writes this, perhaps with what others write.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn write(self: &Arc<Self>, writing: Writing) -> Result<Written, StoreError> {
        let Writer { statements, crowd } = self.shared();
        let is_decided = !writing.records.is_empty();
        let written = |written: Result<Option<WrittenRow>, StoreError>| match written {
            // Others have made what was not there when it was decided.
            Err(StoreError::Exists) if is_decided => Ok(Written::Changed),
            written => written?.try_into(),
        };
        let told = if !writing.is_sociable() {
            Told::Alone
        } else if writing.can_wait && crowd.is_there() {
            self.wait_and_line_up(&writing, PATIENCE).await
        } else {
            self.line_up(&writing).await
        };
        match told {
            Told::Together(written) => return written.map(|()| Written::All),
            Told::Lost => return Err(StoreError::given_up()),
            Told::First(busy) => {
                let tried = statements.change(1, writing.clone().statement()).await;
                // Whoever has to try again does not hold the others up.
                drop(busy);
                match tried {
                    Err(Tried::Conflict) => {}
                    tried => return written(tried.map_err(StoreError::from)),
                }
            }
            Told::Alone => {}
        }
        let tried = statements.change(MAX_TRIES, writing.statement()).await;
        written(tried.map_err(StoreError::from))
    }
}

impl Shared for Writer {
    type Item = Writing;
    type Answer = Result<(), StoreError>;

    /// Not two that have to do with the same record: one must see what the other has written.
    fn goes_with(writing: &Writing, group: &[&Writing]) -> bool {
        let concerned = |record| {
            group
                .iter()
                .any(|other| other.concerns().any(|it| it == record))
        };
        !writing.concerns().any(concerned)
    }

    async fn together(&self, group: Vec<Writing>) -> Option<Vec<Self::Answer>> {
        let count = group.len();
        let all = group.into_iter().reduce(Writing::join)?;
        if let Payment::Spend(bill) = &all.payment
            && !bill.is_modest()
        {
            return None;
        }
        let written: Result<Option<WrittenRow>, _> =
            self.statements.change(TRIES, all.statement()).await;
        let told = match written.map(Written::try_from) {
            Ok(Ok(Written::All)) => Ok(()),
            Ok(Err(error)) | Err(Tried::Failed(error)) => Err(error),
            Ok(Ok(Written::Changed | Written::Limited(_)))
            | Err(Tried::Conflict | Tried::Refused(_)) => return None,
        };
        Some(vec![told; count])
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use tokio::task::JoinSet;

    use super::super::line::Busy;
    use super::super::{BudgetKind, Store};
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[derive(SurrealValue)]
    struct Probe {
        at: DateTime<Utc>,
    }

    async fn store() -> (tempfile::TempDir, Arc<Store>) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        (folder, Arc::new(store.unwrap()))
    }

    fn record(name: &str) -> RecordId {
        RecordId::new("probe", name)
    }

    fn make(name: &str) -> Writing {
        Writing {
            made: vec![Row::new(
                record(name),
                Probe {
                    at: DateTime::UNIX_EPOCH,
                },
            )],
            ..Writing::default()
        }
    }

    /// One of so many mails that a network may cause.
    fn spend(name: &str, owner: &str, count: u32) -> Writing {
        let budget = Budget {
            kind: BudgetKind::Mails,
            owner: owner.to_owned(),
            count,
            period: TimeDelta::hours(1),
            cost: 1,
        };
        Writing {
            payment: Payment::Spend(Bill {
                budgets: vec![budget],
                waits: Vec::new(),
                now: DateTime::UNIX_EPOCH,
            }),
            ..make(name)
        }
    }

    async fn names(store: &Store) -> Vec<String> {
        const NAMES: &str = "{ RETURN (SELECT VALUE record::id(id) FROM probe) }";
        store.run(NAMES, vars([])).await.unwrap()
    }

    async fn busy(store: &Store) -> Busy<Writer> {
        match store.writer.line_up(&Writing::default()).await {
            Told::First(busy) => busy,
            _ => panic!("nobody else writes"),
        }
    }

    async fn until_so_many_wait(store: &Store, count: usize) {
        while store.writer.waiting() < count {
            tokio::task::yield_now().await;
        }
    }

    /// What becomes of these, which come while somebody writes.
    async fn written_after(
        store: &Arc<Store>,
        busy: Busy<Writer>,
        all: Vec<Writing>,
    ) -> Vec<Result<Written, StoreError>> {
        let mut tasks = JoinSet::new();
        let count = all.len();
        for writing in all {
            let store = store.clone();
            tasks.spawn(async move { store.writer.write(writing).await });
        }
        until_so_many_wait(store, count).await;
        drop(busy);
        tasks.join_all().await
    }

    #[test]
    fn each_statement_is_one() {
        for statement in &*STATEMENTS {
            let parsed = surrealdb_syn::parse(statement).unwrap();
            assert_eq!(parsed.expressions.len(), 1, "{statement}");
        }
        assert!(!STATEMENTS[0].contains('$'), "{}", STATEMENTS[0]);
        for part in [
            "$found",
            "limited: $wait",
            "INSERT",
            "UPSERT",
            "UPDATE",
            "DELETE",
            "$held",
        ] {
            assert!(STATEMENTS[63].contains(part), "{}", STATEMENTS[63]);
        }
    }

    #[tokio::test]
    async fn what_comes_while_somebody_writes_is_written_together() {
        let (_folder, store) = store().await;
        let first = busy(&store).await;
        let mut tasks = JoinSet::new();
        for name in ["a", "b", "c"] {
            let store = store.clone();
            tasks.spawn(async move { store.writer.line_up(&make(name)).await });
        }
        until_so_many_wait(&store, 3).await;
        assert_eq!(names(&store).await, [""; 0]);
        drop(first);
        for told in tasks.join_all().await {
            assert!(matches!(told, Told::Together(Ok(()))));
        }
        assert_eq!(names(&store).await, ["a", "b", "c"]);
        drop(busy(&store).await);
    }

    #[tokio::test]
    async fn whoever_can_wait_waits_for_others_where_there_is_a_crowd() {
        let (_folder, store) = store().await;
        let patient = |name| Writing {
            can_wait: true,
            ..make(name)
        };
        store.writer.write(patient("a")).await.unwrap();
        assert_eq!(names(&store).await, ["a"], "nobody else is about");
        store.crowd().counts(100);
        let waits = {
            let store = store.clone();
            tokio::spawn(async move { store.writer.write(patient("b")).await })
        };
        until_so_many_wait(&store, 1).await;
        let written = store.writer.line_up(&make("c")).await;
        assert!(matches!(written, Told::Together(Ok(()))));
        assert_eq!(waits.await.unwrap().unwrap(), Written::All);
        store.writer.write(patient("d")).await.unwrap();
        assert_eq!(names(&store).await, ["a", "b", "c", "d"], "not for ever");
    }

    #[tokio::test]
    async fn what_has_begun_is_written_and_known_though_nobody_wants_it_any_more() {
        let (_folder, store) = store().await;
        for number in 0..20 {
            let name = number.to_string();
            let writes = {
                let (store, name) = (store.clone(), name.clone());
                tokio::spawn(async move { store.writer.write(make(&name)).await })
            };
            let is_changing = || store.statements.recent().is_changing(&record(&name));
            // It may have ended before anybody looks.
            while !is_changing() && !writes.is_finished() {
                tokio::task::yield_now().await;
            }
            writes.abort();
            while is_changing() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(store.compare_what_is_known().await, 20);
    }

    #[tokio::test]
    async fn nothing_is_known_of_a_row_that_may_not_have_been_there_to_be_rewritten() {
        let (_folder, store) = store().await;
        let rewritten = Writing {
            made: Vec::new(),
            rewritten: make("nobody").made,
            ..Writing::default()
        };
        store.writer.write(make("a")).await.unwrap();
        assert_eq!(store.writer.write(rewritten).await.unwrap(), Written::All);
        assert_eq!(store.compare_what_is_known().await, 1);
    }

    #[tokio::test]
    async fn what_others_have_made_meanwhile_comes_before_what_is_to_be_waited_for() {
        let (_folder, store) = store().await;
        store.writer.write(make("a")).await.unwrap();
        let soon = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        let decided = |name: &str| Writing {
            records: vec![record(name)],
            payment: Payment::Spend(Bill {
                budgets: Vec::new(),
                waits: vec![Wait::new(BudgetKind::AllSignUps, soon)],
                now: DateTime::UNIX_EPOCH,
            }),
            ..make(name)
        };
        let written = store.writer.write(decided("a")).await.unwrap();
        assert_eq!(written, Written::Changed);
        let written = store.writer.write(decided("b")).await.unwrap();
        assert!(matches!(written, Written::Limited(_)));
    }

    #[tokio::test]
    async fn one_that_is_at_fault_holds_nobody_up() {
        let (_folder, store) = store().await;
        store.writer.write(make("a")).await.unwrap();
        let busy = busy(&store).await;
        let changed = Writing {
            records: vec![record("a")],
            ..make("c")
        };
        let all = vec![make("a"), make("b"), changed, make("d")];
        let written = written_after(&store, busy, all).await;
        let count = |of: fn(&Result<Written, StoreError>) -> bool| {
            written.iter().filter(|written| of(written)).count()
        };
        assert_eq!(count(|it| matches!(it, Err(StoreError::Exists))), 1);
        assert_eq!(count(|it| matches!(it, Ok(Written::Changed))), 1);
        assert_eq!(count(|it| matches!(it, Ok(Written::All))), 2);
        assert_eq!(names(&store).await, ["a", "b", "d"]);
    }

    #[tokio::test]
    async fn who_shares_a_budget_pays_out_of_it_together() {
        let (_folder, store) = store().await;
        for (owner, count) in [("enough", 3), ("not enough", 2)] {
            let busy = busy(&store).await;
            let all = ["a", "b", "c"].map(|name| spend(&format!("{owner} {name}"), owner, count));
            let written = written_after(&store, busy, all.to_vec()).await;
            let paid = |it: &&Result<Written, _>| matches!(it, Ok(Written::All));
            let limited = |it: &&Result<Written, _>| matches!(it, Ok(Written::Limited(_)));
            assert_eq!(written.iter().filter(paid).count(), count as usize);
            assert_eq!(written.iter().filter(limited).count(), 3 - count as usize);
        }
        assert_eq!(names(&store).await.len(), 5);
    }

    #[tokio::test]
    async fn two_that_have_to_do_with_the_same_record_are_not_written_together() {
        let (_folder, store) = store().await;
        let busy = busy(&store).await;
        let all = vec![make("a"), make("a"), make("a"), make("b")];
        let written = written_after(&store, busy, all).await;
        let exists = |it: &&Result<Written, _>| matches!(it, Err(StoreError::Exists));
        assert_eq!(written.iter().filter(exists).count(), 2);
        assert_eq!(names(&store).await, ["a", "b"]);
    }

    #[tokio::test]
    async fn whoever_gives_up_holds_nobody_up_and_is_not_written() {
        let (_folder, store) = store().await;
        let first = busy(&store).await;
        let mut tasks = JoinSet::new();
        let waiting = |name| {
            let store = store.clone();
            async move { store.writer.write(make(name)).await }
        };
        let given_up = tasks.spawn(waiting("a"));
        until_so_many_wait(&store, 1).await;
        tasks.spawn(waiting("b"));
        until_so_many_wait(&store, 2).await;
        given_up.abort();
        assert!(tasks.join_next().await.unwrap().is_err());
        drop(first);
        let written = tasks.join_next().await.unwrap().unwrap();
        assert_eq!(written.unwrap(), Written::All);
        assert_eq!(names(&store).await, ["b"]);
        drop(busy(&store).await);
    }
}
