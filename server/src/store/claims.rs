//! Claims: attempts to get an account.

use std::ops::Bound;

use chrono::{DateTime, Duration, Utc};
use latchkey_app::domain::EmailAddress;
use latchkey_app::language::Language;
use subtle::ConstantTimeEq;
use surrealdb::types::{Range, RecordId, RecordIdKey, RecordIdKeyRange, SurrealValue, Value};

use super::accounts::{Account, account_id};
use super::budgets::{Budget, BudgetKind, Limited, Wait};
use super::decision::Decision;
use super::ledger::{AddressLedger, CLOCKS_DIFFER, LONG_CODE_DIGITS, Ledger};
use super::outbox::{Lease, LeasedMail};
use super::{ClaimId, Store, StoreError, vars};

/// Of a claim that owes a mail.
const QUEUED: &str = "queued";

/// One attempt to get an account.
#[derive(Clone, SurrealValue)]
pub struct Claim {
    /// The canonical address.
    pub address: String,
    /// What tells the claims of one address apart.
    pub key: String,
    /// As it was typed.
    pub typed_address: String,
    /// In PHC form.
    pub password_hash: String,
    /// The short text that mail and page both show.
    pub reference: String,
    /// What makes this claim's codes its own, in hexadecimal digits.
    pub seed: String,
    /// The number of the current code.
    pub delivery: i64,
    /// The length of its codes.
    pub digits: i64,
    /// Guesses left for the current code.
    pub attempts_left: i64,
    /// `queued` while a mail is owed, then `taken` or `refused`.
    pub mail: String,
    /// When a mail was last asked for.
    pub requested_at: DateTime<Utc>,
    /// When the current code goes stale.
    pub code_expires_at: DateTime<Utc>,
    /// The tag of the language of whoever signed up.
    pub language: Option<String>,
    /// Whether the mailbox's owner has said that it is not theirs.
    pub disowned: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The network that asked for its mail last.
    pub site: Option<String>,
    /// The beginning of its key.
    pub handle: Option<String>,
    /// Which wish for a mail it owes a mail for.
    pub ticket: Option<String>,
    /// How often somebody has taken that mail on.
    pub tries: Option<i64>,
    /// When somebody is to take it on; `None` when none is owed.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether that mail is the one that tells the owner of a verified address.
    pub telling: Option<bool>,
}

impl Claim {
    /// What names this claim.
    #[must_use]
    pub fn id(&self) -> ClaimId {
        ClaimId {
            address: self.address.clone(),
            key: self.key.clone(),
        }
    }

    /// The address to write to; `None` only when the row is damaged.
    #[must_use]
    pub fn email(&self) -> Option<EmailAddress> {
        EmailAddress::parse(&self.typed_address).ok()
    }

    /// Its address as a log may show it; `None` only when the row is damaged.
    #[must_use]
    pub fn masked_address(&self) -> Option<String> {
        self.email().map(|email| email.masked())
    }

    /// The language to write in.
    #[must_use]
    pub fn language(&self) -> Language {
        language(self.language.as_deref())
    }

    /// How long until another mail may be asked for; zero when now. A wish that lies ahead was
    /// written down by a clock that ran ahead.
    #[must_use]
    pub fn cooldown(&self, cooldown: Duration, now: DateTime<Utc>) -> std::time::Duration {
        if self.requested_at >= now + CLOCKS_DIFFER {
            return std::time::Duration::ZERO;
        }
        let left = self.requested_at + cooldown - now;
        left.to_std().unwrap_or_default()
    }

