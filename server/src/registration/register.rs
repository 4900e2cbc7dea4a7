//! Register: a claim for an address, and its mail.

use latchkey_app::domain::{EmailAddress, Password, VerificationCode};

use super::{Registration, RegistrationError, codes};
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Registered, Registering};

/// What became of a sign-up.
pub enum RegisterOutcome {
    /// The claim stands and its mail is on its way. `code` is for development only.
    Accepted {
        claim: Box<Claim>,
        code: Option<VerificationCode>,
    },
    /// The address is verified already, and the configuration lets that be said.
    EmailTaken,
}

impl Registration {
    /// Makes or renews the claim of this address and password, and sends its code.
    ///
    /// An address that nobody has verified, that somebody tries to verify, and that somebody has
    /// verified cost the same work here, and look the same unless `reveal_existing` is on.
    ///
    /// # Errors
    /// When too much is going on or the store fails; then nothing is recorded.
    pub async fn register(
        &self,
        email: &EmailAddress,
        password: Password,
        network: ClientNetwork,
    ) -> Result<RegisterOutcome, RegistrationError> {
        let address = email.canonical();
        let settings = self.hashing.settings(self.keys.password_salt(address));
        let password_hash = self.hashing.hash(password, settings, network).await?;
        let id = ClaimId {
            address: address.to_owned(),
            key: self.keys.claim_key(address, &password_hash),
        };
        let registered = self
            .store
            .register(Registering {
                email,
                id: &id,
                password_hash: &password_hash,
                seed: codes::new_seed(&*self.entropy)?,
                reference: codes::new_reference(&*self.entropy)?,
                rules: self.settings.renewal,
                reveal_existing: self.settings.reveal_existing,
            })
            .await?;
        match registered {
            Registered::Taken => {
                tracing::info!(email = email.masked(), %network, "sign-up refused: address taken");
                Ok(RegisterOutcome::EmailTaken)
            }
            Registered::Claimed(claim) => {
                self.mail_bell.notify_one();
                tracing::info!(
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
}
