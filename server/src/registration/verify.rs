//! Verify: password first, code second.

use latchkey_app::domain::{EmailAddress, Password, VerificationCode};
use subtle::ConstantTimeEq;

use super::{Registration, RegistrationError, codes};
use crate::hashing::settings_of;
use crate::network::ClientNetwork;
use crate::store::{Claim, ClaimId, Guess, GuessResult};

/// Who says that they made a claim.
pub enum Credentials {
    /// Somebody who knows the password. `None` where a part is none that an account can have:
    /// that costs the same work and fails the same way.
    Password {
        email: Option<EmailAddress>,
        password: Option<Password>,
    },
    /// The browser that made the claim, proven by its session.
    Session(ClaimId),
}

/// What became of a guess.
#[derive(Debug, PartialEq, Eq)]
pub enum VerifyOutcome {
    /// The account stands. `address` is its canonical address.
    Verified { address: String },
    /// Unknown address or wrong password, which are not told apart.
    WrongCredentials,
    /// This very account is verified already.
    AlreadyVerified { address: String },
    /// The code is too old, used up, or replaced.
    Stale,
    /// The attempt is charged.
    WrongCode { attempts_left: u32 },
}

/// What somebody has proven to know the password of.
enum Principal {
    Account {
        address: String,
    },
    Claim(Box<Claim>),
    Nobody,
    /// The session's claim is gone.
    Gone,
}

impl Registration {
    /// Judges a guess by somebody who has proven the claim's password, charges it, and makes the
    /// account when it is right.
    ///
    /// # Errors
    /// When too much is going on or the store fails; then the guess is not answered, and the
    /// same guess may be made again.
    pub async fn verify(
        &self,
        credentials: Credentials,
        code: &VerificationCode,
        network: ClientNetwork,
    ) -> Result<VerifyOutcome, RegistrationError> {
        let email = credentials.masked_address();
        let principal = match credentials {
            Credentials::Password { email, password } => {
                self.prove(email, password, network).await?
            }
            Credentials::Session(id) => self.recall(&id).await?,
        };
        let outcome = match principal {
            Principal::Nobody => VerifyOutcome::WrongCredentials,
            Principal::Gone => VerifyOutcome::Stale,
            Principal::Account { address } => VerifyOutcome::AlreadyVerified { address },
            Principal::Claim(claim) => self.guess(&claim, code).await?,
        };
        tracing::info!(email, %network, outcome = outcome.label(), "code presented");
        Ok(outcome)
    }

    /// One Argon2 proves a password against the account and all claims of its address at once;
    /// an address that nobody knows costs the same.
    async fn prove(
        &self,
        email: Option<EmailAddress>,
        password: Option<Password>,
        network: ClientNetwork,
    ) -> Result<Principal, RegistrationError> {
        let address = email.as_ref().map_or("", EmailAddress::canonical);
        let (account, claims) = self.store.candidates(address).await?;
        let usable = email.is_some() && password.is_some();
        let Some(password) = password.or_else(|| Password::presented("")) else {
            return Ok(Principal::Nobody);
        };
        let current = self.hashing.settings(self.keys.password_salt(address));
        let mut hashes = vec![(
            current,
            self.hashing
                .hash(password.clone(), current, network)
                .await?,
        )];
        // Hashes made under an older configuration, or with a salt they brought along.
        for stored in account
            .iter()
            .map(|account| &account.password_hash)
            .chain(claims.iter().map(|claim| &claim.password_hash))
        {
            if let Some(settings) = settings_of(stored)
                && hashes.iter().all(|(known, _)| *known != settings)
            {
                let hash = self
                    .hashing
                    .hash(password.clone(), settings, network)
                    .await?;
                hashes.push((settings, hash));
            }
        }
        let proves = |stored: &str| {
            hashes.iter().fold(false, |found, (_, hash)| {
                found | bool::from(hash.as_bytes().ct_eq(stored.as_bytes()))
            })
        };
        if !usable {
            return Ok(Principal::Nobody);
        }
        if let Some(account) = account
            && proves(&account.password_hash)
        {
            return Ok(Principal::Account {
                address: account.address,
            });
        }
        // Two claims can match only where the parameters changed in between: the newer counts.
        Ok(claims
            .into_iter()
            .filter(|claim| proves(&claim.password_hash))
            .max_by_key(|claim| claim.requested_at)
            .map_or(Principal::Nobody, |claim| Principal::Claim(Box::new(claim))))
    }

    async fn recall(&self, id: &ClaimId) -> Result<Principal, RegistrationError> {
        if let Some(claim) = self.store.claim(id).await? {
            return Ok(Principal::Claim(Box::new(claim)));
        }
        // Gone because it became the account, perhaps in another browser?
        let account = self.store.account(&id.address).await?;
        Ok(match account {
            Some(account)
                if self
                    .keys
                    .claim_key(&account.address, &account.password_hash)
                    == id.key =>
            {
                Principal::Account {
                    address: account.address,
                }
            }
            _ => Principal::Gone,
        })
    }

    async fn guess(
        &self,
        claim: &Claim,
        code: &VerificationCode,
    ) -> Result<VerifyOutcome, RegistrationError> {
        let right = codes::code_of(&self.keys, claim)
            .is_some_and(|expected| codes::is_right(&expected, code));
        let result = self
            .store
            .guess(Guess {
                id: &claim.id(),
                seed: &claim.seed,
                delivery: claim.delivery,
                right,
            })
            .await?;
        Ok(match result {
            GuessResult::Verified => VerifyOutcome::Verified {
                address: claim.address.clone(),
            },
            GuessResult::Wrong { attempts_left } => VerifyOutcome::WrongCode { attempts_left },
            // The same right code a moment earlier, perhaps: a double click.
            GuessResult::Stale => match self.recall(&claim.id()).await? {
                Principal::Account { address } => VerifyOutcome::AlreadyVerified { address },
                _ => VerifyOutcome::Stale,
            },
        })
    }
}

impl Credentials {
    fn masked_address(&self) -> Option<String> {
        match self {
            Self::Password { email, .. } => email.as_ref().map(EmailAddress::masked),
            Self::Session(id) => EmailAddress::parse(&id.address)
                .ok()
                .map(|email| email.masked()),
        }
    }
}

impl VerifyOutcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Verified { .. } => "verified",
            Self::WrongCredentials => "wrong_credentials",
            Self::AlreadyVerified { .. } => "already_verified",
            Self::Stale => "code_stale",
            Self::WrongCode { .. } => "code_wrong",
        }
    }
}
