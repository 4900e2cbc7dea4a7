//! The whole store as it was at one moment, read page by page while others go on writing.

use std::sync::Arc;

use surrealdb::engine::any::Any;
use surrealdb::method::Transaction;
use surrealdb::types::{Object, RecordIdKey, SurrealValue, Value, Variables};

use super::engine::{Engine, HeldOpen};
use super::rows::Row;
use super::{Store, StoreError, rows_after, vars};

/// Every table that holds what must not be lost.
pub const KEPT_TABLES: [&str; 6] = [
    "account",
    "claim",
    "session",
    "budget",
    "address_ledger",
    "hash_parameters",
];

/// Rows of one page. The engine reads ahead by thousands, whatever little is asked for: pages of 500
/// took five times as long.
const PAGE: i64 = 5000;

/// One transaction that only reads: isolation is by snapshot, so it sees no later change.
///
/// It has to be [closed](Snapshot::close): the engine keeps what it may still read.
pub struct Snapshot {
    transaction: Transaction<Any>,
    engine: Arc<Engine>,
    _held_open: HeldOpen,
}

impl Store {
    /// The store as it is now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let (database, held_open) = self.engine.hold_open().await?;
        let transaction = database.begin().await?;
        Ok(Snapshot {
            transaction,
            engine: self.engine.clone(),
            _held_open: held_open,
        })
    }
}

impl Snapshot {
    /// The schema changes that the store has seen, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn schema(&self) -> Result<Vec<String>, StoreError> {
        self.ask(super::schema::APPLIED, vars([])).await
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// When the store fails, or knows no such table.
    pub async fn count(&self, table: &str) -> Result<u64, StoreError> {
        const COUNT: &str = "{
            RETURN (SELECT VALUE count FROM ONLY (SELECT count() FROM type::table($table) GROUP ALL)
                LIMIT 1) ?? 0
        }";
        self.ask(COUNT, vars([("table", table.into_value())])).await
    }

    /// The next rows of a table in the order of their keys, after the row with the key `after`;
    /// none when there are no more.
    ///
    /// # Errors
    /// When the store fails, or knows no such table.
    pub async fn page(
        &self,
        table: &str,
        after: Option<&RecordIdKey>,
    ) -> Result<Vec<Row>, StoreError> {
        const PAGE_OF_ROWS: &str = "{ RETURN (SELECT * FROM $range LIMIT $limit) }";
        let range = rows_after(table, after.cloned());
        let rows: Vec<Object> = self
            .ask(
                PAGE_OF_ROWS,
                vars([("range", range), ("limit", PAGE.into_value())]),
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let mut fields = row.into_inner();
                match fields.remove("id") {
                    Some(Value::RecordId(id)) => Ok(Row {
                        table: table.to_owned(),
                        key: id.key,
                        fields: fields.into_iter().collect(),
                    }),
                    _ => Err(StoreError::Failed(format!("a row of {table} has no id"))),
                }
            })
            .collect()
    }

    /// Lets the engine forget what only this snapshot could still see.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn close(self) -> Result<(), StoreError> {
        self.transaction.cancel().await?;
        Ok(())
    }

    async fn ask<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, StoreError> {
        let answer = async {
            let mut response = self.transaction.query(block).bind(variables).await?;
            response.take::<Value>(0)
        };
        let value = tokio::select! {
            value = answer => value?,
            reason = self.engine.unreachable() => return Err(StoreError::Unreachable(reason)),
        };
        Ok(T::from_value(value)?)
    }
}
