//! Budgets: what networks, and everybody together, may cause, and what may be caused to one
//! address. docs/SECURITY.md has the arithmetic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};

use crate::config::{LimitsConfig, LimitsMode};
use crate::network::ClientNetwork;
use crate::secret_key::SecretKeys;
use crate::store::{AddressLedger, Budget, BudgetKind, Store, StoreError};
use crate::telemetry::AUDIT;

/// Sign-ins of one account. Each leaves a session behind, and more than these are no person's.
const SIGN_INS_PER_HOUR: u32 = 60;

/// Who may cause how much.
pub struct Budgets {
    limits: LimitsConfig,
    /// Development is not limited by its own developer.
    exempts_loopback: bool,
    keys: SecretKeys,
    /// New sign-ups of everybody that this process has spent already and not yet used. Taken from
    /// the store a slice at a time: one row that every sign-up wrote would have them wait for each
    /// other. A process that dies takes less than a slice with it.
    in_hand: Mutex<u32>,
    /// Held by whoever fetches a slice, so that not everybody does who finds none.
    fetching: tokio::sync::Mutex<()>,
    /// Whether the alarm has been raised since there was last enough.
    alarmed: AtomicBool,
}

impl Budgets {
    /// Takes `limits.*`.
    #[must_use]
    pub fn new(limits: LimitsConfig, exempts_loopback: bool, keys: SecretKeys) -> Self {
        Self {
            limits,
            exempts_loopback,
            keys,
            in_hand: Mutex::new(0),
            fetching: tokio::sync::Mutex::new(()),
            alarmed: AtomicBool::new(false),
        }
    }

    /// What a sign-up costs its network.
    pub(super) fn sign_up(&self, network: ClientNetwork) -> Vec<Budget> {
        let mut budgets = self.mail(network);
        budgets.extend(self.of_network(
            BudgetKind::SignUps,
            self.limits.sign_ups_per_hour,
            network,
        ));
        budgets
    }

    /// What another mail costs its network.
    pub(super) fn mail(&self, network: ClientNetwork) -> Vec<Budget> {
        self.of_network(BudgetKind::Mails, self.limits.mails_per_hour, network)
    }

    /// What a wrong password costs its network.
    pub(super) fn failed_password(&self, network: ClientNetwork) -> Vec<Budget> {
        self.of_network(
            BudgetKind::FailedPasswords,
            self.limits.failed_passwords_per_hour,
            network,
        )
    }

    /// What a sign-in costs the account, or the sign-up under way, whose password was right.
    pub(super) fn sign_in(&self, whose: &str, network: ClientNetwork) -> Vec<Budget> {
        if !self.limits(network) {
            return Vec::new();
        }
        vec![Budget {
            kind: BudgetKind::SignIns,
            owner: self.keys.sign_ins(whose),
            count: SIGN_INS_PER_HOUR,
            period: Duration::hours(1),
            cost: 1,
        }]
    }

    /// The ledger of a canonical address, for what this network causes to it.
    pub(super) fn ledger(&self, address: &str, network: ClientNetwork) -> AddressLedger {
        AddressLedger {
            digest: self.keys.address_ledger(address),
            site: network.site().to_string(),
            mails: self.limits.address_mails_per_day,
            mails_per_site: self.limits.address_mails_per_site_per_day,
            wrong_codes: self.limits.wrong_codes,
            counts: self.limits(network),
        }
    }

    /// Makes room for one mail among those of everybody; else says when there will be some. That
    /// holds up new claims only.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn admit_stranger(
        &self,
        store: &Store,
        network: ClientNetwork,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        if !self.limits(network) || self.take_in_hand() {
            return Ok(None);
        }
        let _fetching = self.fetching.lock().await;
        if self.take_in_hand() {
            return Ok(None);
        }
        let slice = (self.limits.all_sign_ups_per_hour / 100).max(1);
        if store.spend(&[self.of_everybody(slice)]).await?.is_none() {
            self.alarmed.store(false, Ordering::Relaxed);
            *self.in_hand() += slice - 1;
            return Ok(None);
        }
        let limited = store.spend(&[self.of_everybody(1)]).await?;
        if limited.is_some() && !self.alarmed.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: AUDIT,
                event = "alarm",
                budget = BudgetKind::AllSignUps.name(),
                per_hour = self.limits.all_sign_ups_per_hour,
                "new sign-ups of everybody together have used up limits.all_sign_ups_per_hour; \
                 until it fills, new ones are slowed down"
            );
        }
        Ok(limited.map(|limited| limited.until))
    }

    /// Gives back what [`Self::admit_stranger`] took for a sign-up of which nothing came.
    pub(super) fn was_no_stranger(&self, network: ClientNetwork) {
        if self.limits(network) {
            *self.in_hand() += 1;
        }
    }

    fn take_in_hand(&self) -> bool {
        let mut in_hand = self.in_hand();
        let taken = *in_hand > 0;
        *in_hand = in_hand.saturating_sub(1);
        taken
    }

    /// Nobody panics while holding the lock, so a poisoned one is still in order.
    fn in_hand(&self) -> MutexGuard<'_, u32> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self, network: ClientNetwork) -> bool {
        self.limits.mode == LimitsMode::On && !(self.exempts_loopback && network.is_loopback())
    }

    fn of_network(&self, kind: BudgetKind, per_hour: u32, network: ClientNetwork) -> Vec<Budget> {
        if !self.limits(network) {
            return Vec::new();
        }
        let hourly = |owner: String, count: u32| Budget {
            kind,
            owner,
            count,
            period: Duration::hours(1),
            cost: 1,
        };
        let mut budgets = vec![hourly(network.to_string(), per_hour)];
        if network.is_part_of_site() {
            let of_site = per_hour.saturating_mul(self.limits.site_factor);
            budgets.push(hourly(network.site().to_string(), of_site));
        }
        budgets
    }

    fn of_everybody(&self, cost: u32) -> Budget {
        Budget {
            kind: BudgetKind::AllSignUps,
            owner: "everybody".to_owned(),
            count: self.limits.all_sign_ups_per_hour,
            period: Duration::hours(1),
            cost,
        }
    }
}
