//! What the relay has taken is written down: several mails together where there are several.
//!
//! Nobody waits for it but the page that says where the mail is, and a transaction costs the engine
//! about as much as a row that is written in it. So the first of them waits for a moment whether
//! others come. Who has their address verified meanwhile has no mail any more that is to be written
//! down. A process that dies in between sends a mail twice, as it does when it dies on the way to this.
//!
//! What cannot be written with the others, because somebody has the turn of its address or because
//! one of them is at fault, is written alone by whoever brought it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Value};
use tokio::sync::oneshot;

use super::accounts::account_id;
use super::claims::Claim;
use super::outbox::LeasedMail;
use super::{Store, StoreError, vars};

/// How long the first one waits for others: too short for a person to see that a page says `queued`
/// for longer, and long enough for a program to have its code verified meanwhile.
const WAITS: Duration = Duration::from_millis(100);

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

/// Who waits for their mail to be written down with others.
#[derive(Default)]
pub(super) struct TakenMails(Mutex<Vec<Waiting>>);

struct Waiting {
    address: String,
    mail: TakenMail,
    /// Dropped when it was not written.
    written: oneshot::Sender<()>,
}

#[derive(Clone, SurrealValue)]
struct TakenMail {
    claim: RecordId,
    account: RecordId,
    ticket: String,
    tries: i64,
    told: bool,
    seed: String,
    delivery: i64,
    code_expires_at: DateTime<Utc>,
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

    /// The claim is gone, and the mails that it has owed are settled with it.
    pub(super) fn settle(&self, claim: &RecordId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for settled in all.extract_if(.., |waiting| waiting.mail.claim == *claim) {
            // Whoever has given up need not be told.
            let _ = settled.written.send(());
        }
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
        let taken = self.taken_mail(mail, claim, code_ttl, told);
        let (tell, written) = oneshot::channel();
        let is_first = self.taken.add(Waiting {
            address: mail.address.clone(),
            mail: taken.clone(),
            written: tell,
        });
        if is_first {
            let first = First(Some(&self.taken));
            tokio::time::sleep(WAITS).await;
            let mut all = first.take();
            while !all.is_empty() {
                let rest = all.split_off(all.len().min(AT_ONCE));
                self.write_together(all).await;
                all = rest;
            }
        }
        if written.await.is_ok() {
            return Ok(());
        }
        let _turn = self.turns.of(&mail.address).await;
        self.write_taken(vec![taken]).await
    }

    fn taken_mail(
        &self,
        mail: &LeasedMail,
        claim: &Claim,
        code_ttl: chrono::Duration,
        told: bool,
    ) -> TakenMail {
        TakenMail {
            claim: mail.claim().claim(),
            account: account_id(&mail.address),
            ticket: mail.ticket.clone(),
            tries: mail.tries,
            told,
            seed: claim.seed.clone(),
            delivery: claim.delivery,
            code_expires_at: self.clock.now() + code_ttl,
        }
    }

    /// Writes those down whose turn it is at once: to wait for one would hold all up.
    async fn write_together(&self, mut all: Vec<Waiting>) {
        let turns = self
            .turns
            .free(all.iter().map(|waiting| waiting.address.as_str()));
        all.retain(|waiting| turns.have(&waiting.address));
        let mails = all.iter().map(|waiting| waiting.mail.clone()).collect();
        if self.write_taken(mails).await.is_ok() {
            for waiting in all {
                // Whoever has given up is sent their mail once more.
                let _ = waiting.written.send(());
            }
        }
    }

    async fn write_taken(&self, mails: Vec<TakenMail>) -> Result<(), StoreError> {
        let records: Vec<RecordId> = mails
            .iter()
            .flat_map(|mail| [mail.claim.clone(), mail.account.clone()])
            .collect();
        self.change::<Value>(records, TAKEN, vars([("all", mails.into_value())]))
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{AddressLedger, Guess, GuessResult};
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

    /// Such as a database server does, long after it was asked, when it is back.
    #[tokio::test]
    async fn what_comes_late_does_not_have_a_settled_mail_owed_again() {
        let (_folder, store, claims) = store(1).await;
        let claim = &claims[0];
        let mail = mail_of(claim);
        let lease = chrono::Duration::seconds(8);
        assert!(store.keep_lease(&mail, lease).await.unwrap());
        store.mail_taken(&mail, claim, MINUTE, false).await.unwrap();
        assert!(store.keep_lease(&mail, lease).await.unwrap(), "nobody's");
        store.postpone_mail(&mail, lease).await.unwrap();
        store.mail_refused(&mail, false).await.unwrap();
        let settled = store.claim(&claim.id()).await.unwrap().unwrap();
        assert_eq!((settled.mail.as_str(), settled.due_at), ("taken", None));
    }

    #[tokio::test]
    async fn should_the_first_one_go_away_the_others_go_on() {
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
        second.unwrap();
        let mails = store.candidates("foo@bar.com").await.unwrap().1;
        let mails: Vec<_> = mails.iter().map(|claim| claim.mail.as_str()).collect();
        assert_eq!(mails, ["queued", "taken"]);
    }

    #[tokio::test]
    async fn who_is_verified_meanwhile_has_no_mail_to_be_written_down() {
        const LIVE: &str = "{ UPDATE claim SET code_expires_at = $soon; RETURN NONE }";
        let (_folder, store, claims) = store(2).await;
        let soon = (store.clock.now() + MINUTE).into_value();
        store
            .run::<Value>(LIVE, vars([("soon", soon)]))
            .await
            .unwrap();
        // As if somebody were about to write both down.
        let written = [0, 1].map(|number| {
            let (tell, told) = oneshot::channel();
            let mail = mail_of(&claims[number]);
            let mail = store.taken_mail(&mail, &claims[number], MINUTE, false);
            store.taken.add(Waiting {
                address: claims[number].address.clone(),
                mail,
                written: tell,
            });
            told
        });
        let ledger = AddressLedger {
            digest: String::new(),
            site: String::new(),
            mails: 1,
            mails_per_site: 1,
            wrong_codes: 1,
            counts: false,
        };
        let guess = Guess {
            id: &claims[1].id(),
            is_right: &|_| true,
            hash_of_today: None,
            at_once: false,
            refund: &[],
            ledger: &ledger,
            mark: String::new(),
        };
        assert_eq!(store.guess(guess).await.unwrap(), GuessResult::Verified);
        let left: Vec<_> = store
            .taken
            .take()
            .into_iter()
            .map(|it| it.mail.claim)
            .collect();
        assert_eq!(left, [claims[0].id().claim()]);
        let [other, verified] = written;
        assert!(other.await.is_err(), "nobody has written it");
        verified.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_is_at_fault_holds_nobody_up() {
        const REFUSE_ONE: &str = "{
            DEFINE FIELD OVERWRITE seed ON claim TYPE string ASSERT $value != '0';
            RETURN NONE
        }";
        let (_folder, store, claims) = store(3).await;
        store.run::<Value>(REFUSE_ONE, vars([])).await.unwrap();
        let taken = |claim: &Claim| {
            let (store, claim) = (store.clone(), claim.clone());
            async move {
                store
                    .mail_taken(&mail_of(&claim), &claim, MINUTE, false)
                    .await
            }
        };
        let (faulty, second, third) =
            tokio::join!(taken(&claims[0]), taken(&claims[1]), taken(&claims[2]));
        assert!(faulty.is_err());
        second.unwrap();
        third.unwrap();
    }
}