    /// Whether the current code can still be right.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.attempts_left > 0 && now < self.code_expires_at
    }

    /// The same for an address whose codes may be long: a short one is stale then.
    pub(super) fn is_live_where(&self, codes_are_long: bool, now: DateTime<Utc>) -> bool {
        self.is_live(now) && !(codes_are_long && self.digits < LONG_CODE_DIGITS)
    }

    /// Whether it is there for anybody, `account` being its address's: one that has expired is not, nor
    /// one that has become the account, though either may lie in the store for a while yet.
    pub(super) fn stands(&self, account: Option<&Account>, now: DateTime<Utc>) -> bool {
        self.expires_at > now && !account.is_some_and(|account| account.was(self))
    }

    pub(super) fn is_disowned(&self) -> bool {
        self.disowned.unwrap_or(false)
    }

    /// The same code while that is live; else the next one, with new attempts.
    fn renew_code(&mut self, rules: &Renewal, codes_are_long: bool, now: DateTime<Utc>) {
        if !self.is_live_where(codes_are_long, now) {
            self.delivery += 1;
            self.digits = rules.digits(codes_are_long);
            self.attempts_left = rules.attempts.into();
            self.code_expires_at = now + rules.code_ttl;
        }
    }
}

/// What a sign-up brings to the store.
pub struct Registering<'a> {
    pub email: &'a EmailAddress,
    pub id: &'a ClaimId,
    pub password_hash: &'a str,
    pub language: Language,
    /// Used when this is a new claim, or one that was disowned begins anew.
    pub seed: String,
    /// Used when this is a new claim.
    pub reference: String,
    /// What tells this wish for a mail from any other.
    pub ticket: String,
    pub rules: Renewal,
    pub spending: Spending<'a>,
    /// When everybody together may make new claims again; `None`: now.
    pub strangers_wait_until: Option<DateTime<Utc>>,
    /// How this process, which will send it at once, takes its mail on; `None`: it waits in the
    /// outbox.
    pub lease: Option<Lease>,
    /// Whether an address that is verified gets no claim but the answer that it is.
    pub reveal_existing: bool,
}

/// What a mail costs whoever causes it.
#[derive(Clone, Copy)]
pub struct Spending<'a> {
    pub budgets: &'a [Budget],
    pub ledger: &'a AddressLedger,
}

/// What a new or renewed claim is given.
#[derive(Clone, Copy, Debug)]
pub struct Renewal {
    pub digits: u8,
    pub attempts: u32,
    pub code_ttl: Duration,
    pub claim_ttl: Duration,
}

/// What became of a sign-up.
pub enum Registered {
    /// The claim stands and owes its mail, which is leased if that was asked for.
    Claimed {
        claim: Box<Claim>,
        mail: Option<LeasedMail>,
        /// Whether the leased mail is the claim's code, as [`Store::prepare_mail`] would say now.
        is_code: bool,
    },
    /// The address is verified, and `reveal_existing` was asked for; only budgets were spent.
    Taken,
    /// A budget is spent; nothing was changed.
    Limited(Limited),
}

/// What became of a wish for another mail.
pub enum Renewed {
    /// The mail is owed.
    Renewed(Box<Claim>),
    /// The last one was asked for less than the cooldown ago; nothing was changed.
    TooSoon(Box<Claim>),
    /// A budget is spent; nothing was changed.
    Limited(Limited),
    /// There is no such claim any more.
    Gone,
}

/// A guess at a claim's code.
pub struct Guess<'a> {
    pub id: &'a ClaimId,
    /// Whether it is the code that the claim has now.
    pub is_right: &'a (dyn Fn(&Claim) -> bool + Sync),
    /// What the guess is known by once it was right.
    pub spent_code: &'a str,
    /// The password's hash under today's parameters and with the address's salt; `None` when nobody
    /// was asked for a password.
    pub hash_of_today: Option<&'a str>,
    /// Whether that hash is all that is known of the password: another one, of the account or of
    /// another claim, could prove it too. So only a right code is an answer then, or an account with
    /// this hash; anything else leaves the question open, and costs nothing yet.
    pub at_once: bool,
    /// What was spent in case that the password was wrong, which it is not.
    pub refund: &'a [Budget],
    pub ledger: &'a AddressLedger,
}

