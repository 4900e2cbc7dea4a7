//! Budgets: what networks, and everybody together, may still cause; and the ledger of one
//! address.
//!
//! A budget is a single moment, when it will be whole again (the generic cell rate algorithm, as
//! in ATM Forum TM 4.1 §4.4.2): spending moves the moment away by one interval, and what would
//! move it beyond the period is refused. So the moment also says when to come back.

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::{self, RecordId, RecordIdKey, SurrealValue, Value};

use super::{Store, StoreError, vars};

/// What a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetKind {
    /// Sign-ups of one network.
    SignUps,
    /// Mails that one network caused.
    Mails,
    /// Wrong passwords of one network.
    FailedPasswords,
    /// Mails to one address.
    AddressMails,
    /// New sign-ups of everybody together.
    AllSignUps,
}

impl BudgetKind {
    const ALL: [Self; 5] = [
        Self::SignUps,
        Self::Mails,
        Self::FailedPasswords,
        Self::AddressMails,
        Self::AllSignUps,
    ];

    /// As the store and the log call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignUps => "sign_ups",
            Self::Mails => "mails",
            Self::FailedPasswords => "failed_passwords",
            Self::AddressMails => "address_mails",
            Self::AllSignUps => "all_sign_ups",
        }
    }
}

/// A budget, and how much of it is wanted.
#[derive(Clone, Debug)]
pub struct Budget {
    pub kind: BudgetKind,
    /// Whose it is.
    pub owner: String,
    /// What may be spent at once, and again over each period.
    pub count: u32,
    pub period: Duration,
    /// How much is wanted of it.
    pub cost: u32,
}

/// A budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    pub kind: BudgetKind,
    /// When what was wanted can be had.
    pub until: DateTime<Utc>,
}

/// The ledger of one address, and what may be caused to it.
#[derive(Clone, Debug)]
pub struct AddressLedger {
    /// A keyed digest of the address without its `+tag`.
    pub digest: String,
    /// Who causes it.
    pub site: String,
    /// Mails in any 24 hours, of everybody and of one site.
    pub mails: u32,
    pub mails_per_site: u32,
    /// Wrong codes in any 30 days after which codes are long.
    pub wrong_codes: u32,
    /// Whether this is written down and held against the numbers.
    pub counts: bool,
}

