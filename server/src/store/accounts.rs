//! Accounts: verified addresses.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Value};

use super::claims::Claim;
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
    /// What told the claim apart that became this account.
    pub claim_key: Option<String>,
    /// The seed of that claim, which the same password can make again.
    pub claim_seed: Option<String>,
    /// What the code that made it is known by.
    pub spent_code: Option<String>,
    pub verified_at: DateTime<Utc>,
    /// The tag of its owner's language.
    pub language: Option<String>,
    /// When its owner was told last that somebody tried to sign up with it.
    pub notified_at: Option<DateTime<Utc>>,
    /// Whether the relay refused that for good.
    pub notice_refused: Option<bool>,
}

impl Account {
    /// Whether this claim has become the account.
    pub(super) fn was(&self, claim: &Claim) -> bool {
        self.claim_seed.as_ref() == Some(&claim.seed)
    }
}

impl Store {
    /// The account of a canonical address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account(&self, address: &str) -> Result<Option<Account>, StoreError> {
        self.row(account_id(address)).await
    }

    /// Replaces an account's hash, unless somebody else has done so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn renew_password_hash(
        &self,
        account: &Account,
        renewed: &str,
    ) -> Result<(), StoreError> {
        let _turn = self.turns.of(&account.address).await;
        const RENEW_HASH: &str = "{
            UPDATE $account SET password_hash = $renewed WHERE password_hash = $old;
            RETURN NONE
        }";
        let record = account_id(&account.address);
        self.change::<Value>(
            [record.clone()],
            RENEW_HASH,
            vars([
                ("account", record.into_value()),
                ("old", account.password_hash.clone().into_value()),
                ("renewed", renewed.into_value()),
            ]),
        )
        .await
        .map(drop)
    }
}

pub(super) fn account_id(address: &str) -> RecordId {
    RecordId::new("account", address)
}
