//! Which secret key a store is used with.

use anyhow::ensure;
use surrealdb::types::SurrealValue;

use super::{Store, StoreError, vars};
use crate::secret_key::SecretKey;

/// The fingerprint of the secret key; none in a store that has not been used yet.
pub(super) const FINGERPRINT: &str =
    "{ RETURN (SELECT VALUE fingerprint FROM ONLY installation:secret_key) }";

impl Store {
    /// Makes sure that the store is used with this key, and with no other from now on. The first
    /// one to come is the store's.
    ///
    /// # Errors
    /// When it is used with another key, or the store fails.
    pub async fn belongs_to(&self, key: &SecretKey) -> anyhow::Result<()> {
        let fingerprint = key.fingerprint();
        let known = match self.known_fingerprint(&fingerprint).await {
            // Another instance that starts at the same time was quicker.
            Err(StoreError::Exists) => self.known_fingerprint(&fingerprint).await,
            known => known,
        }?;
        ensure!(
            known == fingerprint,
            "The store is used with another secret key, without which no password in it can be \
             proven: set secret_key to that one, or put its secret.key back from a backup"
        );
        self.engine.expect(&fingerprint);
        Ok(())
    }

    /// The store's fingerprint: this one if it had none.
    async fn known_fingerprint(&self, fingerprint: &str) -> Result<String, StoreError> {
        const RECORD: &str = "{
            LET $known = (SELECT VALUE fingerprint FROM ONLY installation:secret_key);
            IF $known != NONE { RETURN $known };
            CREATE ONLY installation:secret_key SET fingerprint = $fingerprint, since = $now;
            RETURN $fingerprint
        }";
        let variables = vars([
            ("fingerprint", fingerprint.to_owned().into_value()),
            ("now", self.clock.now().into_value()),
        ]);
        self.run(RECORD, variables).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretString;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[tokio::test]
    async fn a_store_belongs_to_the_first_key_that_it_was_used_with() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        let key = |digit: &str| {
            SecretKey::parse(&SecretString::from(format!("{}=", digit.repeat(43)))).unwrap()
        };
        store.belongs_to(&key("A")).await.unwrap();
        store.belongs_to(&key("A")).await.unwrap();
        let refused = store.belongs_to(&key("E")).await.unwrap_err().to_string();
        assert!(refused.contains("another secret key"), "{refused}");
        assert_eq!(refused.lines().count(), 1);
        store.belongs_to(&key("A")).await.unwrap();
    }
}
