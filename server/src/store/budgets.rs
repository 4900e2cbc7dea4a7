//! Budgets: what networks, and everybody together, may still cause.
//!
//! A budget is a single moment, when it will be whole again (the generic cell rate algorithm, as
//! in ATM Forum TM 4.1 §4.4.2): spending moves the moment away by one interval, and what would
//! move it beyond the period is refused. So the moment also says when to come back.

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::{self, RecordId, RecordIdKey, SurrealValue, Value};

use super::ledger::{AddressLedger, Ledger};
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
    /// Sign-ins of one account, or of one sign-up under way.
    SignIns,
}

impl BudgetKind {
    const ALL: [Self; 6] = [
        Self::SignUps,
        Self::Mails,
        Self::FailedPasswords,
        Self::AddressMails,
        Self::AllSignUps,
        Self::SignIns,
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
            Self::SignIns => "sign_ins",
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

/// Finds out, for each budget, when it allows what is wanted; mostly all are whole, and allow it now.
/// What else has to be waited for is `$known`.
/// A moment so far away that no spending can have brought it there was written by a clock that ran
/// ahead, and does not count.
macro_rules! budget_waits {
    () => {
        "
    LET $waits = IF (SELECT VALUE id FROM $budgets.id WHERE full_at > $now LIMIT 1) = [] { $known } ELSE {
        array::concat($known, (SELECT kind, ((
            SELECT VALUE full_at FROM ONLY $parent.id WHERE full_at < $now + $parent.period + 1h
        ) ?? $now) + interval - period AS until FROM $budgets))
    };"
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
            RETURN { limited: $wait }
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

pub(super) use {budget_waits, end_if_limited, refund_budgets, spend_budgets};

const LOOK: &str = concat!("{", budget_waits!(), " RETURN { waits: $waits } }");

const LOOK_AT_ADDRESS: &str = concat!(
    "{",
    budget_waits!(),
    " RETURN { waits: $waits, ledger: (SELECT * FROM ONLY $ledger) } }"
);

const SPEND: &str = concat!(
    "{",
    budget_waits!(),
    end_if_limited!(),
    spend_budgets!(),
    " RETURN { limited: NONE } }"
);

const REFUND: &str = concat!("{", refund_budgets!(), " RETURN NONE }");

/// What has to be waited for, and until when.
#[derive(Clone, SurrealValue)]
pub(super) struct Wait {
    kind: String,
    until: DateTime<Utc>,
}

impl Wait {
    pub(super) fn new(kind: BudgetKind, until: DateTime<Utc>) -> Self {
        Self {
            kind: kind.name().to_owned(),
            until,
        }
    }

    /// Whether there is anything left to wait for.
    pub(super) fn is_on(&self, now: DateTime<Utc>) -> bool {
        self.until > now
    }

    pub(super) fn limited(self) -> Result<Limited, StoreError> {
        let kind = BudgetKind::ALL
            .into_iter()
            .find(|kind| kind.name() == self.kind)
            .ok_or_else(|| StoreError::Failed("unknown budget".to_owned()))?;
        Ok(Limited {
            kind,
            until: self.until,
        })
    }
}

#[derive(SurrealValue)]
struct LookRow {
    waits: Vec<Wait>,
    ledger: Option<Ledger>,
}

#[derive(SurrealValue)]
struct SpendRow {
    limited: Option<Wait>,
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
        let mut variables = vars(to_spend(budgets, Vec::new(), now));
        let block = match address {
            None => LOOK,
            Some(address) => {
                variables.extend(vars([("ledger", address.record().into_value())]));
                LOOK_AT_ADDRESS
            }
        };
        let LookRow { mut waits, ledger } = self.look(block, variables).await?;
        if let Some(rules) = address.filter(|address| address.counts) {
            let next_mail = ledger.unwrap_or_default().next_mail(rules, now);
            waits.push(Wait::new(BudgetKind::AddressMails, next_mail));
        }
        let longest = waits.into_iter().max_by_key(|wait| wait.until);
        longest
            .filter(|wait| wait.is_on(now))
            .map(Wait::limited)
            .transpose()
    }

    /// Spends all of it, or nothing and says which budget does not allow it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn spend(&self, budgets: &[Budget]) -> Result<Option<Limited>, StoreError> {
        let variables = vars(to_spend(budgets, Vec::new(), self.clock.now()));
        let row: SpendRow = self.change([], SPEND, variables).await?;
        row.limited.map(Wait::limited).transpose()
    }

    /// Gives back what [`Self::spend`] spent.
    ///
    /// # Errors
    /// When the store fails; then it comes back by itself.
    pub async fn refund(&self, budgets: &[Budget]) -> Result<(), StoreError> {
        self.change::<Value>([], REFUND, vars([("budgets", wanted(budgets))]))
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

/// What a statement needs to know that spends.
pub(super) fn to_spend(
    budgets: &[Budget],
    waits: Vec<Wait>,
    now: DateTime<Utc>,
) -> [(&'static str, Value); 3] {
    [
        ("budgets", wanted(budgets)),
        ("known", waits.into_value()),
        ("now", now.into_value()),
    ]
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