/// What a guess came to, once it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessResult {
    /// The account stands; the claim is there for nobody any more.
    Verified,
    /// The attempt is charged.
    Wrong { attempts_left: u32 },
    /// There was no attempt to charge: with this very code the claim has become the account before,
    /// perhaps by the first half of a double click.
    Repeated,
    /// There was no attempt to charge: the claim has become the account, or the account has this very
    /// password.
    Already,
    /// There was no attempt to charge: the code is stale, used up or replaced.
    Stale,
    /// There was no attempt to charge: there is no such claim, or the guess was one at once.
    Open,
}

/// Its mail goes with it, unless it is under way.
const WITHDRAW: &str = "{ DELETE $claim; RETURN NONE }";

const CANDIDATES: &str = "{ RETURN {
    account: (SELECT * FROM ONLY $account),
    claims: (SELECT * FROM $claims)
} }";

#[derive(SurrealValue)]
struct CandidatesRow {
    account: Option<Account>,
    claims: Vec<Claim>,
}

impl Store {
    /// Makes or renews a claim, which owes a mail, in one transaction.
    ///
    /// A claim that is stale keeps its seed and takes the next number; one that has expired, swept
    /// or not, begins anew with another seed, so that no code ever comes twice. A short code is
    /// stale once its address has long ones. Only who made the claim, with this very password, is
    /// known here: for strangers everything depends on budgets alone.
    ///
    /// A claim that was disowned begins anew, unnoticeably and with other codes, when it is asked
    /// for from a network that is not stopped: it may be the owner after all.
    ///
    /// # Errors
    /// When the store fails; then nothing is recorded.
    pub async fn register(&self, sign_up: Registering<'_>) -> Result<Registered, StoreError> {
        let _turn = self.turns.of(&sign_up.id.address).await;
        let now = self.clock.now();
        let Spending {
            budgets,
            ledger: rules,
        } = sign_up.spending;
        let records = [
            sign_up.id.claim(),
            account_id(&sign_up.id.address),
            rules.record(),
        ];
        let [claim_id, account_id, ledger_id] = &records;
        self.decide(&records, |found| {
            let account: Option<Account> = found.row(account_id)?;
            let old: Option<Claim> = found.row(claim_id)?;
            let old = old.filter(|claim| claim.stands(account.as_ref(), now));
            let is_taken = account.is_some();
            let ledger: Ledger = found.row(ledger_id)?.unwrap_or_default();
            let mut waits = mail_wait(rules, &ledger, now);
            if old.is_none()
                && let Some(until) = sign_up.strangers_wait_until
            {
                waits.push(Wait::new(BudgetKind::AllSignUps, until));
            }
            if sign_up.reveal_existing && is_taken {
                let taken = Decision::new(Registered::Taken);
                return Ok(taken.spending(budgets, waits, Registered::Limited));
            }
            let claim = sign_up.claim(old, &ledger, now);
            let is_code = sign_up.lease.is_some_and(|lease| {
                !is_taken
                    && !ledger.has_stopped(&rules.site, now)
                    && claim.code_expires_at >= now + lease.delivery_limit
            });
            let mail = sign_up.lease.map(|_| LeasedMail {
                address: claim.address.clone(),
                key: claim.key.clone(),
                ticket: sign_up.ticket.clone(),
                tries: 1,
                requested_at: now,
            });
            let decision = Decision::new(Registered::Claimed {
                claim: Box::new(claim.clone()),
                mail,
                is_code,
            });
            let ledger = ledger.with_mail(&rules.site, now);
            Ok(decision
                .spending(budgets, waits, Registered::Limited)
                .put(claim_id, claim)
                .put_if(rules.counts, ledger_id, ledger))
        })
        .await
    }

