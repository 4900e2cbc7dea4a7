//! Correct: a sign-up whose address was mistyped goes on with the right one.

use latchkey_app::domain::{EmailAddress, Password};
use latchkey_app::language::Language;
use subtle::ConstantTimeEq;

use super::{Registration, RegistrationError};
use crate::hashing::HashSettings;
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Limited, Registered, Spending};
use crate::telemetry::AUDIT;

/// `password.min_length` cannot be less.
const SHORTEST_PASSWORD: usize = 8;

/// What became of a wish to correct an address.
pub enum CorrectOutcome {
    /// The claim stands under the right address, and its mail is in the outbox.
    Corrected(Box<Claim>),
    /// It stands under this address already.
    SameAddress,
    /// Its password is this address, or the part before its @: nothing but the budget was changed.
    OwnAddress,
    /// The address is verified, and the configuration lets that be said; nothing was changed.
    EmailTaken,
    /// A budget is spent; nothing was changed.
    Limited(Limited),
    /// There is no such claim any more.
    Gone,
}

impl Registration {
    /// Lets a claim go on under another address, for whoever has proven by their session that it
    /// is theirs. Its mail is in `language`. It costs what a sign-up costs. The claim keeps its
    /// hash, salt and all, so nobody has to type the password again.
    ///
    /// The claim under the right address is made first. Should its forerunner not be removed, it
    /// expires like any other that nobody ever entered a code for.
    ///
    /// # Errors
    /// When too much is going on or the store fails.
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
        if ledger.counts
            && let Some(limited) = self.store.look_at_budgets(&budgets, Some(&ledger)).await?
        {
            return Ok(CorrectOutcome::Limited(limited));
        }
        if self
            .is_own_address(email, &old.password_hash, network)
            .await?
        {
            // Paid for all the same, or it could be asked without end.
            return Ok(match self.store.spend(&budgets).await? {
                Some(limited) => CorrectOutcome::Limited(limited),
                None => CorrectOutcome::OwnAddress,
            });
        }
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

    /// Whether a password that is there as its hash alone is one of the words that go with an
    /// address, which a new password must not be (NIST SP 800-63B-4 §3.1.1.2). Spelled with other
    /// capitals than here it is not found: each spelling would be one more Argon2id.
    async fn is_own_address(
        &self,
        email: &EmailAddress,
        password_hash: &str,
        network: ClientNetwork,
    ) -> Result<bool, RegistrationError> {
        let Some(settings) = HashSettings::of(password_hash) else {
            return Ok(false);
        };
        for word in own_words(email) {
            let hash = self.hashing.hash(word, settings, network).await?;
            if bool::from(hash.as_bytes().ct_eq(password_hash.as_bytes())) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The words of an address that are long enough to be a password, each once: two as a rule, four
/// where capitals were typed.
fn own_words(email: &EmailAddress) -> Vec<Password> {
    let canonical = email.canonical();
    let local_part = canonical
        .rsplit_once('@')
        .map_or(canonical, |(local, _)| local);
    let mut words = vec![canonical, email.typed(), local_part, email.local_part()];
    words.retain(|word| word.chars().count() >= SHORTEST_PASSWORD);
    words.sort_unstable();
    words.dedup();
    words.into_iter().filter_map(Password::presented).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_an_address_that_could_be_a_password_is_tried_once() {
        let words = |email: &str| -> Vec<String> {
            let words = own_words(&EmailAddress::parse(email).unwrap());
            words.iter().map(|word| word.expose().to_owned()).collect()
        };
        assert_eq!(words("foo@bar.com"), ["foo@bar.com"]);
        assert_eq!(words("somebody@bar.com"), ["somebody", "somebody@bar.com"]);
        let capitals = [
            "Somebody",
            "Somebody@Bar.com",
            "somebody",
            "somebody@bar.com",
        ];
        assert_eq!(words("Somebody@Bar.com"), capitals);
    }
}
