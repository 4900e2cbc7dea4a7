//! Correct: a sign-up whose address was mistyped goes on with the right one.

use latchkey_app::domain::EmailAddress;
use latchkey_app::language::Language;

use super::{Registration, RegistrationError, codes};
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Limited, Registered, Registering, Spending};
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
        let strangers_wait_until = self.budgets.admit_stranger(&self.store, network).await?;
        let registered = self
            .store
            .register(Registering {
                email,
                id: &ClaimId {
                    address: address.to_owned(),
                    key: self.keys.claim_key(address, &old.password_hash),
                },
                password_hash: &old.password_hash,
                language,
                seed: codes::new_seed(&*self.entropy)?,
                reference: codes::new_reference(&*self.entropy)?,
                rules: self.settings.renewal,
                spending: Spending {
                    budgets: &budgets,
                    ledger: &ledger,
                },
                strangers_wait_until,
                reveal_existing: self.settings.reveal_existing,
            })
            .await?;
        if strangers_wait_until.is_none() && !matches!(registered, Registered::Claimed(_)) {
            self.budgets.was_no_stranger(network);
        }
        Ok(match registered {
            Registered::Limited(limited) => CorrectOutcome::Limited(limited),
            Registered::Taken => CorrectOutcome::EmailTaken,
            Registered::Claimed(claim) => {
                self.store.withdraw(id).await?;
                self.mail_bell.notify_one();
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