    /// Has a claim that is known to be one's own owe another mail, which `ticket` tells from any
    /// other: with the same code while it lives, else with the next one and new attempts. Within
    /// the cooldown nothing happens.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn renew(
        &self,
        id: &ClaimId,
        ticket: String,
        rules: Renewal,
        cooldown: Duration,
        spending: Spending<'_>,
    ) -> Result<Renewed, StoreError> {
        let _turn = self.turns.of(&id.address).await;
        let now = self.clock.now();
        let Spending {
            budgets,
            ledger: ledger_rules,
        } = spending;
        let records = [id.claim(), ledger_rules.record()];
        let [claim_id, ledger_id] = &records;
        self.decide(&records, |found| {
            let old: Option<Claim> = found.row(claim_id)?;
            let Some(mut claim) = old.filter(|claim| self.stands_alone(claim, now)) else {
                return Ok(Decision::new(Renewed::Gone));
            };
            let ledger: Ledger = found.row(ledger_id)?.unwrap_or_default();
            let waits = mail_wait(ledger_rules, &ledger, now);
            if !claim.cooldown(cooldown, now).is_zero() {
                let too_soon = Decision::new(Renewed::TooSoon(Box::new(claim)));
                return Ok(too_soon.looking(budgets, waits, Renewed::Limited));
            }
            claim.renew_code(&rules, ledger.is_long(now), now);
            claim.requested_at = now;
            claim.expires_at = now + rules.claim_ttl;
            claim.site = Some(ledger_rules.site.clone());
            claim.handle = Some(id.handle());
            claim.mail = QUEUED.to_owned();
            claim.ticket = Some(ticket.clone());
            claim.tries = Some(0);
            claim.due_at = Some(now);
            let decision = Decision::new(Renewed::Renewed(Box::new(claim.clone())));
            let ledger = ledger.with_mail(&ledger_rules.site, now);
            Ok(decision
                .spending(budgets, waits, Renewed::Limited)
                .put(claim_id, claim)
                .put_if(ledger_rules.counts, ledger_id, ledger))
        })
        .await
    }

    /// Removes a claim that its maker wants no more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn withdraw(&self, id: &ClaimId) -> Result<(), StoreError> {
        let _turn = self.turns.of(&id.address).await;
        let variables = vars([("claim", id.claim().into_value())]);
        let withdrawn = self.change::<Value>([id.claim()], WITHDRAW, variables);
        withdrawn.await.map(drop)
    }

    /// One claim.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim(&self, id: &ClaimId) -> Result<Option<Claim>, StoreError> {
        let claim: Option<Claim> = self.row(id.claim()).await?;
        let now = self.clock.now();
        Ok(claim.filter(|claim| self.stands_alone(claim, now)))
    }

    /// Whether a claim is there as far as that can be said without a look at the account, which would
    /// take longer where there is one: whoever made the claim may ask as often as they like.
    fn stands_alone(&self, claim: &Claim, now: DateTime<Utc>) -> bool {
        claim.stands(None, now) && !self.verified.has(claim)
    }

    /// Everything that a password for this canonical address could belong to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn candidates(
        &self,
        address: &str,
    ) -> Result<(Option<Account>, Vec<Claim>), StoreError> {
        let CandidatesRow {
            account,
            mut claims,
        } = self
            .look(
                CANDIDATES,
                vars([
                    ("account", account_id(address).into_value()),
                    ("claims", claims_of(address)),
                ]),
            )
            .await?;
        let now = self.clock.now();
        claims.retain(|claim| claim.stands(account.as_ref(), now));
        Ok((account, claims))
    }

    /// Judges a guess by somebody who has proven the claim or its password, charges it and, when it
    /// is right, makes the account.
    ///
    /// The attempt and its outcome are one transaction: nobody learns the one without having paid
    /// the other. With the account the address's other claims become decoys: from outside they are
    /// what they were. Of two right codes at once one creates the account, the other meets it.
    ///
    /// Each wrong code goes into the address's ledger too. The one that fills it makes the address's
    /// codes long, the live ones included: a short code that had been mailed is stale from then on,
    /// or three guesses at each of ten mails would be left. No guess slips through beside another that
    /// would have it judged differently: each holds what it does not write.
    ///
    /// The claim of a right one lies in the store for a moment yet (`verified.rs`).
    ///
    /// # Errors
    /// When the store fails; then the guess is not answered.
    pub async fn guess(&self, guess: Guess<'_>) -> Result<GuessResult, StoreError> {
        let _turn = self.turns.of(&guess.id.address).await;
        let now = self.clock.now();
        let rules = guess.ledger;
        let records = [
            guess.id.claim(),
            account_id(&guess.id.address),
            rules.record(),
        ];
        let [claim_id, account_id, ledger_id] = &records;
        let guessed = self.decide(&records, |found| {
            let account: Option<Account> = found.row(account_id)?;
            let claim: Option<Claim> = found.row(claim_id)?;
            let claim = claim.filter(|claim| claim.stands(account.as_ref(), now));
            let ledger: Ledger = found.row(ledger_id)?.unwrap_or_default();
            let result = guess.judge(claim.as_ref(), account.as_ref(), &ledger, now);
            let seed = claim.as_ref().map(|claim| claim.seed.clone());
            let decision = Decision::new((result, seed));
            let decision = decision.refunding(guess.refund).in_no_hurry();
            let (GuessResult::Verified | GuessResult::Wrong { .. }, Some(mut claim)) =
                (result, claim)
            else {
                return Ok(decision);
            };
            if result == GuessResult::Verified {
                return Ok(decision
                    .put(account_id, guess.account(&claim, now))
                    .hold([claim_id, ledger_id]));
            }
            claim.attempts_left -= 1;
            let ledger = ledger.with_wrong_code(rules.wrong_codes, now);
            Ok(decision
                .put(claim_id, claim)
                .put_if(rules.counts, ledger_id, ledger)
                .hold([account_id]))
        });
        let (result, seed) = guessed.await?;
        if let (GuessResult::Verified, Some(seed)) = (result, seed) {
            self.taken.settle(claim_id);
            self.verified.add(guess.id.clone(), seed);
        }
        Ok(result)
    }
}

