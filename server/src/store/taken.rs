//! What the relay has taken is written down: several mails together where there are several.
//!
//! Nobody waits for it but the page that says where the mail is, and a transaction costs the engine
//! about as much as a row that is written in it. So the first of them waits for a moment whether
//! others come. A process that dies in between sends a mail twice, as it does when it dies on the way
//! to this.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use surrealdb::types::{Datetime, RecordId, SurrealValue, Value};
use tokio::sync::oneshot;

use super::accounts::account_id;
use super::claims::Claim;
use super::outbox::LeasedMail;
use super::{Store, StoreError, vars};

/// How long the first one waits for others.
const WAITS: Duration = Duration::from_millis(20);

/// How many are written by one transaction.
const AT_ONCE: usize = 32;

/// The code's life counts from the relay's word, if it is still the same code: also when a later
/// wish is owed another mail with it.
const TAKEN: &str = "{
    FOR $taken IN $all {
        LET $owed = (UPDATE $taken.claim SET mail = 'taken', due_at = NONE, telling = NONE,
            code_expires_at = $taken.code_expires_at,
            expires_at = time::max([expires_at, $taken.code_expires_at])
            WHERE ticket = $taken.ticket AND tries = $taken.tries RETURN VALUE mail);
        IF $owed = [] {
            UPDATE $taken.claim SET code_expires_at = $taken.code_expires_at,
                expires_at = time::max([expires_at, $taken.code_expires_at])
                WHERE seed = $taken.seed AND delivery = $taken.delivery RETURN NONE;
            IF $taken.told { UPDATE $taken.claim SET telling = NONE RETURN NONE }
        };
        IF $taken.told { UPDATE $taken.account SET notice_refused = false }
    };
    RETURN NONE
}";

/// Who waits for it to be written down that their mail was taken.
#[derive(Default)]
pub(super) struct TakenMails(Mutex<Vec<Waiting>>);

struct Waiting {
    address: String,
    mail: TakenMail,
    code_ttl: chrono::Duration,
    tell: oneshot::Sender<Result<(), StoreError>>,
}

#[derive(SurrealValue)]
struct TakenMail {
    claim: RecordId,
    account: RecordId,
    ticket: String,
    tries: i64,
    told: bool,
    seed: String,
    delivery: i64,
    code_expires_at: Datetime,
}

impl TakenMails {
    /// Whether it is the first one, who has to write all of them down.
    fn add(&self, waiting: Waiting) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(waiting);
        all.len() == 1
    }

    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Should the first one be gone before it has taken all, the others must hear of it.
struct First<'a>(Option<&'a TakenMails>);

impl First<'_> {
    fn take(mut self) -> Vec<Waiting> {
        self.0.take().map(TakenMails::take).unwrap_or_default()
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.0.map(TakenMails::take);
    }
}

impl Store {
    /// Records that the relay took the mail; `told` says that it told an owner.
    ///
    /// # Errors
    /// When the store fails; then the mail will be sent once more.
    pub async fn mail_taken(
        &self,
        mail: &LeasedMail,
        claim: &Claim,
        code_ttl: chrono::Duration,
        told: bool,
    ) -> Result<(), StoreError> {
        let (tell, written) = oneshot::channel();
        let is_first = self.taken.add(Waiting {
            address: mail.address.clone(),
            mail: TakenMail {
                claim: mail.claim().claim(),
                account: account_id(&mail.address),
                ticket: mail.ticket.clone(),
                tries: mail.tries,
                told,
                seed: claim.seed.clone(),
                delivery: claim.delivery,
                code_expires_at: Datetime::default(),
            },
            code_ttl,
            tell,
        });
        if is_first {
            let first = First(Some(&self.taken));
            tokio::time::sleep(WAITS).await;
            let mut all = first.take();
            while !all.is_empty() {
                let rest = all.split_off(all.len().min(AT_ONCE));
                self.write_taken(all).await;
                all = rest;
            }
        }
        written.await.unwrap_or_else(|_| {
            Err(StoreError::Failed(
                "nobody was left to write it down".to_owned(),
            ))
        })
    }

