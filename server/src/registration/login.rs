//! Login: the password of an account, proven as at a verification.

use chrono::{DateTime, Utc};
use latchkey_app::domain::{EmailAddress, Password};

use super::verify::{Principal, SIGN_IN_REFUSED, Try, tell_limited};
use super::{Registration, RegistrationError};
use crate::network::ClientNetwork;
use crate::store::{Claim, Limited};
use crate::telemetry::AUDIT;

/// What became of a sign-in.
pub enum LoginOutcome {
    /// `address` is the account's canonical address.
    SignedIn {
        address: String,
        verified_at: DateTime<Utc>,
    },
    /// The password is that of a sign-up whose code is still to be entered.
    NotVerified(Box<Claim>),
    /// Unknown address or wrong password, which are not told apart.
    Refused,
    /// Too many wrong passwords came from this network, or too many sign-ins with the right one.
    Limited(Limited),
}

impl Registration {
    /// Judges a password that is offered for an account. `None` is one that no account can have:
    /// that costs the same work and fails the same way. A wrong one is charged to the network.
    ///
    /// # Errors
    /// When too much is going on or the store fails.
    pub async fn login(
        &self,
        email: EmailAddress,
        password: Option<Password>,
        network: ClientNetwork,
    ) -> Result<LoginOutcome, RegistrationError> {
        let masked = email.masked();
        let outcome = match self.try_password(Some(email), password, network).await? {
            Try::Refused(limited) => LoginOutcome::Limited(limited),
            Try::Made { principal, price } => match principal {
                Principal::Nobody => LoginOutcome::Refused,
                Principal::Account {
                    address,
                    verified_at,
                } => {
                    self.refund(&price).await;
                    match self.pay_sign_in(&address, network).await? {
                        Some(limited) => LoginOutcome::Limited(limited),
                        None => LoginOutcome::SignedIn {
                            address,
                            verified_at,
                        },
                    }
                }
                Principal::Claim { claim, .. } => {
                    self.refund(&price).await;
                    match self.pay_sign_in(&claim.key, network).await? {
                        Some(limited) => LoginOutcome::Limited(limited),
                        None => LoginOutcome::NotVerified(claim),
                    }
                }
            },
        };
        outcome.tell(&masked, network);
        Ok(outcome)
    }
}

impl Registration {
    /// Each sign-in leaves a session behind. What an account, or a sign-up under way, may have of them
    /// is its own, and only who knows its password can use it up.
    pub(super) async fn pay_sign_in(
        &self,
        whose: &str,
        network: ClientNetwork,
    ) -> Result<Option<Limited>, RegistrationError> {
        let budgets = self.budgets.sign_in(whose, network);
        if budgets.is_empty() {
            return Ok(None);
        }
        Ok(self.store.spend(&budgets).await?)
    }
}

impl LoginOutcome {
    /// Tells the audit log.
    fn tell(&self, email: &str, network: ClientNetwork) {
        let reason = match self {
            Self::SignedIn { .. } => {
                tracing::info!(target: AUDIT, event = "signed_in", email, %network, "signed in");
                return;
            }
            Self::Limited(limited) => {
                return tell_limited(SIGN_IN_REFUSED, Some(email.to_owned()), network, *limited);
            }
            Self::NotVerified(_) => "not_verified",
            Self::Refused => "unauthorized",
        };
        tracing::info!(
            target: AUDIT,
            event = SIGN_IN_REFUSED,
            reason,
            email,
            %network,
            "sign-in refused"
        );
    }
}