impl Registering<'_> {
    /// The claim that it makes, or that the old one becomes.
    fn claim(&self, old: Option<Claim>, ledger: &Ledger, now: DateTime<Utc>) -> Claim {
        let (rules, site) = (&self.rules, &self.spending.ledger.site);
        let lease = self.lease.unwrap_or_default();
        let codes_are_long = ledger.is_long(now);
        let is_stopped = ledger.has_stopped(site, now);
        let new = Claim {
            address: self.id.address.clone(),
            key: self.id.key.clone(),
            typed_address: self.email.typed().to_owned(),
            password_hash: self.password_hash.to_owned(),
            reference: self.reference.clone(),
            seed: self.seed.clone(),
            delivery: 1,
            digits: rules.digits(codes_are_long),
            attempts_left: rules.attempts.into(),
            mail: QUEUED.to_owned(),
            requested_at: now,
            code_expires_at: now + rules.code_ttl,
            language: Some(self.language.tag().to_owned()),
            disowned: Some(false),
            created_at: now,
            expires_at: now + rules.claim_ttl,
            site: Some(site.clone()),
            handle: Some(self.id.handle()),
            ticket: Some(self.ticket.clone()),
            tries: Some(self.lease.is_some().into()),
            due_at: Some(now + lease.lasts),
            telling: None,
        };
        let Some(mut old) = old else {
            return new;
        };
        old.renew_code(rules, codes_are_long, now);
        let is_disowned = old.is_disowned();
        Claim {
            reference: old.reference,
            seed: if is_disowned && !is_stopped {
                new.seed
            } else {
                old.seed
            },
            delivery: old.delivery,
            digits: old.digits,
            attempts_left: old.attempts_left,
            code_expires_at: old.code_expires_at,
            disowned: Some(is_disowned && is_stopped),
            created_at: old.created_at,
            telling: old.telling,
            ..new
        }
    }
}