    async fn write_taken(&self, all: Vec<Waiting>) {
        let addresses = all.iter().map(|waiting| waiting.address.as_str());
        let _turns = self.turns.of_all(addresses).await;
        let now = self.clock.now();
        let (mails, told): (Vec<_>, Vec<_>) = all
            .into_iter()
            .map(|waiting| {
                let mut mail = waiting.mail;
                mail.code_expires_at = (now + waiting.code_ttl).into();
                (mail, waiting.tell)
            })
            .unzip();
        let written = self
            .run::<Value>(TAKEN, vars([("all", mails.into_value())]))
            .await
            .map(drop);
        for tell in told {
            // Whoever has given up is sent their mail once more.
            let _ = tell.send(written.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    const CLAIMS: &str = "{
        FOR $number IN 0..$claims {
            LET $key = <string> $number;
            CREATE type::record('claim', ['foo@bar.com', $key]) SET address = 'foo@bar.com',
                key = $key, typed_address = 'foo@bar.com', password_hash = 'hash',
                reference = 'K7QD', seed = $key, delivery = 1, digits = 4, attempts_left = 3,
                mail = 'queued', requested_at = $now, code_expires_at = $now, created_at = $now,
                expires_at = $now + 1d, ticket = $key, tries = 1, due_at = $now
        };
        RETURN NONE
    }";

    async fn store(claims: usize) -> (tempfile::TempDir, Arc<Store>, Vec<Claim>) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = Arc::new(store.unwrap());
        let variables = vars([
            ("claims", i64::try_from(claims).unwrap().into_value()),
            ("now", store.clock.now().into_value()),
        ]);
        store.run::<Value>(CLAIMS, variables).await.unwrap();
        let all = store.candidates("foo@bar.com").await.unwrap().1;
        assert_eq!(all.len(), claims);
        (folder, store, all)
    }

    fn mail_of(claim: &Claim) -> LeasedMail {
        LeasedMail {
            address: claim.address.clone(),
            key: claim.key.clone(),
            ticket: claim.ticket.clone().unwrap(),
            tries: 1,
            requested_at: claim.requested_at,
        }
    }

    const MINUTE: chrono::Duration = chrono::Duration::minutes(1);

    #[tokio::test]
    async fn each_of_many_that_come_at_once_is_written_down_before_it_is_said() {
        let (_folder, store, claims) = store(2 * AT_ONCE + 1).await;
        let mut tasks = tokio::task::JoinSet::new();
        for claim in claims {
            let store = store.clone();
            tasks.spawn(async move {
                let mail = mail_of(&claim);
                store
                    .mail_taken(&mail, &claim, MINUTE, false)
                    .await
                    .unwrap();
                let taken = store.claim(&claim.id()).await.unwrap().unwrap();
                assert_eq!((taken.mail.as_str(), taken.due_at), ("taken", None));
                assert!(taken.code_expires_at > store.clock.now());
            });
        }
        tasks.join_all().await;
        assert!(store.outbox_is_empty().await.unwrap());
    }

    #[tokio::test]
    async fn should_the_first_one_go_away_the_others_hear_of_it() {
        let (_folder, store, claims) = store(2).await;
        let taken = |claim: &Claim| {
            let (store, claim) = (store.clone(), claim.clone());
            async move {
                store
                    .mail_taken(&mail_of(&claim), &claim, MINUTE, false)
                    .await
            }
        };
        let first = tokio::time::timeout(WAITS / 4, taken(&claims[0]));
        let (first, second) = tokio::join!(first, taken(&claims[1]));
        assert!(first.is_err(), "it has gone away");
        assert!(matches!(second, Err(StoreError::Failed(_))));
        let id = claims[1].id();
        assert_eq!(store.claim(&id).await.unwrap().unwrap().mail, "queued");
        taken(&claims[1]).await.unwrap();
        assert_eq!(store.claim(&id).await.unwrap().unwrap().mail, "taken");
    }
}
