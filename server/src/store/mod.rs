//! The one place that speaks SurrealQL.
//!
//! Each statement is a single block, so that it is one transaction and has one result; when it
//! runs into another transaction it is tried again as a whole. Values are always bound.
//!
//! A text is parsed each time, and the embedded engine's cost goes with the number of expressions in
//! it: each one moves some 80 KiB of memory about (docs/PERFORMANCE.md). So rules are judged in Rust
//! (`decision.rs`), what is known before is bound as a whole, and what is rarely there is asked about
//! once.

mod accounts;
mod budgets;
mod claims;
mod decision;
mod disowning;
mod engine;
mod fingerprint;
mod hash_parameters;
mod ledger;
mod line;
mod log_tail;
mod one_address;
mod outbox;
mod reader;
mod recent;
mod restore;
mod rows;
mod schema;
mod sessions;
mod shown;
mod snapshot;
mod statements;
mod sweep;
mod taken;
mod turns;
mod verified;
mod viewer;
mod writer;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use surrealdb::types::{
    AlreadyExistsError, RecordId, RecordIdKey, RecordIdKeyRange, SurrealValue, Value, Variables,
};
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::SharedClock;
use crate::config::DatabaseConfig;
use crate::crowd::Crowd;
use engine::Engine;
use line::Line;
use reader::Reader;
use recent::Touched;
use statements::{Changing, MAX_TRIES, PROBE, Statements, without_addresses};
use taken::TakenMails;
use turns::Turns;
use verified::VerifiedClaims;
use writer::Writer;

pub use accounts::Account;
pub use budgets::{Budget, BudgetKind, Limited};
pub use claims::{Claim, Guess, GuessResult, Registered, Registering, Renewal, Renewed, Spending};
pub use ledger::AddressLedger;
pub use one_address::{Deleted, OneAddress};
pub use outbox::{Lease, LeasedMail, MailRules, OutboxDepth, Outgoing};
pub use restore::{Restore, RestoreError};
pub use rows::{Row, RowError};
pub use schema::{NewerSchema, known_schema};
pub use sessions::{SessionRecords, replace_session};
pub use shown::{SHOWN_TABLES, shown};
pub use snapshot::{KEPT_TABLES, Snapshot};
pub use sweep::{SWEEP_CLAIMS, SWEEP_OTHERS, Sweep};
#[cfg(test)]
pub use taken::TAKEN_WAITS;
pub use viewer::{Viewer, ViewerError};

/// The hexadecimal digits of a claim's handle.
pub const HANDLE_DIGITS: usize = 16;

/// Names one claim: the canonical address, and what tells its claims apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ClaimId {
    pub address: String,
    pub key: String,
}

impl ClaimId {
    fn record_key(&self) -> RecordIdKey {
        RecordIdKey::Array(vec![self.address.clone(), self.key.clone()].into())
    }

    /// The beginning of its key: long enough to find it by, and by itself of no use to anybody.
    #[must_use]
    pub fn handle(&self) -> String {
        self.key.chars().take(HANDLE_DIGITS).collect()
    }

    fn claim(&self) -> RecordId {
        RecordId::new("claim", self.record_key())
    }
}

/// What a store can answer instead of a result.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// Other transactions got in the way each time; nothing was changed.
    #[error("the store is too busy: other transactions kept getting in the way")]
    Contended,
    /// The record to be made is there already; nothing was changed.
    #[error("the record exists already")]
    Exists,
    /// The engine failed; whether the change was made is unknown.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The server cannot be reached, and is tried again and again; whether the change was made is
    /// unknown.
    #[error("the database server cannot be reached: {0}")]
    Unreachable(String),
}

impl StoreError {
    /// Nobody knows what became of a statement.
    fn given_up() -> Self {
        Self::Failed("the statement was given up".to_owned())
    }
}

impl From<surrealdb::Error> for StoreError {
    fn from(error: surrealdb::Error) -> Self {
        match error.already_exists_details() {
            Some(AlreadyExistsError::Record { .. }) => Self::Exists,
            _ if error.is_connection() => Self::Unreachable(error.to_string()),
            _ => Self::Failed(without_addresses(&error.to_string())),
        }
    }
}

