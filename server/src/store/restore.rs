//! Filling an empty store from a backup.

use std::collections::BTreeMap;
use std::path::Path;

use surrealdb::types::{Object, RecordId, SurrealValue, Value};
use thiserror::Error;

use super::rows::Row;
use super::{KEPT_TABLES, Store, vars};
use crate::clock::SharedClock;
use crate::config::DatabaseConfig;
use crate::secret_key::SecretKey;

/// Tables that backups of older versions have: their rows become something else once all are there.
const FORMER_TABLES: [&str; 1] = ["outbox"];

/// A store that is being filled. Until it is [finished](Restore::finish), every Latchkey refuses to
/// open it, also after a crash.
pub struct Restore(Store);

/// Why a restore cannot begin.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Somebody's data is there.
    #[error("the store is not empty: it holds {accounts} accounts and {claims} sign-ups under way")]
    NotEmpty { accounts: u64, claims: u64 },
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Restore {
    /// Opens a store that is empty, or whose last restore did not finish. Changes no row yet.
    ///
    /// # Errors
    /// When it is not empty, or cannot be opened.
    pub async fn open(
        config: &DatabaseConfig,
        data_dir: &Path,
        clock: SharedClock,
    ) -> Result<Self, RestoreError> {
        let store = Store::connect(config, data_dir, clock).await?;
        match store.in_the_way_of_restore().await? {
            Some((accounts, claims)) => Err(RestoreError::NotEmpty { accounts, claims }),
            None => Ok(Self(store)),
        }
    }

    /// Empties what a start or a broken restore left behind, and makes the tables as they were
    /// after so many schema changes.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self, schema_changes: usize) -> anyhow::Result<()> {
        self.0.begin_restore(schema_changes).await
    }

    /// Puts rows into the store.
    ///
    /// # Errors
    /// When the store fails, or a row is of no table that a backup has, or does not fit its table.
    pub async fn put(&self, rows: Vec<Row>) -> anyhow::Result<()> {
        const PUT: &str = "{
            LET $into = type::table($table);
            INSERT INTO $into $rows RETURN NONE;
            RETURN NONE
        }";
        let mut tables: BTreeMap<&'static str, Vec<Object>> = BTreeMap::new();
        for row in rows {
            let table = KEPT_TABLES
                .into_iter()
                .chain(FORMER_TABLES)
                .find(|table| *table == row.table)
                .ok_or_else(|| anyhow::anyhow!("no backup has a table {}", row.table))?;
            let mut content = row.fields;
            content.insert("id", RecordId::new(table, row.key));
            tables.entry(table).or_default().push(content);
        }
        for (table, rows) in tables {
            self.0
                .run::<Value>(
                    PUT,
                    vars([("table", table.into_value()), ("rows", rows.into_value())]),
                )
                .await?;
        }
        self.0.keep_log_short().await?;
        Ok(())
    }

    /// The store is whole, and used with this key; what this version's schema has in addition is
    /// applied.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(self, key: &SecretKey) -> anyhow::Result<()> {
        self.0.end_restore().await?;
        self.0.belongs_to(key).await?;
        self.0.close().await
    }
}
