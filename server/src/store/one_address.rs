//! All that the store holds of one address: to look at it, and to delete it.

use surrealdb::types::{Object, RecordIdKey, SurrealValue, Value, Variables};

use super::accounts::account_id;
use super::claims::claims_of;
use super::rows::Row;
use super::shown::shown;
use super::writer::PATIENCE;
use super::{Store, StoreError, vars};

/// What is shown of one address.
#[derive(Debug)]
pub struct OneAddress {
    pub account: Option<Row>,
    /// Sign-ups under way; those beside an account are decoys.
    pub claims: Vec<Row>,
    /// How many sessions of browsers have something to do with it, those included that have just been
    /// replaced.
    pub sessions: u64,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SurrealValue)]
pub struct Deleted {
    pub accounts: u64,
    pub claims: u64,
    pub sessions: u64,
}

#[derive(SurrealValue)]
struct Found {
    accounts: Vec<Object>,
    claims: Vec<Object>,
    sessions: u64,
}

impl Store {
    /// What there is of a canonical address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn one_address(&self, address: &str) -> Result<OneAddress, StoreError> {
        const LOOK: &str = "{
            LET $verified = (SELECT VALUE claim_seed FROM $account);
            RETURN {
                accounts: (SELECT * FROM $account),
                claims: (SELECT * FROM $claims WHERE seed NOT IN $verified),
                sessions: count(SELECT VALUE id FROM session
                    WHERE expires_at > $now AND string::contains(state, $named))
            }
        }";
        let found: Found = self.look(LOOK, self.of(address)).await?;
        let rows = |table: &str, objects: Vec<Object>| -> Vec<Row> {
            objects
                .into_iter()
                .zip(1..)
                .filter_map(|(fields, number)| {
                    let row = Row {
                        table: table.to_owned(),
                        key: RecordIdKey::Number(number),
                        fields,
                    };
                    shown(row, number)
                })
                .collect()
        };
        Ok(OneAddress {
            account: rows("account", found.accounts).pop(),
            claims: rows("claim", found.claims),
            sessions: found.sessions,
        })
    }

    /// Deletes the account of a canonical address, its sign-ups under way with the mail that they
    /// owe, and the sessions of browsers that have to do with it. What counts against abuse (the
    /// address's ledger, which does not name it) stays until it expires.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_address(&self, address: &str) -> Result<Deleted, StoreError> {
        // Who verifies the address at the same time writes nothing but the account.
        const DELETE: &str = "{
            SELECT VALUE id FROM ONLY $account FOR UPDATE;
            LET $accounts = (DELETE $account RETURN BEFORE);
            LET $verified = $accounts.claim_seed;
            LET $signing_up = (DELETE $claims RETURN BEFORE)[WHERE seed NOT IN $verified];
            LET $sessions = (SELECT id, expires_at > $now AS known FROM session
                WHERE string::contains(state, $named));
            DELETE $sessions.id;
            RETURN {
                accounts: count($accounts), claims: count($signing_up),
                sessions: count($sessions[WHERE known])
            }
        }";
        const END_SESSIONS: &str = "{
            LET $sessions = (SELECT VALUE id FROM session WHERE string::contains(state, $named));
            DELETE $sessions;
            RETURN count($sessions)
        }";
        let _turn = self.turns.of(address).await;
        let mut deleted: Deleted = self.run(DELETE, self.of(address)).await?;
        // One that somebody began in the meantime was not in the snapshot of that transaction, or
        // waits to be written with others.
        tokio::time::sleep(2 * PATIENCE).await;
        let late: u64 = self.run(END_SESSIONS, self.of(address)).await?;
        deleted.sessions += late;
        Ok(deleted)
    }

    fn of(&self, address: &str) -> Variables {
        // As a session's JSON names an address; in a text of somebody's the quotes would be escaped.
        let named = format!("\"address\":{}", serde_json::Value::from(address));
        vars([
            ("account", account_id(address).into_value()),
            ("claims", claims_of(address)),
            ("named", Value::String(named)),
            ("now", self.clock.now().into_value()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        (folder, store.unwrap())
    }

    /// Signs somebody in, so many hours before the session expires.
    async fn sign_in(store: &Store, hours: &[i64]) {
        const SESSIONS: &str = r#"{
            FOR $expires_at IN $expire_at {
                CREATE session SET expires_at = $expires_at,
                    state = '{"latchkey":{"account":{"address":"foo@bar.com"}}}'
            };
            RETURN NONE
        }"#;
        let now = store.clock.now();
        let expire_at = hours.iter().map(|hours| now + TimeDelta::hours(*hours));
        let expire_at = vars([("expire_at", expire_at.collect::<Vec<_>>().into_value())]);
        store.run::<Value>(SESSIONS, expire_at).await.unwrap();
    }

    /// Rows, expired ones too.
    async fn sessions(store: &Store) -> u64 {
        let snapshot = store.snapshot().await.unwrap();
        let sessions = snapshot.count("session").await.unwrap();
        snapshot.close().await.unwrap();
        sessions
    }

    /// Until it is swept, a session that has expired still lies in the store.
    #[tokio::test]
    async fn a_session_that_has_expired_goes_with_the_others_and_does_not_count() {
        let (_folder, store) = store().await;
        sign_in(&store, &[-1, 1]).await;
        let known = store.one_address("foo@bar.com").await.unwrap();
        assert_eq!(known.sessions, 1);
        let deleted = store.delete_address("foo@bar.com").await.unwrap();
        assert_eq!(deleted.sessions, 1);
        assert_eq!(sessions(&store).await, 0);
    }

    /// Whoever signs in while the address is deleted.
    #[tokio::test]
    async fn a_session_that_begins_meanwhile_goes_too() {
        let (_folder, store) = store().await;
        // A machine that stands still may let it begin too late; it goes with the next try then.
        for _ in 0..10 {
            sign_in(&store, &[1]).await;
            let late = async {
                while sessions(&store).await > 0 {}
                sign_in(&store, &[1]).await;
            };
            let both = async { tokio::join!(store.delete_address("foo@bar.com"), late) };
            let both = tokio::time::timeout(Duration::from_secs(60), both).await;
            let (deleted, ()) = both.expect("what there was goes");
            if sessions(&store).await == 0 {
                assert!(deleted.unwrap().sessions >= 2);
                return;
            }
        }
        panic!("it stays");
    }
}
