//! Claims that have become accounts are removed a moment later, several together.
//!
//! Nobody waits for it: an account says which claim it was, and who reads both takes that claim for gone
//! from the moment on that the account is there. In each transaction that deletes, however many rows, the
//! engine looks through the definitions of all tables for a field that could refer to what goes
//! (docs/PERFORMANCE.md).
//!
//! Who reads a claim alone, as often as they like, must not have it take longer where there is an account;
//! so what this process has to remove is known here. What stays behind, because a process has died or
//! whoever verified it has hung up, expires like any claim, and opens nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use surrealdb::types::{RecordId, SurrealValue, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::claims::Claim;
use super::{ClaimId, Store, StoreError, vars};

/// How long a claim waits for others to go with.
const MOMENT: Duration = Duration::from_secs(1);

/// How many go in one transaction.
const BATCH: usize = 50;

/// Not one that the same password has made since.
const REMOVE: &str = "{ DELETE $claims WHERE seed IN $seeds; RETURN NONE }";

/// Claims that have become accounts, and lie in the store, with their seeds.
#[derive(Default)]
pub(super) struct VerifiedClaims {
    waiting: Mutex<HashMap<ClaimId, String>>,
    has_come: Notify,
}

impl VerifiedClaims {
    /// The claim with this seed has become an account.
    pub(super) fn add(&self, id: ClaimId, seed: String) {
        self.lock().insert(id, seed);
        self.has_come.notify_one();
    }

    /// Whether this claim is one of them.
    pub(super) fn has(&self, claim: &Claim) -> bool {
        self.lock().get(&claim.id()) == Some(&claim.seed)
    }

    fn first(&self, limit: usize) -> Vec<(ClaimId, String)> {
        let waiting = self.lock();
        let first = waiting.iter().take(limit);
        first.map(|(id, seed)| (id.clone(), seed.clone())).collect()
    }

    fn forget(&self, batch: &[(ClaimId, String)]) {
        let mut waiting = self.lock();
        for (id, seed) in batch {
            if waiting.get(id) == Some(seed) {
                waiting.remove(id);
            }
        }
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClaimId, String>> {
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

    /// Removes those that there are now. What cannot be removed is left to expire.
    pub(super) async fn remove_verified(&self) {
        loop {
            let batch = self.verified.first(BATCH);
            if batch.is_empty() {
                return;
            }
            let began = Instant::now();
            if let Err(error) = self.remove_batch(&batch).await {
                tracing::error!(%error, "claims of verified addresses could not be removed");
                if let StoreError::Unreachable(_) = error {
                    return;
                }
            }
            self.verified.forget(&batch);
            // Others come meanwhile, and go with those after them.
            if batch.len() < BATCH {
                return;
            }
            // Sign-ups come first.
            tokio::time::sleep(began.elapsed()).await;
        }
    }

    async fn remove_batch(&self, batch: &[(ClaimId, String)]) -> Result<(), StoreError> {
        let claims: Vec<RecordId> = batch.iter().map(|(id, _)| id.claim()).collect();
        let seeds: Vec<String> = batch.iter().map(|(_, seed)| seed.clone()).collect();
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
            spent_code: "tag",
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

    /// What there is to somebody who asks this instance.
    async fn is_gone(store: &Store, claim: &Claim) {
        let (id, ledger) = (id(), ledger());
        let (account, claims) = store.candidates("foo@bar.com").await.unwrap();
        assert!(account.is_some_and(|account| account.was(claim)));
        assert!(claims.is_empty());
        let handled = store.claims_by_handle(&id.handle()).await.unwrap();
        assert!(handled.is_empty());
        let known = store.one_address("foo@bar.com").await.unwrap();
        assert!(known.account.is_some());
        assert!(known.claims.is_empty());
        assert_eq!(guess(store).await, GuessResult::Repeated);
        let disowned = store.disown(&id, &claim.seed, &ledger.digest, TimeDelta::minutes(1));
        assert!(!disowned.await.unwrap());
    }

    #[tokio::test]
    async fn it_is_there_for_nobody_before_it_is_removed() {
        let (_folder, store) = store().await;
        let (id, ledger) = (id(), ledger());
        let claim = registered(&store, "first").await;
        let handled = store.claims_by_handle(&id.handle()).await.unwrap();
        assert_eq!(handled.len(), 1);
        assert_eq!(guess(&store).await, GuessResult::Verified);
        assert_eq!(rows(&store).await, 1);
        is_gone(&store, &claim).await;
        assert!(store.claim(&id).await.unwrap().is_none());
        let spending = Spending {
            budgets: &[],
            ledger: &ledger,
        };
        let ticket = "another".to_owned();
        let renewed = store.renew(&id, ticket, RULES, TimeDelta::zero(), spending);
        assert!(matches!(renewed.await.unwrap(), Renewed::Gone));
        is_gone(&store.beside(), &claim).await;
        store.remove_verified().await;
        assert_eq!(rows(&store).await, 0);
        is_gone(&store, &claim).await;
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
    async fn what_cannot_be_removed_is_left_to_expire() {
        const REFUSE: &str = "{
            DEFINE EVENT refuse ON claim WHEN $event = 'DELETE' THEN { THROW 'no' };
            RETURN NONE
        }";
        let (_folder, store) = store().await;
        let claim = registered(&store, "first").await;
        assert_eq!(guess(&store).await, GuessResult::Verified);
        assert!(store.verified.has(&claim));
        store.run::<Value>(REFUSE, vars([])).await.unwrap();
        store.remove_verified().await;
        assert_eq!(rows(&store).await, 1);
        assert!(!store.verified.has(&claim), "it is in nobody's way");
        is_gone(&store, &claim).await;
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
