//! What the relay has taken is written down: several mails together where there are several.
//!
//! Nobody waits for it but the page that says where the mail is. Who has their address verified
//! meanwhile has no mail any more that is to be written down: so each waits for a moment whether that
//! happens, and then for another whether others come. A process that dies in between sends a mail
//! twice, as it does when it dies on the way to this.
//!
//! What cannot be written with the others, because somebody has the turn of its address or because
//! one of them is at fault, is written alone by whoever brought it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Value};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::accounts::account_id;
use super::claims::Claim;
use super::line::{Line, Shared, Told};
use super::outbox::LeasedMail;
use super::recent::Touched;
use super::statements::{Changing, MAX_TRIES, Statements};
use super::turns::Turns;
use super::{Store, StoreError, vars};

/// How long each waits for being verified: long enough for a program.
const MAY_BE_SETTLED: Duration = Duration::from_millis(100);

/// How long it waits for others then, or for being verified after all. Both together are too short for
/// a person to see that a page says `queued` for longer.
const WAITS: Duration = Duration::from_millis(50);

/// How long it takes at most until what was taken is about to be written down.
#[cfg(test)]
pub const TAKEN_WAITS: Duration = MAY_BE_SETTLED.saturating_add(WAITS);

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

/// Who waits for their mail to be written down.
pub(super) struct TakenMails {
    /// Who may yet hear that their claim is verified.
    unsettled: Mutex<Vec<Unsettled>>,
    line: Arc<Line<Taking>>,
}

struct Unsettled {
    claim: RecordId,
    settled: oneshot::Sender<()>,
}

/// Writes down what was taken.
struct Taking {
    statements: Arc<Statements>,
    turns: Arc<Turns>,
}

#[derive(Clone)]
struct Taken {
    address: String,
    mail: TakenMail,
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
    pub(super) fn new(statements: Arc<Statements>, turns: Arc<Turns>) -> Self {
        Self {
            unsettled: Mutex::default(),
            line: Line::new(Taking { statements, turns }),
        }
    }

    /// Whoever waits for this hears that the claim has been verified.
    fn wait_for(&self, claim: &RecordId) -> oneshot::Receiver<()> {
        let (settled, waits) = oneshot::channel();
        let mut all = self.lock();
        all.retain(|other| !other.settled.is_closed());
        all.push(Unsettled {
            claim: claim.clone(),
            settled,
        });
        waits
    }

    /// The claim is gone, and the mails that it has owed are settled with it.
    pub(super) fn settle(&self, claim: &RecordId) {
        for unsettled in self.lock().extract_if(.., |other| other.claim == *claim) {
            // Whoever has given up need not be told.
            let _ = unsettled.settled.send(());
        }
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, Vec<Unsettled>> {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taking {
    async fn write(&self, mails: Vec<TakenMail>) -> Result<(), StoreError> {
        let records = mails.iter().flat_map(|mail| [&mail.claim, &mail.account]);
        let touched = Touched::These(records.cloned().collect());
        let statement = Changing::new(TAKEN, vars([("all", mails.into_value())]), touched);
        self.statements
            .change::<Value>(MAX_TRIES, statement)
            .await?;
        Ok(())
    }
}

impl Shared for Taking {
    type Item = Taken;
    /// Whether it is written.
    type Answer = bool;

    fn goes_with(_: &Taken, _: &[&Taken]) -> bool {
        true
    }

    /// Writes those down whose turn it is at once: to wait for one would hold all up.
    async fn together(&self, all: Vec<Taken>) -> Option<Vec<bool>> {
        let addresses = all.iter().map(|taken| taken.address.as_str());
        let turns = self.turns.free(addresses);
        let has_turn: Vec<bool> = all.iter().map(|it| turns.have(&it.address)).collect();
        if !has_turn.contains(&true) {
            return Some(has_turn);
        }
        let free = all.into_iter().zip(&has_turn);
        let free = free.filter_map(|(taken, has_turn)| has_turn.then_some(taken.mail));
        let written = self.write(free.collect()).await;
        // Written twice it says the same.
        written.is_ok().then_some(has_turn)
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
        let taken = Taken {
            address: mail.address.clone(),
            mail: self.taken_mail(mail, claim, code_ttl, told),
        };
        let mut settled = self.taken.wait_for(&taken.mail.claim);
        if let Ok(Ok(())) = timeout(MAY_BE_SETTLED, &mut settled).await {
            return Ok(());
        }
        let line = &self.taken.line;
        let told = tokio::select! {
            Ok(()) = &mut settled => return Ok(()),
            told = line.wait_and_line_up(&taken, WAITS) => told,
        };
        if let Told::Together(true) = told {
            return Ok(());
        }
        // Others need not wait for this one's turn.
        drop(told);
        let _turn = self.turns.of(&mail.address).await;
        // Whoever had the turn may have verified it.
        if let Ok(()) = settled.try_recv() {
            return Ok(());
        }
        line.shared().write(vec![taken.mail]).await
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
        let (_folder, store, claims) = store(65).await;
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
        let first = timeout(MAY_BE_SETTLED + WAITS / 4, taken(&claims[0]));
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
        let taken = [0, 1].map(|number| {
            let (store, claim) = (store.clone(), claims[number].clone());
            tokio::spawn(async move {
                let mail = mail_of(&claim);
                store.mail_taken(&mail, &claim, MINUTE, false).await
            })
        });
        while store.taken.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
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
            spent_code: "tag",
            hash_of_today: None,
            at_once: false,
            refund: &[],
            ledger: &ledger,
        };
        assert_eq!(store.guess(guess).await.unwrap(), GuessResult::Verified);
        let left = store.taken.lock().pop().unwrap();
        assert_eq!(left.claim, claims[0].id().claim());
        assert!(store.taken.lock().is_empty());
        for taken in taken {
            taken.await.unwrap().unwrap();
        }
        let left = store.claim(&claims[0].id()).await.unwrap().unwrap();
        assert_eq!(left.mail, "taken");
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
