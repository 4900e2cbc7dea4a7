//! The outbox: mail owed to somebody.
//!
//! It is no table of its own. A claim owes one mail at most, and is the row of that too: `ticket` says
//! which wish it is for, `due_at` when somebody is to take it on (owed is what has one), `tries` how
//! often somebody did. So what causes a mail writes one row, and nothing has to be deleted.

use chrono::{DateTime, Duration, Utc};
use latchkey_app::language::Language;
use surrealdb::types::{RecordId, SurrealValue, Value};

use super::accounts::{Account, account_id};
use super::claims::{Claim, language};
use super::decision::Decision;
use super::ledger::{LONG_CODE_DIGITS, Ledger, is_within, ledger_id};
use super::{ClaimId, Store, StoreError, vars};

/// How a mail is taken on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    /// After this somebody else takes it on, unless the lease is kept.
    pub lasts: Duration,
    /// How long the mail may be under way: its code must not die meanwhile.
    pub delivery_limit: Duration,
}

/// A mail that this process has taken on until its lease ends.
#[derive(Clone, Debug, SurrealValue)]
pub struct LeasedMail {
    pub address: String,
    pub key: String,
    /// Which wish for a mail this is: a later one is not fulfilled by sending this.
    pub ticket: String,
    /// How often it was taken on, this time included.
    pub tries: i64,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
}

impl LeasedMail {
    /// Whether the claim owes it still, and nobody else has taken it on since.
    fn is_owed_by(&self, claim: &Claim) -> bool {
        claim.due_at.is_some()
            && claim.ticket.as_ref() == Some(&self.ticket)
            && claim.tries == Some(self.tries)
    }

    /// The claim that owes this mail.
    #[must_use]
    pub fn claim(&self) -> ClaimId {
        ClaimId {
            address: self.address.clone(),
            key: self.key.clone(),
        }
    }
}

/// How much mail is owed. Claims that became accounts before their mail was known to be taken count as long
/// as they lie in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SurrealValue)]
pub struct OutboxDepth {
    pub mails: i64,
    /// When the oldest of them was asked for.
    pub oldest: Option<DateTime<Utc>>,
}

/// What decides what a leased mail turns out to be.
pub struct MailRules {
    /// The address's ledger.
    pub ledger: String,
    pub code_ttl: Duration,
    /// How long the mail may be under way: its code must not die meanwhile.
    pub delivery_limit: Duration,
    /// How long an owner is left in peace between two words, and how many there are in a day.
    pub quiet: Duration,
    pub notices_per_day: u32,
}

/// What a leased mail turns out to be when it is about to leave.
pub enum Outgoing {
    /// The code of this claim, which is live.
    Code(Box<Claim>),
    /// Word to the owner of a verified address that somebody tried to sign up with it.
    AlreadyRegistered {
        claim: Box<Claim>,
        /// The owner's, who need not be whoever signed up.
        language: Language,
    },
    /// The owner was told a while ago, or has disowned the claim or stopped its network, or the
    /// code's guesses are used up: nothing to send, but to whoever made the claim it must look as if
    /// a mail had left, and met what the last word to the owner met.
    Silence { claim: Box<Claim>, refused: bool },
    /// The claim is gone, or a later wish for a mail took this one's place.
    Nothing,
}

/// Neither a lease nor a retry puts a mail off for so long: what is due even later was put off by
/// a clock that ran ahead, and is due now.
const PUT_OFF_AT_MOST: Duration = Duration::minutes(15);

/// The index has the claims that owe nothing too, before all others.
macro_rules! owed {
    () => {
        "due_at > d'1970-01-01T00:00:00Z'"
    };
}

macro_rules! due {
    () => {
        concat!(owed!(), " AND due_at <= $now")
    };
}

const DUE: &str = concat!(
    "{ RETURN array::slice(array::concat(
        (SELECT id, due_at FROM claim WHERE due_at > $ahead LIMIT $limit),
        (SELECT id, due_at FROM claim WHERE ",
    due!(),
    " ORDER BY due_at LIMIT $limit)
    ), 0, $limit).id }"
);

