//! The one place that speaks SurrealQL.
//!
//! Each statement is a single block, so that it is one transaction and has one result; when it
//! runs into another transaction it is tried again as a whole. Values are always bound.

mod accounts;
mod budgets;
mod claims;
mod disowning;
mod hash_parameters;
mod one_address;
mod outbox;
mod restore;
mod rows;
mod schema;
mod sessions;
mod shown;
mod snapshot;
mod viewer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use surrealdb::Surreal;
use surrealdb::engine::any::{self, Any};
use surrealdb::opt::auth::Root;
use surrealdb::types::{
    AlreadyExistsError, QueryError, RecordId, RecordIdKey, SurrealValue, Value, Variables,
};
use thiserror::Error;

use crate::clock::SharedClock;
use crate::config::DatabaseConfig;
use crate::entropy::jitter;

pub use accounts::Account;
pub use budgets::{AddressLedger, Budget, BudgetKind, Limited};
pub use claims::{Claim, Guess, GuessResult, Registered, Registering, Renewal, Renewed, Spending};
pub use one_address::{Deleted, OneAddress};
pub use outbox::{LeasedMail, MailRules, OutboxDepth, Outgoing};
pub use restore::{Restore, RestoreError};
pub use rows::{Row, RowError};
pub use schema::{NewerSchema, known_schema};
pub use sessions::SessionRecords;
pub use shown::{SHOWN_TABLES, shown};
pub use snapshot::{KEPT_TABLES, Snapshot};
pub use viewer::{Viewer, ViewerError};

/// The hexadecimal digits of a claim's handle.
pub const HANDLE_DIGITS: usize = 16;

/// How often a statement is tried when other transactions keep getting in its way.
const MAX_TRIES: u32 = 40;

/// How long one try may take. The embedded engine draws the ids of an index from a sequence, and
/// tries that without end when the disk takes no writes.
const ANSWER: Duration = Duration::from_secs(10);

/// Names one claim: the canonical address, and what tells its claims apart.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

    fn outbox(&self) -> RecordId {
        RecordId::new("outbox", self.record_key())
    }
}

/// What a store can answer instead of a result.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Other transactions got in the way each time; nothing was changed.
    #[error("the store is too busy: other transactions kept getting in the way")]
    Contended,
    /// The record to be made is there already; nothing was changed.
    #[error("the record exists already")]
    Exists,
    /// The engine failed or cannot be reached; whether the change was made is unknown.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl From<surrealdb::Error> for StoreError {
    fn from(error: surrealdb::Error) -> Self {
        match error.already_exists_details() {
            Some(AlreadyExistsError::Record { .. }) => Self::Exists,
            _ => Self::Failed(without_addresses(&error.to_string())),
        }
    }
}

/// The database, embedded or a server's.
pub struct Store {
    database: Surreal<Any>,
    clock: SharedClock,
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
        Ok(store)
    }

    /// Opens the store as it is.
    pub(crate) async fn connect(
        config: &DatabaseConfig,
        data_dir: &Path,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let address = address(config.url.as_deref(), data_dir);
        let database = any::connect(&address).await.with_context(|| {
            format!("Failed to open the database {address}: does another Latchkey use it?")
        })?;
        if let (Some(username), Some(password)) = (&config.username, &config.password) {
            database
                .signin(Root {
                    username: username.clone(),
                    password: password.expose_secret().to_owned(),
                })
                .await
                .context("Failed to sign in to the database")?;
        }
        database
            .use_ns(&config.namespace)
            .use_db(&config.database)
            .await
            .context("Failed to select the database")?;
        Ok(Self { database, clock })
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
        self.run(NEW, vars([])).await
    }

    /// Whether the store takes writes.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        const PROBE: &str = "{ UPSERT ONLY probe:ready SET at = $now; RETURN NONE }";
        self.run::<Value>(PROBE, vars([("now", self.clock.now().into_value())]))
            .await
            .map(drop)
    }

    /// Removes up to `limit` rows of each kind that have expired, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, limit: u32) -> Result<u64, StoreError> {
        const SWEEP: &str = "{
            LET $claims = (SELECT VALUE id FROM claim WHERE expires_at <= $now LIMIT $limit);
            LET $sessions = (SELECT VALUE id FROM session WHERE expires_at <= $now LIMIT $limit);
            LET $budgets = (SELECT VALUE id FROM budget WHERE full_at <= $now LIMIT $limit);
            LET $ledgers =
                (SELECT VALUE id FROM address_ledger WHERE expires_at <= $now LIMIT $limit);
            DELETE $claims;
            DELETE $sessions;
            DELETE $budgets;
            DELETE $ledgers;
            RETURN count($claims) + count($sessions) + count($budgets) + count($ledgers)
        }";
        self.run(
            SWEEP,
            vars([
                ("now", self.clock.now().into_value()),
                ("limit", i64::from(limit).into_value()),
            ]),
        )
        .await
    }

    /// Runs one block as one transaction, again and again while others get in its way.
    async fn run<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, StoreError> {
        let mut pause = Duration::from_micros(500);
        for _ in 0..MAX_TRIES {
            let outcome = self.run_once(block, variables.clone());
            let Ok(outcome) = tokio::time::timeout(ANSWER, outcome).await else {
                return Err(StoreError::Failed("it did not answer in time".to_owned()));
            };
            match outcome {
                Err(error) if is_conflict(&error) => {
                    tokio::time::sleep(pause.mul_f64(jitter(0.5))).await;
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                outcome => return outcome.map_err(StoreError::from),
            }
        }
        Err(StoreError::Contended)
    }

    async fn run_once<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> surrealdb::Result<T> {
        let mut response = self.database.query(block).bind(variables).await?;
        let value: Value = response.take(0)?;
        T::from_value(value)
    }
}

/// The engine's words can hold a record's id, which holds an address, which no log may.
fn without_addresses(words: &str) -> String {
    words
        .split_whitespace()
        .map(|word| if word.contains('@') { "…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

fn is_conflict(error: &surrealdb::Error) -> bool {
    matches!(error.query_details(), Some(QueryError::TransactionConflict))
}

fn vars<const N: usize>(pairs: [(&'static str, Value); N]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.insert(name.to_owned(), value);
    }
    variables
}

/// Every commit of an embedded database is synced before it is acknowledged (the engine's own
/// default may change; ours must not).
fn address(configured: Option<&str>, data_dir: &Path) -> String {
    let embedded = |path: PathBuf| format!("surrealkv://{}?sync=every", path.display());
    match configured {
        None => embedded(data_dir.join("store")),
        Some(url) => match url.strip_prefix("surrealkv://") {
            Some(path) => embedded(PathBuf::from(path)),
            None => url.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_is_told_without_addresses() {
        assert_eq!(
            without_addresses("Record `account:⟨foo@bar.com⟩` already exists"),
            "Record … already exists"
        );
    }

    #[test]
    fn every_commit_of_an_embedded_database_is_synced() {
        for url in [None, Some("surrealkv://other")] {
            let address = address(url, Path::new("data"));
            assert!(address.ends_with("?sync=every"), "{address}");
        }
        assert_eq!(
            address(Some("ws://db:8000"), Path::new("data")),
            "ws://db:8000"
        );
    }
}
