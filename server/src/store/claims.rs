//! Claims: attempts to get an account.

use std::ops::Bound;

use chrono::{DateTime, Duration, Utc};
use latchkey_app::domain::EmailAddress;
use latchkey_app::language::Language;
use surrealdb::types::{
    Range, RecordId, RecordIdKey, RecordIdKeyRange, SurrealValue, Value, Variables,
};

use super::accounts::{Account, account_fields, account_id};
use super::budgets::{
    AddressLedger, Budget, LONG_CODE_DIGITS, LONG_CODES_FOR, Limited, LimitedRow, budget_waits,
    end_if_limited, ledger_wait, refund_budgets, spend_budgets, spend_ledger, wanted,
};
use super::outbox::{Lease, LeasedMail};
use super::{ClaimId, Store, StoreError, vars};

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

    /// Whether the current code can still be right.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.attempts_left > 0 && now < self.code_expires_at
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

/// A guess at a claim's code, judged but not yet told.
pub struct Guess<'a> {
    pub id: &'a ClaimId,
    /// The claim and the number of the code that the guess was judged by.
    pub seed: &'a str,
    pub delivery: i64,
    pub right: bool,
    /// The password's hash under today's parameters, for the account; `None`: the claim's.
    pub renewed_hash: Option<&'a str>,
    /// What was spent in case that the password was wrong, which it is not.
    pub refund: &'a [Budget],
    pub ledger: &'a AddressLedger,
}

/// What a guess came to, once it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessResult {
    /// The account stands; the claim is gone.
    Verified,
    /// The attempt is charged.
    Wrong { attempts_left: u32 },
    /// There was no attempt to charge: the claim has become the account a moment earlier, perhaps
    /// by the first half of a double click.
    Already,
    /// There was no attempt to charge: the code is stale, used up or replaced.
    Stale,
}

/// A claim that is stale keeps its seed and takes the next number; one that has expired, swept
/// or not, begins anew with another seed, so that no code ever comes twice. A short code is stale
/// once its address has long ones. Only who made the claim, with this very password, is known
/// here: for strangers everything depends on budgets alone.
///
/// A claim that was disowned begins anew, unnoticeably and with other codes, when it is asked for
/// from a network that is not stopped: it may be the owner after all.
const REGISTER: &str = concat!(
    "{",
    budget_waits!(),
    ledger_wait!(),
    "
    LET $old = (SELECT * FROM ONLY $claim WHERE expires_at > $now);
    LET $waits = IF $strangers_wait_until != NONE AND $old = NONE {
        array::append($waits, { kind: 'all_sign_ups', until: $strangers_wait_until })
    } ELSE { $waits };",
    end_if_limited!(),
    spend_budgets!(),
    "
    LET $taken = record::exists($account);
    IF $reveal AND $taken { RETURN { claim: NONE } };",
    spend_ledger!(),
    "
    LET $becomes = IF $old = NONE {
        IF $noted.long { object::extend($new, { digits: $digits_if_long }) } ELSE { $new }
    } ELSE {
        LET $was_disowned = $old.disowned ?? false;
        LET $live = $old.attempts_left > 0 AND $old.code_expires_at > $now
            AND !($noted.long AND $old.digits < $long_digits);
        object::extend($new, {
            reference: $old.reference,
            seed: IF $was_disowned AND !$noted.stopped { $new.seed } ELSE { $old.seed },
            delivery: IF $live { $old.delivery } ELSE { $old.delivery + 1 },
            digits: IF $live { $old.digits }
                ELSE IF $noted.long { $digits_if_long }
                ELSE { $new.digits },
            attempts_left: IF $live { $old.attempts_left } ELSE { $new.attempts_left },
            code_expires_at: IF $live { $old.code_expires_at } ELSE { $new.code_expires_at },
            created_at: $old.created_at,
            disowned: $was_disowned AND $noted.stopped,
            telling: $old.telling
        })
    };
    UPSERT $claim CONTENT $becomes RETURN NONE;
    RETURN { claim: $becomes, taken: $taken, stopped: $noted.stopped }
}"
);

