//! Claims that have become accounts are removed a moment later, several together.
//!
//! Nobody waits for it: an account says which claim it was, and whoever comes upon that claim takes it
//! for gone from the moment on that the account is there. With each verification a row to delete would
//! cost the engine more than the row that it writes: in each transaction that deletes it looks through
//! the definitions of all tables for a field that could refer to what goes (docs/PERFORMANCE.md).
//!
//! What a process that dies leaves behind expires like any claim.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use surrealdb::types::{RecordId, SurrealValue, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Store, StoreError, vars};

/// How long a claim waits for others to go with.
const MOMENT: Duration = Duration::from_secs(1);

/// How many go in one transaction.
const BATCH: usize = 50;

/// Not one that the same password has made since.
const REMOVE: &str = "{ DELETE $claims WHERE seed IN $seeds; RETURN NONE }";

/// Claims that have become accounts, and lie in the store.
#[derive(Default)]
pub(super) struct VerifiedClaims {
    waiting: Mutex<Vec<Verified>>,
    has_come: Notify,
}

struct Verified {
    claim: RecordId,
    seed: String,
}

impl VerifiedClaims {
    /// The claim with this seed has become an account.
    pub(super) fn add(&self, claim: &RecordId, seed: String) {
        self.lock().push(Verified {
            claim: claim.clone(),
            seed,
        });
        self.has_come.notify_one();
    }

    fn take(&self, limit: usize) -> Vec<Verified> {
        let mut waiting = self.lock();
        let from = waiting.len().saturating_sub(limit);
        waiting.split_off(from)
    }