impl Guess<'_> {
    fn judge(
        &self,
        claim: Option<&Claim>,
        account: Option<&Account>,
        ledger: &Ledger,
        now: DateTime<Utc>,
    ) -> GuessResult {
        let proves = |account: &Account| {
            self.hash_of_today.is_some_and(|hash| {
                hash.as_bytes()
                    .ct_eq(account.password_hash.as_bytes())
                    .into()
            })
        };
        let repeats = |account: &Account| {
            let spent = account.spent_code.as_deref().unwrap_or_default();
            bool::from(spent.as_bytes().ct_eq(self.spent_code.as_bytes()))
        };
        // Whose account it is comes before whose claim it is.
        if account.is_some_and(proves) {
            return GuessResult::Already;
        }
        let judged = match claim {
            None if account.is_some_and(|it| it.claim_key.as_ref() == Some(&self.id.key)) => {
                if account.is_some_and(repeats) {
                    GuessResult::Repeated
                } else {
                    GuessResult::Already
                }
            }
            None => GuessResult::Open,
            Some(claim) if !claim.is_live_where(ledger.is_long(now), now) => GuessResult::Stale,
            Some(claim) if (self.is_right)(claim) && !claim.is_disowned() && account.is_none() => {
                GuessResult::Verified
            }
            Some(claim) => GuessResult::Wrong {
                attempts_left: u32::try_from(claim.attempts_left - 1).unwrap_or(0),
            },
        };
        if self.at_once && judged != GuessResult::Verified {
            return GuessResult::Open;
        }
        judged
    }

    /// The account that the claim becomes.
    fn account(&self, claim: &Claim, now: DateTime<Utc>) -> Account {
        Account {
            address: claim.address.clone(),
            typed_address: claim.typed_address.clone(),
            password_hash: self
                .hash_of_today
                .unwrap_or(&claim.password_hash)
                .to_owned(),
            claim_key: Some(claim.key.clone()),
            claim_seed: Some(claim.seed.clone()),
            spent_code: Some(self.spent_code.to_owned()),
            verified_at: now,
            language: claim.language.clone(),
            notified_at: None,
            notice_refused: None,
        }
    }
}

/// What an address has to wait for before it is sent another mail.
fn mail_wait(rules: &AddressLedger, ledger: &Ledger, now: DateTime<Utc>) -> Vec<Wait> {
    let until = ledger.next_mail(rules, now);
    if rules.counts && until > now {
        vec![Wait::new(BudgetKind::AddressMails, until)]
    } else {
        Vec::new()
    }
}

impl Renewal {
    fn digits(&self, codes_are_long: bool) -> i64 {
        let digits = self.digits.into();
        if codes_are_long {
            LONG_CODE_DIGITS.max(digits)
        } else {
            digits
        }
    }
}

/// English where the store knows none, or one that this version does not.
pub(super) fn language(tag: Option<&str>) -> Language {
    tag.and_then(Language::from_tag).unwrap_or_default()
}