/// Those that nobody else has taken on meanwhile.
const LEASE: &str = concat!(
    "{ RETURN (UPDATE $due SET due_at = $leased_until, tries += 1
        WHERE due_at > $ahead OR (",
    due!(),
    ") RETURN address, key, ticket, tries, requested_at) }"
);

/// How often others may take on all that was due before it is left to them.
const LEASE_TRIES: u32 = 3;

const DEPTH: &str = concat!(
    "{ RETURN {
    mails: count(SELECT VALUE id FROM claim WHERE ",
    owed!(),
    "),
    oldest: (SELECT VALUE requested_at FROM claim WHERE ",
    owed!(),
    " ORDER BY requested_at LIMIT 1)[0]
} }"
);

const EMPTY: &str = concat!(
    "{ RETURN count(SELECT VALUE id FROM claim WHERE ",
    owed!(),
    " LIMIT 1) = 0 }"
);

/// Not when somebody else has taken the mail on since: then it is theirs. A later wish, or a claim
/// that is gone, is nobody's lease, and what is under way may end.
const KEEP_LEASE: &str = "{
    LET $old = (SELECT ticket, tries, due_at FROM ONLY $claim);
    IF $old.ticket = $ticket AND $old.tries = $tries AND $old.due_at != NONE {
        UPDATE $claim SET due_at = $leased_until RETURN NONE;
        RETURN true
    };
    RETURN $old.due_at = NONE OR $old.ticket != $ticket
}";

const REFUSED: &str = "{
    IF $told { UPDATE $account SET notice_refused = true };
    UPDATE $claim SET mail = 'refused', due_at = NONE, telling = NONE
        WHERE ticket = $ticket AND tries = $tries AND due_at != NONE RETURN NONE;
    RETURN NONE
}";

const POSTPONE: &str = "{
    UPDATE $claim SET due_at = $due_at
        WHERE ticket = $ticket AND tries = $tries AND due_at != NONE RETURN NONE;
    RETURN NONE
}";

impl Claim {
    /// Makes sure that its code lives for as long as a mail with it may be under way, unless its
    /// guesses are used up; `true` when that changed anything.
    fn live_on(&mut self, rules: &MailRules, codes_are_long: bool, now: DateTime<Utc>) -> bool {
        let is_dead = !self.is_live_where(codes_are_long, now);
        let is_used_up = self.attempts_left <= 0;
        if is_used_up || (!is_dead && self.code_expires_at >= now + rules.delivery_limit) {
            return false;
        }
        if is_dead {
            self.delivery += 1;
            if codes_are_long {
                self.digits = self.digits.max(LONG_CODE_DIGITS);
            }
        }
        self.code_expires_at = now + rules.code_ttl.max(rules.delivery_limit);
        self.expires_at = self.expires_at.max(self.code_expires_at);
        true
    }
}