    fn put_back(&self, batch: Vec<Verified>) {
        self.lock().extend(batch);
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, Vec<Verified>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Removes claims that have become accounts, again and again until it is to stop.
    pub async fn keep_removing_verified(&self, stopping: CancellationToken) {
        let removing = async {
            loop {
                self.verified.has_come.notified().await;
                tokio::time::sleep(MOMENT).await;
                self.remove_verified().await;
            }
        };
        stopping.run_until_cancelled(removing).await;
    }

    /// Removes all that there are now. What cannot be removed goes with the next ones, or expires.
    pub(super) async fn remove_verified(&self) {
        loop {
            let batch = self.verified.take(BATCH);
            if batch.is_empty() {
                return;
            }
            let began = Instant::now();
            if let Err(error) = self.remove_batch(&batch).await {
                tracing::error!(%error, "claims of verified addresses could not be removed yet");
                self.verified.put_back(batch);
                return;
            }
            // Sign-ups come first.
            tokio::time::sleep(began.elapsed()).await;
        }
    }

    async fn remove_batch(&self, batch: &[Verified]) -> Result<(), StoreError> {
        let claims: Vec<RecordId> = batch.iter().map(|it| it.claim.clone()).collect();
        let seeds: Vec<String> = batch.iter().map(|it| it.seed.clone()).collect();
        let variables = vars([
            ("claims", claims.clone().into_value()),
            ("seeds", seeds.into_value()),
        ]);
        let removed = self.change::<Value>(claims, REMOVE, variables);
        removed.await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use latchkey_app::domain::EmailAddress;
    use latchkey_app::language::Language;

    use super::super::outbox::Lease;
    use super::super::{
        AddressLedger, Claim, ClaimId, Guess, GuessResult, MailRules, Outgoing, Registered,
        Registering, Renewal, Renewed, Spending,
    };
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    const RULES: Renewal = Renewal {
        digits: 4,
        attempts: 3,
        code_ttl: TimeDelta::minutes(1),
        claim_ttl: TimeDelta::days(1),
    };

    fn ledger() -> AddressLedger {
        AddressLedger {
            digest: "digest".to_owned(),
            site: "site".to_owned(),
            mails: 9,
            mails_per_site: 9,
            wrong_codes: 9,
            counts: true,
        }
    }

    fn id() -> ClaimId {
        ClaimId {
            address: "foo@bar.com".to_owned(),
            key: "0123456789abcdef0123".to_owned(),
        }
    }

    async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        (folder, store.unwrap())
    }

    async fn registered(store: &Store, seed: &str) -> Claim {
        let ledger = ledger();
        let (id, email) = (id(), EmailAddress::parse("foo@bar.com").unwrap());
        let registered = store.register(Registering {
            email: &email,
            id: &id,
            password_hash: "hash",
            language: Language::En,
            seed: seed.to_owned(),
            reference: "K7QD".to_owned(),
            ticket: seed.to_owned(),
            rules: RULES,
            spending: Spending {
                budgets: &[],
                ledger: &ledger,
            },
            strangers_wait_until: None,
            lease: None,
            reveal_existing: false,
        });
        match registered.await.unwrap() {
            Registered::Claimed { claim, .. } => *claim,
            _ => panic!("there is room"),
        }
    }

    async fn guess(store: &Store) -> GuessResult {
        let (id, ledger) = (id(), ledger());
        let guess = store.guess(Guess {
            id: &id,
            is_right: &|_| true,
            hash_of_today: None,
            at_once: false,
            refund: &[],
            ledger: &ledger,
        });
        guess.await.unwrap()
    }

    /// Rows, whatever they are to anybody.
    async fn rows(store: &Store) -> i64 {
        const ROWS: &str = "{ RETURN count(SELECT VALUE id FROM claim) }";
        store.look(ROWS, vars([])).await.unwrap()
    }

    #[tokio::test]
    async fn it_is_there_for_nobody_before_it_is_removed() {
        let (_folder, store) = store().await;
        let (id, ledger) = (id(), ledger());
        let claim = registered(&store, "first").await;
        let handle = id.handle();
        assert_eq!(store.claims_by_handle(&handle).await.unwrap().len(), 1);
        assert_eq!(guess(&store).await, GuessResult::Verified);
        assert_eq!(rows(&store).await, 1);
        // Once as this process knows it, and once as it is read from the engine.
        for store in [&store, &store.beside()] {
            assert!(store.claim(&id).await.unwrap().is_none());
            let (account, claims) = store.candidates("foo@bar.com").await.unwrap();
            assert!(account.is_some_and(|account| account.was(&claim)));
            assert!(claims.is_empty());
            assert!(store.claims_by_handle(&handle).await.unwrap().is_empty());
            let known = store.one_address("foo@bar.com").await.unwrap();
            assert!(known.account.is_some());
            assert!(known.claims.is_empty());
            assert_eq!(guess(store).await, GuessResult::Already);
            let minute = TimeDelta::minutes(1);
            let disowned = store.disown(&id, &claim.seed, "digest", minute);
            assert!(!disowned.await.unwrap());
            let spending = Spending {
                budgets: &[],
                ledger: &ledger,
            };
            let ticket = "another".to_owned();
            let renewed = store.renew(&id, ticket, RULES, TimeDelta::zero(), spending);
            assert!(matches!(renewed.await.unwrap(), Renewed::Gone));
        }
        store.remove_verified().await;
        assert_eq!(rows(&store).await, 0);
        assert_eq!(guess(&store).await, GuessResult::Already);
    }

    #[tokio::test]
    async fn one_that_the_same_password_makes_since_is_another() {
        let (_folder, store) = store().await;
        registered(&store, "first").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        let decoy = registered(&store, "second").await;
        assert_eq!((decoy.seed.as_str(), decoy.delivery), ("second", 1));
        store.remove_verified().await;
        let kept = store.claim(&id()).await.unwrap().unwrap();
        assert_eq!(kept.seed, "second");
        let deleted = store.delete_address("foo@bar.com").await.unwrap();
        assert_eq!((deleted.accounts, deleted.claims), (1, 1));
    }

    #[tokio::test]
    async fn an_operators_deletion_takes_it_along_and_does_not_count_it() {
        let (_folder, store) = store().await;
        registered(&store, "first").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        let deleted = store.delete_address("foo@bar.com").await.unwrap();
        assert_eq!((deleted.accounts, deleted.claims), (1, 0));
        assert_eq!(rows(&store).await, 0);
    }

    /// Its process has died before it was removed, and before its mail was known to be taken.
    #[tokio::test]
    async fn one_that_is_left_behind_owes_no_mail() {
        let (_folder, store) = store().await;
        registered(&store, "first").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        let other = store.beside();
        let leased = other.lease_mail(9, TimeDelta::seconds(8)).await.unwrap();
        assert_eq!(leased.len(), 1);
        let rules = MailRules {
            ledger: "digest".to_owned(),
            code_ttl: RULES.code_ttl,
            delivery_limit: Lease::default().delivery_limit,
            quiet: TimeDelta::hours(1),
            notices_per_day: 3,
        };
        let outgoing = other.prepare_mail(&leased[0], &rules).await.unwrap();
        assert!(matches!(outgoing, Outgoing::Nothing));
        assert_eq!(rows(&other).await, 0);
    }

    #[tokio::test]
    async fn what_cannot_be_removed_goes_with_the_next_ones() {
        const REFUSE: &str = "{
            DEFINE EVENT refuse ON claim WHEN $event = 'DELETE' THEN { THROW 'no' };
            RETURN NONE
        }";
        const ALLOW: &str = "{ REMOVE EVENT refuse ON claim; RETURN NONE }";
        let (_folder, store) = store().await;
        registered(&store, "first").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        store.run::<Value>(REFUSE, vars([])).await.unwrap();
        store.remove_verified().await;
        assert_eq!(rows(&store).await, 1);
        store.run::<Value>(ALLOW, vars([])).await.unwrap();
        store.remove_verified().await;
        assert_eq!(rows(&store).await, 0);
    }

    #[tokio::test]
    async fn it_goes_a_moment_later_and_at_the_latest_when_the_store_is_closed() {
        let (folder, store) = store().await;
        let store = Arc::new(store);
        let stopping = CancellationToken::new();
        let removing = {
            let (store, stopping) = (store.clone(), stopping.clone());
            tokio::spawn(async move { store.keep_removing_verified(stopping).await })
        };
        registered(&store, "first").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        let gone = async {
            while rows(&store).await > 0 {
                tokio::time::sleep(MOMENT / 20).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone)
            .await
            .unwrap();
        stopping.cancel();
        removing.await.unwrap();
        store.delete_address("foo@bar.com").await.unwrap();
        registered(&store, "second").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        assert_eq!(rows(&store).await, 1);
        store.close().await.unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        assert_eq!(rows(&store.unwrap()).await, 0);
    }
}