impl AddressLedger {
    pub(super) fn variables(&self, now: DateTime<Utc>) -> [(&'static str, Value); 10] {
        let nothing_noted = Noted {
            mails: Vec::new(),
            next_mail: now,
            long: false,
            stopped: false,
        };
        [
            ("nothing_noted", nothing_noted.into_value()),
            ("ledger", ledger_id(&self.digest).into_value()),
            ("site", self.site.clone().into_value()),
            ("max_mails", i64::from(self.mails).into_value()),
            (
                "max_mails_per_site",
                i64::from(self.mails_per_site).into_value(),
            ),
            ("max_wrong_codes", i64::from(self.wrong_codes).into_value()),
            ("counts", self.counts.into_value()),
            ("day_ago", (now - Duration::days(1)).into_value()),
            ("month_ago", (now - LONG_CODES_FOR).into_value()),
            ("ahead", (now + CLOCKS_DIFFER).into_value()),
        ]
    }
}

/// What the ledger of an address says.
#[derive(SurrealValue)]
struct Noted {
    /// Of the last day.
    mails: Vec<Value>,
    /// When there may be another.
    next_mail: DateTime<Utc>,
    /// Whether its codes are long.
    long: bool,
    /// Whether its owner has stopped the mail of this site.
    stopped: bool,
}

/// What happened later than this was written by a clock that ran ahead, and does not count.
const CLOCKS_DIFFER: Duration = Duration::hours(1);

/// How long wrong codes are remembered, and how long codes are long because of them.
pub(super) const LONG_CODES_FOR: Duration = Duration::days(30);

/// The digits of long codes.
pub(super) const LONG_CODE_DIGITS: i64 = 8;

pub(super) fn ledger_id(digest: &str) -> RecordId {
    RecordId::new("address_ledger", digest)
}

/// Finds out, for each budget, when it allows what is wanted; mostly all are whole, and allow it now.
/// A moment so far away that no spending can have brought it there was written by a clock that ran
/// ahead, and does not count.
macro_rules! budget_waits {
    () => {
        "
    LET $waits = IF (SELECT VALUE id FROM $budgets.id WHERE full_at > $now LIMIT 1) = [] { [] } ELSE {
        (SELECT kind, ((
            SELECT VALUE full_at FROM ONLY $parent.id WHERE full_at < $now + $parent.period + 1h
        ) ?? $now) + interval - period AS until FROM $budgets)
    };"
    };
}

/// Reads the ledger, and adds when the address may be sent another mail. Of those that its owner
/// has stopped, each site counts its own, so that it learns nothing, and nobody else does.
///
/// What it says is `$noted` from here on (see [`Noted`]). Mostly it says nothing, which costs nothing
/// to evaluate.
macro_rules! ledger_wait {
    () => {
        "
    LET $record = (SELECT * FROM ONLY $ledger);
    LET $noted = IF $record = NONE { $nothing_noted } ELSE {
        LET $mails = ($record.mails ?? [])[WHERE at > $day_ago AND at < $ahead];
        LET $stopped_sites = ($record.stopped ?? [])[WHERE until > $now].site;
        LET $counted = $mails[WHERE site = $site OR site NOT IN $stopped_sites];
        LET $own = $mails[WHERE site = $site];
        {
            mails: $mails,
            next_mail: time::max([
                IF array::len($counted) >= $max_mails {
                    $counted[array::len($counted) - $max_mails].at + 1d
                } ELSE { $now },
                IF array::len($own) >= $max_mails_per_site {
                    $own[array::len($own) - $max_mails_per_site].at + 1d
                } ELSE { $now }
            ]),
            long: ($record.long_codes_until ?? $now) > $now,
            stopped: $site IN $stopped_sites
        }
    };
    LET $waits = IF $counts {
        array::append($waits, { kind: 'address_mails', until: $noted.next_mail })
    } ELSE { $waits };"
    };
}

/// Ends the block with the longest wait, if there is one: whoever comes back then is let through.
/// Nothing is spent.
macro_rules! end_if_limited {
    () => {
        "
    IF $waits != [] {
        LET $wait = (SELECT kind, until FROM $waits ORDER BY until DESC LIMIT 1)[0];
        IF $wait.until > $now {
            RETURN { limited: { budget: $wait.kind, until: $wait.until } }
        }
    };"
    };
}

/// Spends what was found to be there.
macro_rules! spend_budgets {
    () => {
        "
    FOR $budget IN $budgets {
        UPSERT $budget.id SET full_at = $budget.interval +
            IF full_at > $now AND full_at < $now + $budget.period + 1h { full_at } ELSE { $now }
            RETURN NONE
    };"
    };
}

/// Gives back what was spent in advance.
macro_rules! refund_budgets {
    () => {
        "
    FOR $budget IN $budgets {
        UPDATE $budget.id SET full_at = full_at - $budget.interval
    };"
    };
}

/// Whether the address's owner has stopped mail that `$site` causes; after whatever has read
/// `$record`.
macro_rules! is_stopped {
    ($site:literal) => {
        concat!(
            "(array::len(($record.stopped ?? [])[WHERE site = ",
            $site,
            " AND until > $now]) > 0)"
        )
    };
}

/// Writes a mail into the ledger.
macro_rules! spend_ledger {
    () => {
        "
    IF $counts {
        UPSERT ONLY $ledger SET
            mails = array::append($noted.mails, { at: $now, site: $site }),
            notices = notices ?? [],
            wrong_codes = wrong_codes ?? [],
            expires_at = time::max([expires_at ?? $now, $now + 1d])
    };"
    };
}

pub(super) use {
    budget_waits, end_if_limited, is_stopped, ledger_wait, refund_budgets, spend_budgets,
    spend_ledger,
};

const LOOK: &str = concat!(
    "{",
    budget_waits!(),
    end_if_limited!(),
    " RETURN { limited: NONE } }"
);

const LOOK_AT_ADDRESS: &str = concat!(
    "{",
    budget_waits!(),
    ledger_wait!(),
    end_if_limited!(),
    " RETURN { limited: NONE } }"
);

const SPEND: &str = concat!(
    "{",
    budget_waits!(),
    end_if_limited!(),
    spend_budgets!(),
    " RETURN { limited: NONE } }"
);

const REFUND: &str = concat!("{", refund_budgets!(), " RETURN NONE }");

#[derive(SurrealValue)]
pub(super) struct LimitedRow {
    budget: String,
    until: DateTime<Utc>,
}

impl LimitedRow {
    pub(super) fn limited(self) -> Result<Limited, StoreError> {
        let kind = BudgetKind::ALL
            .into_iter()
            .find(|kind| kind.name() == self.budget)
            .ok_or_else(|| StoreError::Failed("unknown budget".to_owned()))?;
        Ok(Limited {
            kind,
            until: self.until,
        })
    }
}

#[derive(SurrealValue)]
struct SpendRow {
    limited: Option<LimitedRow>,
}

impl Store {
    /// The budget that takes longest to allow what is wanted; nothing is spent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look_at_budgets(
        &self,
        budgets: &[Budget],
        address: Option<&AddressLedger>,
    ) -> Result<Option<Limited>, StoreError> {
        let now = self.clock.now();
        let mut variables = vars([("now", now.into_value()), ("budgets", wanted(budgets))]);
        let block = match address {
            None => LOOK,
            Some(address) => {
                variables.extend(vars(address.variables(now)));
                LOOK_AT_ADDRESS
            }
        };
        let row: SpendRow = self.run(block, variables).await?;
        row.limited.map(LimitedRow::limited).transpose()
    }

