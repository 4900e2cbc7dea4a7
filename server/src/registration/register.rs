//! Register: a claim for an address, and its mail.

use latchkey_app::domain::{EmailAddress, Password, VerificationCode};
use latchkey_app::language::Language;

use super::{Registration, RegistrationError, codes};
use crate::mail::Slot;
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Limited, Registered, Registering, Spending};
use crate::telemetry::AUDIT;

/// What became of a sign-up.
pub enum RegisterOutcome {
    /// The claim stands and its mail is on its way. `code` is for development only.
    Accepted {
        claim: Box<Claim>,
        code: Option<VerificationCode>,
    },
    /// The address is verified already, and the configuration lets that be said.
    EmailTaken,
    /// A budget is spent; nothing was recorded.
    Limited(Limited),
}

impl Registration {
    /// Makes or renews the claim of this address and password, and sends its code.
    ///
    /// An address that nobody has verified, that somebody tries to verify, and that somebody has
    /// verified cost the same work here, and look the same unless `reveal_existing` is on. Its mail
    /// is in `language`. Budgets are looked at before any work, where there is a place for it, and
    /// spent in the transaction that makes the claim.
    ///
    /// # Errors
    /// When too much is going on or the store fails; then nothing is recorded.
    pub async fn register(
        &self,
        email: &EmailAddress,
        password: Password,
        language: Language,
        network: ClientNetwork,
    ) -> Result<RegisterOutcome, RegistrationError> {
        let address = email.canonical();
        let settings = self.hashing.settings(self.keys.password_salt(address));
        if !self.hashing.remembers(&password, settings) {
            self.hashing.admit(network)?;
        }
        let budgets = self.budgets.sign_up(network);
        let ledger = self.budgets.ledger(address, network);
        if ledger.counts
            && let Some(limited) = self.store.look_at_budgets(&budgets, Some(&ledger)).await?
        {
            return Ok(refused(email, network, limited));
        }
        let password_hash = self
            .hashing
            .hash_or_recall(password.clone(), settings, network)
            .await?;
        let spending = Spending {
            budgets: &budgets,
            ledger: &ledger,
        };
        let registered = self
            .enter(email, &password_hash, language, network, spending)
            .await?;
        match registered {
            Registered::Limited(limited) => Ok(refused(email, network, limited)),
            Registered::Taken => {
                tracing::info!(
                    target: AUDIT,
                    event = "sign_up_refused",
                    reason = "email_taken",
                    email = email.masked(),
                    %network,
                    "sign-up refused"
                );
                Ok(RegisterOutcome::EmailTaken)
            }
            Registered::Claimed { claim, .. } => {
                self.hashing.keep(&password, settings, &password_hash);
                tracing::info!(
                    target: AUDIT,
                    event = "registered",
                    email = email.masked(),
                    %network,
                    reference = claim.reference,
                    "sign-up recorded"
                );
                Ok(RegisterOutcome::Accepted {
                    code: codes::code_of(&self.keys, &claim),
                    claim,
                })
            }
        }
    }

    /// Puts a claim into the store, and its mail on its way, at a price that somebody has looked at
    /// before.
    pub(super) async fn enter(
        &self,
        email: &EmailAddress,
        password_hash: &str,
        language: Language,
        network: ClientNetwork,
        spending: Spending<'_>,
    ) -> Result<Registered, RegistrationError> {
        let address = email.canonical();
        let (seed, reference) = (
            codes::new_seed(&*self.entropy)?,
            codes::new_reference(&*self.entropy)?,
        );
        let ticket = codes::new_ticket(&*self.entropy)?;
        let strangers_wait_until = self.budgets.admit_stranger(&self.store, network).await?;
        let slot = self.dispatch.reserve();
        let mut registered = self
            .store
            .register(Registering {
                email,
                id: &ClaimId {
                    address: address.to_owned(),
                    key: self.keys.claim_key(address, password_hash),
                },
                password_hash,
                language,
                seed,
                reference,
                ticket,
                rules: self.settings.renewal,
                spending,
                strangers_wait_until,
                lease: slot.as_ref().map(Slot::lease),
                reveal_existing: self.settings.reveal_existing,
            })
            .await;
        match &mut registered {
            Ok(Registered::Claimed {
                claim,
                mail,
                is_code,
            }) => match (slot, mail.take()) {
                (Some(slot), Some(mail)) => slot.hand_over(mail, is_code.then(|| claim.clone())),
                _ => self.dispatch.ring(),
            },
            // Whoever hangs up before it is known what came of it has paid: their mail may leave.
            Ok(Registered::Taken | Registered::Limited(_)) | Err(_)
                if strangers_wait_until.is_none() =>
            {
                self.budgets.was_no_stranger(network);
            }
            _ => {}
        }
        Ok(registered?)
    }
}

fn refused(email: &EmailAddress, network: ClientNetwork, limited: Limited) -> RegisterOutcome {
    tracing::warn!(
        target: AUDIT,
        event = "sign_up_refused",
        reason = "rate_limited",
        budget = limited.kind.name(),
        until = %limited.until.to_rfc3339(),
        email = email.masked(),
        %network,
        "sign-up refused"
    );
    RegisterOutcome::Limited(limited)
}