/// The same for a claim that is known to be one's own; within the cooldown nothing happens.
const RENEW: &str = concat!(
    "{",
    budget_waits!(),
    "
    LET $old = (SELECT * FROM ONLY $claim WHERE expires_at > $now);
    IF $old = NONE { RETURN { renewed: false } };",
    ledger_wait!(),
    end_if_limited!(),
    "
    IF $old.requested_at > $cooldown_since AND $old.requested_at < $ahead {
        RETURN { renewed: false, claim: $old }
    };",
    spend_budgets!(),
    spend_ledger!(),
    "
    LET $live = $old.attempts_left > 0 AND $old.code_expires_at > $now
        AND !($noted.long AND $old.digits < $long_digits);
    LET $claimed = (UPDATE ONLY $claim SET
        delivery = IF $live { delivery } ELSE { delivery + 1 },
        digits = IF $live { digits }
            ELSE IF $noted.long { $digits_if_long }
            ELSE { $digits },
        attempts_left = IF $live { attempts_left } ELSE { $attempts },
        code_expires_at = IF $live { code_expires_at } ELSE { $code_expires_at },
        requested_at = $now, expires_at = $expires_at, site = $site, handle = $handle,
        mail = 'queued', ticket = $ticket, tries = 0, due_at = $now);
    RETURN { renewed: true, claim: $claimed }
}"
);

/// Its mail goes with it, unless it is under way.
const WITHDRAW: &str = "{ DELETE $claim; RETURN NONE }";

const CLAIM: &str = "{ RETURN (SELECT * FROM ONLY $claim WHERE expires_at > $now) }";

const CANDIDATES: &str = concat!(
    "{ RETURN { account: (SELECT ",
    account_fields!(),
    " FROM ONLY $account), claims: (SELECT * FROM $claims WHERE expires_at > $now) } }"
);

/// The attempt and its outcome are one transaction: nobody learns the one without having paid
/// the other. With the account the address's other claims become decoys: from outside they are
/// what they were. Of two right codes at once one creates the account, the other meets it.
///
/// Each wrong code goes into the address's ledger too. The one that fills it makes the address's
/// codes long, the live ones included: a short code that had been mailed is stale from then on,
/// or three guesses at each of ten mails would be left. A right guess writes to the ledger as
/// well: it must not slip through beside the wrong one that fills it.
const GUESS: &str = concat!(
    "{",
    refund_budgets!(),
    "
    LET $record = (SELECT * FROM ONLY $ledger);
    LET $long = $record != NONE AND ($record.long_codes_until ?? $now) > $now;
    LET $old = (SELECT * FROM ONLY $claim WHERE seed = $seed AND delivery = $delivery
        AND attempts_left > 0 AND code_expires_at > $now AND expires_at > $now);
    IF $old = NONE OR ($long AND $old.digits < $long_digits) {
        LET $made = (SELECT VALUE claim_key FROM ONLY $account);
        LET $is_gone = (SELECT VALUE key FROM ONLY $claim WHERE expires_at > $now) = NONE;
        RETURN { outcome: IF $is_gone AND $made = $key { 'already' } ELSE { 'stale' } }
    };
    IF !$right OR ($old.disowned ?? false) OR record::exists($account) {
        UPDATE ONLY $claim SET attempts_left -= 1;
        IF $counts {
            LET $wrong = array::append(($record.wrong_codes ?? [])[WHERE $this > $month_ago], $now);
            LET $full = array::len($wrong) >= $max_wrong_codes;
            UPSERT ONLY $ledger SET
                mails = mails ?? [],
                notices = notices ?? [],
                wrong_codes = IF $full { [] } ELSE { $wrong },
                long_codes_until = IF $full { $month_ahead } ELSE { long_codes_until },
                expires_at = $month_ahead
        };
        RETURN { outcome: 'wrong', attempts_left: $old.attempts_left - 1 }
    };
    IF $counts {
        UPSERT ONLY $ledger SET
            mails = mails ?? [],
            notices = notices ?? [],
            wrong_codes = wrong_codes ?? [],
            touched = rand::id(),
            expires_at = time::max([expires_at ?? $now, $now + 1d])
    };
    CREATE $account SET address = $old.address, typed_address = $old.typed_address,
        password_hash = $renewed_hash ?? $old.password_hash, claim_key = $key,
        verified_at = $now, language = $old.language RETURN NONE;
    DELETE $claim;
    RETURN { outcome: 'verified' }
}"
);