/// The database, embedded or a server's.
pub struct Store {
    engine: Arc<Engine>,
    clock: SharedClock,
    statements: Arc<Statements>,
    reader: Arc<Line<Reader>>,
    writer: Arc<Line<Writer>>,
    turns: Arc<Turns>,
    taken: TakenMails,
    verified: VerifiedClaims,
    crowd: Crowd,
    /// Makes the connection to a server anew when it breaks.
    keeper: Option<AbortOnDropHandle<()>>,
}

impl Store {
    /// Opens the store and brings its schema up to date.
    ///
    /// # Errors
    /// When the database cannot be opened, or was made by a newer Latchkey.
    pub async fn open(
        config: &DatabaseConfig,
        data_dir: &Path,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let store = Self::connect(config, data_dir, clock).await?;
        store.migrate().await?;
        store.engine.describe();
        Ok(store)
    }

    /// Opens the store as it is.
    pub(crate) async fn connect(
        config: &DatabaseConfig,
        data_dir: &Path,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let engine = Arc::new(Engine::open(config, data_dir).await?);
        let keeper = config
            .is_server()
            .then(|| AbortOnDropHandle::new(tokio::spawn(engine.clone().keep_connected())));
        Ok(Self {
            keeper,
            ..Self::over(engine, clock)
        })
    }

    fn over(engine: Arc<Engine>, clock: SharedClock) -> Self {
        let statements = Arc::new(Statements::new(engine.clone(), clock.clone()));
        let turns = Arc::new(Turns::new());
        let crowd = Crowd::default();
        Self {
            engine,
            clock,
            reader: Reader::new(statements.clone()),
            writer: Writer::new(statements.clone(), crowd.clone()),
            taken: TakenMails::new(statements.clone(), turns.clone()),
            verified: VerifiedClaims::default(),
            statements,
            turns,
            crowd,
            keeper: None,
        }
    }

    /// Whoever hashes says here how many wait.
    #[must_use]
    pub fn crowd(&self) -> Crowd {
        self.crowd.clone()
    }

    /// Resolves with the reason once the embedded engine has failed to write, and is given up.
    /// What it had not synced is unknown then, to itself too: only a new process, which begins
    /// with what is on disk, may go on.
    pub async fn lost(&self) -> String {
        self.engine.lost().await
    }

    /// The reason why the embedded engine was given up.
    #[must_use]
    pub fn loss(&self) -> Option<String> {
        self.engine.loss()
    }

    /// Has the embedded engine write its log to tables if it has become long. Statements wait
    /// meanwhile.
    ///
    /// # Errors
    /// When the engine fails; then the store is lost.
    pub async fn keep_log_short(&self) -> anyhow::Result<bool> {
        self.engine.keep_log_short(engine::log_bytes()).await
    }

    /// Another instance over the same database, as far as one process can have two.
    #[cfg(test)]
    pub fn beside(&self) -> Self {
        let other = Self::over(self.engine.clone(), self.clock.clone());
        for instance in [self, &other] {
            instance.statements.recent().turn_off();
        }
        other
    }

    /// Closes the store, once running statements have ended.
    ///
    /// # Errors
    /// When the engine fails; what was acknowledged is on disk all the same.
    pub async fn close(&self) -> anyhow::Result<()> {
        self.remove_verified().await;
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        self.engine.close().await
    }

    /// Whether nobody has ever signed up here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_new(&self) -> Result<bool, StoreError> {
        const NEW: &str = "{
            RETURN count(SELECT VALUE id FROM account LIMIT 1) = 0
                AND count(SELECT VALUE id FROM claim LIMIT 1) = 0
        }";
        self.look(NEW, vars([])).await
    }

    /// Whether the store takes writes.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let now = vars([("now", self.clock.now().into_value())]);
        self.change::<Value>([], PROBE, now).await.map(drop)
    }

    /// Runs one block that changes nothing as one transaction.
    async fn look<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, StoreError> {
        self.statements.look(block, variables).await
    }

    /// Runs one block as one transaction, again and again while others get in its way. Of accounts,
    /// claims, ledgers of addresses, and sessions it changes these at most.
    async fn change<T: SurrealValue + Send + 'static>(
        &self,
        records: impl IntoIterator<Item = RecordId>,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, StoreError> {
        let touched = Touched::These(records.into_iter().collect());
        let statement = Changing::new(block, variables, touched);
        Ok(self.statements.change(MAX_TRIES, statement).await?)
    }

    /// The same for one that may change anything.
    async fn run<T: SurrealValue + Send + 'static>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, StoreError> {
        let statement = Changing::new(block, variables, Touched::Anything);
        Ok(self.statements.change(MAX_TRIES, statement).await?)
    }

    /// One record, if it is there.
    async fn row<T: SurrealValue>(&self, record: RecordId) -> Result<Option<T>, StoreError> {
        let rows = self.reader.find(vec![record]).await?;
        let row = rows.into_iter().next();
        Ok(row
            .map(|row| T::from_value(Value::Object(row)))
            .transpose()?)
    }
}

