//! Resend: another mail for a claim that is one's own.

use std::time::Duration;

use super::{Registration, RegistrationError, codes};
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Limited, Renewed, Spending};
use crate::telemetry::AUDIT;

/// What became of the wish for another mail.
pub enum ResendOutcome {
    /// It is on its way: with the same code while that lives, else with a new one.
    Sent(Box<Claim>),
    /// The last one was asked for too short a while ago.
    TooSoon {
        claim: Box<Claim>,
        retry_after: Duration,
    },
    /// A budget is spent; nothing was changed.
    Limited(Limited),
    /// There is nothing to send a code for any more.
    Gone,
}

impl Registration {
    /// Sends another mail for a claim, whose owner the caller has made sure of.
    ///
    /// # Errors
    /// When the store fails; then nothing is recorded.
    pub async fn resend(
        &self,
        id: &ClaimId,
        network: ClientNetwork,
    ) -> Result<ResendOutcome, RegistrationError> {
        let spending = Spending {
            budgets: &self.budgets.mail(network),
            ledger: &self.budgets.ledger(&id.address, network),
        };
        let renewed = self
            .store
            .renew(
                id,
                codes::new_ticket(&*self.entropy)?,
                self.settings.renewal,
                self.settings.cooldown,
                spending,
            )
            .await?;
        Ok(match renewed {
            Renewed::Renewed(claim) => {
                self.dispatch.ring();
                tracing::info!(
                    target: AUDIT,
                    event = "mail_asked_for",
                    email = claim.masked_address(),
                    %network,
                    reference = claim.reference,
                    "another mail asked for"
                );
                // Counted among everybody's mails, but never held up by them; nor by a store that fails
                // now, for the mail is on its way.
                if let Err(error) = self.budgets.admit_stranger(&self.store, network).await {
                    tracing::warn!(%error, "a mail could not be counted among everybody's");
                }
                ResendOutcome::Sent(claim)
            }
            Renewed::TooSoon(claim) => ResendOutcome::TooSoon {
                retry_after: self.resend_cooldown(&claim),
                claim,
            },
            Renewed::Limited(limited) => {
                tracing::warn!(
                    target: AUDIT,
                    event = "mail_refused",
                    reason = "rate_limited",
                    budget = limited.kind.name(),
                    until = %limited.until.to_rfc3339(),
                    %network,
                    "no other mail now"
                );
                ResendOutcome::Limited(limited)
            }
            Renewed::Gone => ResendOutcome::Gone,
        })
    }

    /// How long until another mail may be asked for; zero when now.
    #[must_use]
    pub fn resend_cooldown(&self, claim: &Claim) -> Duration {
        claim.cooldown(self.settings.cooldown, self.clock.now())
    }

    /// How long a code lives.
    #[must_use]
    pub fn code_ttl(&self) -> chrono::Duration {
        self.settings.renewal.code_ttl
    }

    /// A claim as it stands, for the page of its owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pending(&self, id: &ClaimId) -> Result<Option<Claim>, RegistrationError> {
        Ok(self.store.claim(id).await?)
    }
}