/// The claims of an address: the records with the ids `[address, …]`.
pub(super) fn claims_of(address: &str) -> Value {
    let address = Value::String(address.to_owned());
    let from = RecordIdKey::Array(vec![address.clone()].into());
    let everything = Range {
        start: Bound::Unbounded,
        end: Bound::Unbounded,
    };
    let to = RecordIdKey::Array(vec![address, Value::Range(Box::new(everything))].into());
    RecordId::new(
        "claim",
        RecordIdKey::Range(Box::new(RecordIdKeyRange {
            start: Bound::Included(from),
            end: Bound::Included(to),
        })),
    )
    .into_value()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    /// Two claims of one address, with a live code each; of the first an attempt is left.
    const CLAIMS: &str = "{
        FOR $attempts IN [1, 3] {
            LET $key = <string> $attempts;
            CREATE type::record('claim', ['foo@bar.com', $key]) SET address = 'foo@bar.com',
                key = $key, typed_address = 'foo@bar.com', password_hash = 'hash',
                reference = 'K7QD', seed = $key, delivery = 1, digits = 4,
                attempts_left = $attempts, mail = 'taken', requested_at = $now,
                code_expires_at = $now + 1h, created_at = $now, expires_at = $now + 1d
        };
        RETURN NONE
    }";

    /// Has transactions that write to one of these tables take a while.
    const SLOW_ACCOUNT: &str = "{ DEFINE EVENT slow ON account THEN { sleep(1s) }; RETURN NONE }";
    const SLOW_CLAIM: &str = "{ DEFINE EVENT slow ON claim THEN { sleep(1s) }; RETURN NONE }";

    fn id(key: &str) -> ClaimId {
        ClaimId {
            address: "foo@bar.com".to_owned(),
            key: key.to_owned(),
        }
    }

    async fn guess(store: &Store, key: &str, is_right: bool) -> GuessResult {
        let ledger = AddressLedger {
            digest: "digest".to_owned(),
            site: "site".to_owned(),
            mails: 1,
            mails_per_site: 1,
            wrong_codes: 1,
            counts: true,
        };
        let guess = Guess {
            id: &id(key),
            is_right: &|_| is_right,
            spent_code: if is_right { "right" } else { "wrong" },
            hash_of_today: None,
            at_once: false,
            refund: &[],
            ledger: &ledger,
        };
        store.guess(guess).await.unwrap()
    }

    async fn filled(slow: &'static str) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        let now = vars([("now", store.clock.now().into_value())]);
        store.run::<Value>(CLAIMS, now).await.unwrap();
        store.run::<Value>(slow, vars([])).await.unwrap();
        (folder, store)
    }

    /// What becomes of two transactions: the slow one sees what there was before the quick one, which
    /// another instance begins after it and ends before it.
    async fn beside<S, Q>(
        store: &Store,
        slow: impl Future<Output = S>,
        quick: impl AsyncFnOnce(Store) -> Q,
    ) -> (S, Q) {
        tokio::join!(slow, async {
            while !store
                .statements
                .recent()
                .is_changing(&account_id("foo@bar.com"))
            {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            quick(store.beside()).await
        })
    }

    #[tokio::test]
    async fn no_guess_slips_through_beside_another() {
        let used_up = GuessResult::Wrong { attempts_left: 0 };
        let wrong = GuessResult::Wrong { attempts_left: 2 };
        for (table, late, early, results) in [
            // The attempt that it needs is gone.
            (
                SLOW_ACCOUNT,
                ("1", true),
                ("1", false),
                (GuessResult::Stale, used_up),
            ),
            // Codes are long now.
            (
                SLOW_ACCOUNT,
                ("1", true),
                ("3", false),
                (GuessResult::Stale, wrong),
            ),
            // The claim is an account.
            (
                SLOW_CLAIM,
                ("3", false),
                ("3", true),
                (GuessResult::Already, GuessResult::Verified),
            ),
        ] {
            let (_folder, store) = filled(table).await;
            let judged = beside(&store, guess(&store, late.0, late.1), async |other| {
                guess(&other, early.0, early.1).await
            });
            assert_eq!(judged.await, results, "{table} {late:?} {early:?}");
        }
    }

    #[tokio::test]
    async fn what_has_become_an_account_meanwhile_is_neither_disowned_nor_left_when_all_is_deleted()
    {
        let verify = async |other: Store| guess(&other, "3", true).await;
        let (_folder, store) = filled(SLOW_CLAIM).await;
        let claim = id("3");
        let disowned = store.disown(&claim, "3", "digest", Duration::days(1));
        let (disowned, verified) = beside(&store, disowned, verify).await;
        assert_eq!(
            (disowned.unwrap(), verified),
            (false, GuessResult::Verified)
        );

        let (_folder, store) = filled(SLOW_CLAIM).await;
        let deleted = store.delete_address("foo@bar.com");
        let (deleted, verified) = beside(&store, deleted, verify).await;
        assert_eq!(verified, GuessResult::Verified);
        let deleted = deleted.unwrap();
        assert_eq!((deleted.accounts, deleted.claims), (1, 1));
        assert!(store.account("foo@bar.com").await.unwrap().is_none());
    }
}