/// All rows of a table whose keys come after this one; without one, all.
fn rows_after(table: &str, key: Option<RecordIdKey>) -> Value {
    let rows = RecordIdKeyRange {
        start: key.map_or(Bound::Unbounded, Bound::Excluded),
        end: Bound::Unbounded,
    };
    RecordId::new(table, RecordIdKey::Range(Box::new(rows))).into_value()
}

fn vars<const N: usize>(pairs: [(&'static str, Value); N]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.insert(name.to_owned(), value);
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_that_is_at_fault_does_not_lose_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(crate::clock::SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock)
            .await
            .unwrap();
        for statement in [
            "{ THROW 'no' }",
            "{ RETURN 1 + 'a' }",
            "{ RETURN <int> 'a' }",
            "{ RETURN nothing::known() }",
            "{ CREATE ONLY claim:['a', 'b'] SET address = 1 }",
            "{ CREATE ONLY account:a SET address = 'a'; CREATE ONLY account:a SET address = 'a' }",
            "{ UPDATE ONLY claim:nobody SET address = 'a' }",
            "{ RETURN (SELECT * FROM nowhere) }",
            "{ RETURN $nothing.a.b + 1 }",
            "{ nonsense nonsense }",
        ] {
            let outcome = store.run::<i64>(statement, vars([])).await;
            assert!(outcome.is_err(), "{statement}");
            assert_eq!(store.loss(), None, "{statement}");
        }
        store.probe().await.unwrap();
        assert!(store.engine.keep_log_short(0).await.unwrap());
        store.probe().await.unwrap();
        store.close().await.unwrap();
        assert!(store.probe().await.is_err());
    }

    #[tokio::test]
    async fn whatever_walks_through_rows_follows_an_index_or_their_ids_and_stops_at_its_limit() {
        macro_rules! walk {
            ($rest:literal) => {
                concat!(
                    "{ RETURN (SELECT * FROM ",
                    $rest,
                    " LIMIT 5 EXPLAIN FULL) }"
                )
            };
        }
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(crate::clock::SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        for walk in [
            walk!("claim WHERE expires_at >= $from AND expires_at <= $now"),
            walk!("claim WHERE due_at > $now"),
            walk!(
                "claim WHERE due_at > d'1970-01-01T00:00:00Z' AND due_at <= $now ORDER BY due_at"
            ),
            walk!("claim WHERE handle = $handle"),
            walk!("$rows"),
        ] {
            let now = store.clock.now();
            let values = vars([
                ("now", now.into_value()),
                ("from", (now - chrono::Duration::days(1)).into_value()),
                ("handle", "0123456789abcdef".into_value()),
                ("rows", rows_after("session", None)),
            ]);
            let plan = store.run::<Value>(walk, values).await.unwrap();
            let plan = plan.into_json_value().to_string();
            let way = match walk.contains("$rows") {
                true => "Iterate Range",
                false => "Iterate Index",
            };
            assert!(plan.contains(way), "{walk}: {plan}");
            assert!(plan.contains("CancelOnLimit"), "{walk}: {plan}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn opening_the_engine_again_costs_no_commit() {
        const ADD: &str = "{ UPSERT ONLY probe:ready SET at = $now;
            CREATE type::record('budget', [$number]) SET full_at = $now; RETURN NONE }";
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(crate::clock::SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = Arc::new(store.unwrap());
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4_i64 {
            let store = store.clone();
            writers.spawn(async move {
                for number in 0..20 {
                    let number = (writer * 20 + number).into_value();
                    let now = store.clock.now().into_value();
                    let variables = vars([("number", number), ("now", now)]);
                    store.run::<Value>(ADD, variables).await.unwrap();
                }
            });
        }
        let mut opened = 0;
        while !writers.is_empty() {
            opened += usize::from(store.engine.keep_log_short(1).await.unwrap());
            while writers.try_join_next().is_some_and(|writer| writer.is_ok()) {}
        }
        assert!(opened > 1);
        assert_eq!(store.sweep(100).await.unwrap(), 80);
    }
}