#[derive(SurrealValue)]
struct RegisterRow {
    limited: Option<LimitedRow>,
    claim: Option<Claim>,
    taken: Option<bool>,
    stopped: Option<bool>,
}

#[derive(SurrealValue)]
struct RenewRow {
    limited: Option<LimitedRow>,
    renewed: Option<bool>,
    claim: Option<Claim>,
}

#[derive(SurrealValue)]
struct CandidatesRow {
    account: Option<Account>,
    claims: Vec<Claim>,
}

#[derive(SurrealValue)]
struct GuessRow {
    outcome: String,
    attempts_left: Option<i64>,
}

impl Store {
    /// Makes or renews a claim, which owes a mail, in one transaction.
    ///
    /// # Errors
    /// When the store fails; then nothing is recorded.
    pub async fn register(&self, claim: Registering<'_>) -> Result<Registered, StoreError> {
        let _turn = self.turns.of(&claim.id.address).await;
        let now = self.clock.now();
        let rules = claim.rules;
        let lease = claim.lease.unwrap_or_default();
        let mail = LeasedMail {
            address: claim.id.address.clone(),
            key: claim.id.key.clone(),
            ticket: claim.ticket,
            tries: claim.lease.is_some().into(),
            requested_at: now,
        };
        let new = Claim {
            address: claim.id.address.clone(),
            key: claim.id.key.clone(),
            typed_address: claim.email.typed().to_owned(),
            password_hash: claim.password_hash.to_owned(),
            reference: claim.reference,
            seed: claim.seed,
            delivery: 1,
            digits: rules.digits.into(),
            attempts_left: rules.attempts.into(),
            mail: "queued".to_owned(),
            requested_at: now,
            code_expires_at: now + rules.code_ttl,
            language: Some(claim.language.tag().to_owned()),
            disowned: Some(false),
        };
        let new = row(
            new,
            [
                ("created_at", now.into_value()),
                ("expires_at", (now + rules.claim_ttl).into_value()),
                ("site", claim.spending.ledger.site.clone().into_value()),
                ("handle", claim.id.handle().into_value()),
                ("ticket", mail.ticket.clone().into_value()),
                ("tries", mail.tries.into_value()),
                ("due_at", (now + lease.lasts).into_value()),
            ],
        );
        let mut variables = vars([
            ("account", account_id(&claim.id.address).into_value()),
            ("claim", claim.id.claim().into_value()),
            ("reveal", claim.reveal_existing.into_value()),
            (
                "strangers_wait_until",
                claim.strangers_wait_until.into_value(),
            ),
            ("now", now.into_value()),
            ("new", new),
            ("long_digits", LONG_CODE_DIGITS.into_value()),
            ("digits_if_long", rules.digits_if_long().into_value()),
        ]);
        variables.extend(claim.spending.variables(now));
        let row: RegisterRow = self.run(REGISTER, variables).await?;
        Ok(match (row.limited, row.claim) {
            (Some(limited), _) => Registered::Limited(limited.limited()?),
            (None, Some(made)) => Registered::Claimed {
                is_code: claim.lease.is_some()
                    && (row.taken, row.stopped) == (Some(false), Some(false))
                    && made.code_expires_at >= now + lease.delivery_limit,
                mail: claim.lease.map(|_| mail),
                claim: Box::new(made),
            },
            (None, None) => Registered::Taken,
        })
    }