impl Store {
    /// Takes on up to `limit` mails that are due, until `lease` has passed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lease_mail(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<LeasedMail>, StoreError> {
        let now = self.clock.now();
        let ahead = now + PUT_OFF_AT_MOST;
        let moments = vars([
            ("now", now.into_value()),
            ("ahead", ahead.into_value()),
            ("limit", i64::from(limit).into_value()),
            ("leased_until", (now + lease).into_value()),
        ]);
        for _ in 0..LEASE_TRIES {
            // Mostly nothing is due, and looking costs no write.
            let due: Vec<RecordId> = self.look(DUE, moments.clone()).await?;
            if due.is_empty() {
                break;
            }
            let mut variables = moments.clone();
            variables.insert("due".to_owned(), due.clone().into_value());
            let leased: Vec<LeasedMail> = self.change(due, LEASE, variables).await?;
            if !leased.is_empty() {
                return Ok(leased);
            }
        }
        Ok(Vec::new())
    }

    /// Keeps a mail for another `lease`; `false` when somebody else has taken it on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_lease(&self, mail: &LeasedMail, lease: Duration) -> Result<bool, StoreError> {
        let _turn = self.turns.of(&mail.address).await;
        let claim = mail.claim().claim();
        self.change(
            [claim.clone()],
            KEEP_LEASE,
            vars([
                ("claim", claim.into_value()),
                ("ticket", mail.ticket.clone().into_value()),
                ("tries", mail.tries.into_value()),
                ("leased_until", (self.clock.now() + lease).into_value()),
            ]),
        )
        .await
    }

    /// How much mail is owed, and since when.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, StoreError> {
        self.look(DEPTH, vars([])).await
    }

    /// Whether no mail is owed to anybody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn outbox_is_empty(&self) -> Result<bool, StoreError> {
        self.look(EMPTY, vars([])).await
    }

    /// Makes sure that what is about to leave is worth sending, and says what it is.
    ///
    /// A code that died while it waited is replaced by the next one, and one that could die on its
    /// way lives on until the relay has had its time: no mail carries a dead code. Its attempts are
    /// not renewed, for nobody paid for them. Whichever mail tells the owner takes the hour for
    /// itself, so that of many at once one does, and of a day only so many; its retries go on
    /// telling, even when guesses have used the claim up. A code that they have used up is not
    /// sent, but until the relay has had its time it looks as if it were, as with any other claim.
    /// A lease that was taken over (`tries`) has no say any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prepare_mail(
        &self,
        mail: &LeasedMail,
        rules: &MailRules,
    ) -> Result<Outgoing, StoreError> {
        let _turn = self.turns.of(&mail.address).await;
        let now = self.clock.now();
        let records = [
            mail.claim().claim(),
            account_id(&mail.address),
            ledger_id(&rules.ledger),
        ];
        let [claim_id, account_id, ledger_id] = &records;
        self.decide(&records, |found| {
            let claim: Option<Claim> = found.row(claim_id)?;
            let Some(mut claim) = claim.filter(|claim| mail.is_owed_by(claim)) else {
                return Ok(Decision::new(Outgoing::Nothing));
            };
            let account: Option<Account> = found.row(account_id)?;
            if !claim.stands(account.as_ref(), now) {
                return Ok(Decision::new(Outgoing::Nothing).delete(claim_id));
            }
            let ledger: Ledger = found.row(ledger_id)?.unwrap_or_default();
            let is_stopped = |site: &String| ledger.has_stopped(site, now);
            let is_silent = claim.is_disowned() || claim.site.as_ref().is_some_and(is_stopped);
            let may_be_told = |account: &Account| {
                let was_told = account.notified_at;
                was_told.is_none_or(|at| !is_within(rules.quiet, at, now))
                    && ledger.notices_of_day(now) < rules.notices_per_day as usize
            };
            let was_telling = claim.telling.unwrap_or(false);
            let tells = !is_silent
                && account
                    .as_ref()
                    .is_some_and(|account| was_telling || may_be_told(account));
            let begins_to_tell = tells && !was_telling;
            let lives_on = claim.live_on(rules, ledger.is_long(now), now);
            claim.telling = Some(tells || was_telling);
            let written = (lives_on || begins_to_tell).then(|| claim.clone());
            let outgoing = match &account {
                None if !is_silent && claim.attempts_left > 0 => Outgoing::Code(Box::new(claim)),
                Some(account) if tells => Outgoing::AlreadyRegistered {
                    language: language(account.language.as_deref().or(claim.language.as_deref())),
                    claim: Box::new(claim),
                },
                _ => Outgoing::Silence {
                    claim: Box::new(claim),
                    refused: account
                        .as_ref()
                        .is_some_and(|account| account.notice_refused.unwrap_or(false)),
                },
            };
            let mut decision = Decision::new(outgoing);
            if let Some(claim) = written {
                decision = decision.put(claim_id, claim);
            }
            if let Some(mut account) = account.filter(|_| begins_to_tell) {
                account.notified_at = Some(now);
                decision = decision
                    .put(account_id, account)
                    .put(ledger_id, ledger.with_notice(now));
            }
            Ok(decision)
        })
        .await
    }

    /// Records that the relay refused the mail for good; `told` says that it was to tell an owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mail_refused(&self, mail: &LeasedMail, told: bool) -> Result<(), StoreError> {
        let _turn = self.turns.of(&mail.address).await;
        let (claim, account) = (mail.claim().claim(), account_id(&mail.address));
        self.change::<Value>(
            [claim.clone(), account.clone()],
            REFUSED,
            vars([
                ("claim", claim.into_value()),
                ("account", account.into_value()),
                ("told", told.into_value()),
                ("ticket", mail.ticket.clone().into_value()),
                ("tries", mail.tries.into_value()),
            ]),
        )
        .await
        .map(drop)
    }

    /// Gives a mail back, to be taken on again after `delay`.
    ///
    /// # Errors
    /// When the store fails; then it falls due when its lease ends.
    pub async fn postpone_mail(
        &self,
        mail: &LeasedMail,
        delay: Duration,
    ) -> Result<(), StoreError> {
        let _turn = self.turns.of(&mail.address).await;
        let claim = mail.claim().claim();
        self.change::<Value>(
            [claim.clone()],
            POSTPONE,
            vars([
                ("claim", claim.into_value()),
                ("ticket", mail.ticket.clone().into_value()),
                ("tries", mail.tries.into_value()),
                ("due_at", (self.clock.now() + delay).into_value()),
            ]),
        )
        .await
        .map(drop)
    }
}
