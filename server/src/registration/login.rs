//! Login: the password of an account, proven as at a verification.

use latchkey_app::domain::{EmailAddress, Password};

use super::verify::Principal;
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
    /// that costs the same work and fails the same way. A wrong one is charged to the network,
    /// which [`Self::may_try_password`] has let in before.
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
        let budgets = self.budgets.failed_password(network);
        let principal = self.prove(Some(email), password, network).await?;
        // Others of this network may have failed in the meantime, whose guesses had been let in
        // together with this one: then nothing may be learnt from it.
        let limited = match (&principal, budgets.is_empty()) {
            (_, true) => None,
            (Principal::Nobody | Principal::Gone, false) => self.store.spend(&budgets).await?,
            (Principal::Account { .. } | Principal::Claim { .. }, false) => {
                self.store.look_at_budgets(&budgets, None).await?
            }
        };
        let outcome = match (limited, principal) {
            (Some(limited), _) => LoginOutcome::Limited(limited),
            (None, Principal::Account { address }) => LoginOutcome::SignedIn { address },
            (None, Principal::Claim { claim, .. }) => LoginOutcome::NotVerified(claim),
            (None, Principal::Nobody | Principal::Gone) => LoginOutcome::Refused,
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
