//! Login: the password of an account, proven as at a verification.

use latchkey_app::domain::{EmailAddress, Password};

use super::verify::{Principal, Try};
use super::{Registration, RegistrationError};
use crate::network::ClientNetwork;
use crate::store::{Claim, Limited};
use crate::telemetry::AUDIT;

/// What became of a sign-in.
pub enum LoginOutcome {
    /// `address` is the account's canonical address.
    SignedIn { address: String },
    /// The password is that of a sign-up whose code is still to be entered.
    NotVerified(Box<Claim>),
    /// Unknown address or wrong password, which are not told apart.
    Refused,
    /// Too many wrong passwords came from this network; nothing was judged.
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
                Principal::Account { address } => {
                    self.refund(&price).await;
                    LoginOutcome::SignedIn { address }
                }
                Principal::Claim { claim, .. } => {
                    self.refund(&price).await;
                    LoginOutcome::NotVerified(claim)
                }
            },
        };
        outcome.tell(&masked, network);
        Ok(outcome)
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
                tracing::warn!(
                    target: AUDIT,
                    event = "sign_in_refused",
                    reason = "rate_limited",
                    budget = limited.kind.name(),
                    until = %limited.until.to_rfc3339(),
                    email,
                    %network,
                    "sign-in refused"
                );
                return;
            }
            Self::NotVerified(_) => "not_verified",
            Self::Refused => "unauthorized",
        };
        tracing::info!(
            target: AUDIT,
            event = "sign_in_refused",
            reason,
            email,
            %network,
            "sign-in refused"
        );
    }
}
