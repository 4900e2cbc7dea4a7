//! Correct: a sign-up whose address was mistyped goes on with the right one.

use latchkey_app::domain::EmailAddress;
use latchkey_app::language::Language;

use super::{Registration, RegistrationError};
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Limited, Registered, Spending};
use crate::telemetry::AUDIT;

/// What became of a wish to correct an address.
pub enum CorrectOutcome {
    /// The claim stands under the right address, and its mail is in the outbox.
    Corrected(Box<Claim>),
    /// It stands under this address already.
    SameAddress,
    /// The address is verified, and the configuration lets that be said; nothing was changed.
    EmailTaken,
    /// A budget is spent; nothing was changed.
    Limited(Limited),
    /// There is no such claim any more.
    Gone,
}

impl Registration {
    /// Lets a claim go on under another address, for whoever has proven by their session that it
    /// is theirs. Its mail is in `language`. It costs what a sign-up costs, but no hash: the claim
    /// keeps the one that it has, salt and all, so nobody has to type the password again.
    ///
    /// The claim under the right address is made first. Should its forerunner not be removed, it
    /// expires like any other that nobody ever entered a code for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn correct(
        &self,
        id: &ClaimId,
        email: &EmailAddress,
        language: Language,
        network: ClientNetwork,
    ) -> Result<CorrectOutcome, RegistrationError> {
        let address = email.canonical();
        if address == id.address {
            return Ok(CorrectOutcome::SameAddress);
        }
        let Some(old) = self.store.claim(id).await? else {
            return Ok(CorrectOutcome::Gone);
        };
        let budgets = self.budgets.sign_up(network);
        let ledger = self.budgets.ledger(address, network);
        let spending = Spending {
            budgets: &budgets,
            ledger: &ledger,
        };
        let registered = self
            .enter(email, &old.password_hash, language, network, spending)
            .await?;
        Ok(match registered {
            Registered::Limited(limited) => CorrectOutcome::Limited(limited),
            Registered::Taken => CorrectOutcome::EmailTaken,
            Registered::Claimed { claim, .. } => {
                self.store.withdraw(id).await?;
                tracing::info!(
                    target: AUDIT,
                    event = "address_corrected",
                    from = old.masked_address(),
                    email = email.masked(),
                    %network,
                    reference = claim.reference,
                    "address of a sign-up corrected"
                );
                CorrectOutcome::Corrected(claim)
            }
        })
    }
}