    /// Has a claim owe another mail, which `ticket` tells from any other: with the same code while
    /// it lives, else with the next one and new attempts.
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
        let mut variables = vars([
            ("claim", id.claim().into_value()),
            ("ticket", ticket.into_value()),
            ("handle", id.handle().into_value()),
            ("now", now.into_value()),
            ("cooldown_since", (now - cooldown).into_value()),
        ]);
        variables.extend(rules.variables(now));
        variables.extend(spending.variables(now));
        let row: RenewRow = self.run(RENEW, variables).await?;
        Ok(match (row.limited, row.claim.map(Box::new)) {
            (Some(limited), _) => Renewed::Limited(limited.limited()?),
            (None, None) => Renewed::Gone,
            (None, Some(claim)) if row.renewed == Some(true) => Renewed::Renewed(claim),
            (None, Some(claim)) => Renewed::TooSoon(claim),
        })
    }

    /// Removes a claim that its maker wants no more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn withdraw(&self, id: &ClaimId) -> Result<(), StoreError> {
        let _turn = self.turns.of(&id.address).await;
        let variables = vars([("claim", id.claim().into_value())]);
        self.run::<Value>(WITHDRAW, variables).await.map(drop)
    }

    /// One claim.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim(&self, id: &ClaimId) -> Result<Option<Claim>, StoreError> {
        self.run(
            CLAIM,
            vars([
                ("claim", id.claim().into_value()),
                ("now", self.clock.now().into_value()),
            ]),
        )
        .await
    }

    /// Everything that a password for this canonical address could belong to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn candidates(
        &self,
        address: &str,
    ) -> Result<(Option<Account>, Vec<Claim>), StoreError> {
        let row: CandidatesRow = self
            .run(
                CANDIDATES,
                vars([
                    ("account", account_id(address).into_value()),
                    ("claims", claims_of(address)),
                    ("now", self.clock.now().into_value()),
                ]),
            )
            .await?;
        Ok((row.account, row.claims))
    }

    /// Charges a guess and, when it is right, makes the account.
    ///
    /// # Errors
    /// When the store fails; then the guess is not answered.
    pub async fn guess(&self, guess: Guess<'_>) -> Result<GuessResult, StoreError> {
        let _turn = self.turns.of(&guess.id.address).await;
        let now = self.clock.now();
        let mut variables = vars([
            ("account", account_id(&guess.id.address).into_value()),
            ("claim", guess.id.claim().into_value()),
            ("key", guess.id.key.clone().into_value()),
            ("seed", guess.seed.into_value()),
            ("delivery", guess.delivery.into_value()),
            ("right", guess.right.into_value()),
            (
                "renewed_hash",
                guess.renewed_hash.map(str::to_owned).into_value(),
            ),
            ("budgets", wanted(guess.refund)),
            ("long_digits", LONG_CODE_DIGITS.into_value()),
            ("month_ahead", (now + LONG_CODES_FOR).into_value()),
            ("now", now.into_value()),
        ]);
        variables.extend(vars(guess.ledger.variables(now)));
        let row: GuessRow = self.run(GUESS, variables).await?;
        Ok(match (row.outcome.as_str(), row.attempts_left) {
            ("verified", _) => GuessResult::Verified,
            ("already", _) => GuessResult::Already,
            ("wrong", Some(left)) => GuessResult::Wrong {
                attempts_left: u32::try_from(left).unwrap_or(0),
            },
            _ => GuessResult::Stale,
        })
    }
}

impl Renewal {
    fn digits_if_long(self) -> i64 {
        LONG_CODE_DIGITS.max(self.digits.into())
    }

    fn variables(self, now: DateTime<Utc>) -> Variables {
        vars([
            ("digits", i64::from(self.digits).into_value()),
            ("long_digits", LONG_CODE_DIGITS.into_value()),
            ("digits_if_long", self.digits_if_long().into_value()),
            ("attempts", i64::from(self.attempts).into_value()),
            ("code_expires_at", (now + self.code_ttl).into_value()),
            ("expires_at", (now + self.claim_ttl).into_value()),
        ])
    }
}

impl Spending<'_> {
    fn variables(self, now: DateTime<Utc>) -> Variables {
        let mut variables = vars(self.ledger.variables(now));
        variables.insert("budgets", wanted(self.budgets));
        variables
    }
}

/// A record's fields: those of `fields`, and more.
fn row<const N: usize>(fields: impl SurrealValue, more: [(&str, Value); N]) -> Value {
    let mut row = fields.into_value();
    if let Value::Object(row) = &mut row {
        row.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    row
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
