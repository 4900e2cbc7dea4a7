//! Accounts: verified addresses.

use surrealdb::types::{RecordId, SurrealValue};

use super::{Store, StoreError, vars};

/// A verified address with its password hash.
#[derive(Clone, SurrealValue)]
pub struct Account {
    /// The canonical address.
    pub address: String,
    /// As its owner typed it.
    pub typed_address: String,
    /// In PHC form.
    pub password_hash: String,
}

impl Store {
    /// The account of a canonical address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account(&self, address: &str) -> Result<Option<Account>, StoreError> {
        const ACCOUNT: &str =
            "{ RETURN (SELECT address, typed_address, password_hash FROM ONLY $account) }";
        self.run(
            ACCOUNT,
            vars([("account", account_id(address).into_value())]),
        )
        .await
    }
}

pub(super) fn account_id(address: &str) -> RecordId {
    RecordId::new("account", address)
}