    /// Spends all of it, or nothing and says which budget does not allow it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn spend(&self, budgets: &[Budget]) -> Result<Option<Limited>, StoreError> {
        let row: SpendRow = self
            .run(
                SPEND,
                vars([
                    ("now", self.clock.now().into_value()),
                    ("budgets", wanted(budgets)),
                ]),
            )
            .await?;
        row.limited.map(LimitedRow::limited).transpose()
    }
}

impl Store {
    /// What each right guess changes in an address's ledger.
    ///
    /// # Errors
    /// When the store fails.
    #[cfg(test)]
    pub async fn ledger_mark(&self, digest: &str) -> Result<Option<String>, StoreError> {
        const MARK: &str = "{ RETURN (SELECT VALUE touched FROM ONLY $ledger) }";
        let ledger = ledger_id(digest).into_value();
        self.run(MARK, vars([("ledger", ledger)])).await
    }

    /// Gives back what [`Self::spend`] spent.
    ///
    /// # Errors
    /// When the store fails; then it comes back by itself.
    pub async fn refund(&self, budgets: &[Budget]) -> Result<(), StoreError> {
        self.run::<Value>(REFUND, vars([("budgets", wanted(budgets))]))
            .await
            .map(drop)
    }
}

#[derive(SurrealValue)]
struct Wanted {
    id: RecordId,
    kind: String,
    interval: types::Duration,
    period: types::Duration,
}

pub(super) fn wanted(budgets: &[Budget]) -> Value {
    budgets
        .iter()
        .map(|budget| {
            let period = budget.period.to_std().unwrap_or_default();
            let kind = budget.kind.name().to_owned();
            Wanted {
                id: RecordId::new(
                    "budget",
                    RecordIdKey::Array(vec![kind.clone(), budget.owner.clone()].into()),
                ),
                kind,
                // All of it at once must fit, so round down.
                interval: (period * budget.cost / budget.count.max(1)).into(),
                period: period.into(),
            }
        })
        .collect::<Vec<_>>()
        .into_value()
}
