//! The use cases: register, verify, resend, correct, disown, login.
//!
//! Each takes parsed values and returns an outcome; the doors (pages, API) only translate.

mod budgets;
mod codes;
mod correct;
mod disown;
mod login;
mod password_policy;
mod register;
mod resend;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use chrono::Duration as Span;
use thiserror::Error;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::entropy::{EntropyError, SharedEntropy};
use crate::hashing::{HashParameters, HashingError, HashingPool};
use crate::mail::Dispatch;
use crate::secret_key::SecretKeys;
use crate::store::{Renewal, Store, StoreError};

pub use budgets::Budgets;
pub use codes::code_of;
pub use correct::CorrectOutcome;
pub use disown::DisownToken;
pub use login::LoginOutcome;
pub use password_policy::PasswordPolicy;
pub use register::RegisterOutcome;
pub use resend::ResendOutcome;
pub use verify::{Credentials, SIGN_IN_REFUSED, VERIFY_REFUSED, VerifyOutcome};

/// Everything that the use cases work with.
pub struct Registration {
    pub store: Arc<Store>,
    pub hashing: HashingPool,
    pub budgets: Budgets,
    pub keys: SecretKeys,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub settings: Settings,
    /// Parameters that hashes made under a former configuration have. Every proof is tried with
    /// them too, whoever it is for: else the time it takes would tell that there is an account.
    pub former_parameters: Vec<HashParameters>,
    /// Told of mail that has been put into the outbox.
    pub dispatch: Arc<Dispatch>,
}

/// What the configuration says about claims and codes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    renewal: Renewal,
    cooldown: Span,
    reveal_existing: bool,
}

impl Settings {
    /// Takes from the configuration what concerns claims and codes.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            renewal: Renewal {
                digits: config.code.digits,
                attempts: config.code.attempts,
                code_ttl: Span::seconds(config.code.ttl_seconds.into()),
                claim_ttl: Span::seconds(config.claim.ttl_seconds.into()),
            },
            cooldown: Span::seconds(config.code.resend_seconds.into()),
            reveal_existing: config.reveal_existing(),
        }
    }
}

/// Why a use case came to no outcome. Nothing was recorded, or, where the store failed at the
/// last moment, nothing that was not repeated by trying again.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// The hashing queue is full.
    #[error("too many passwords wait to be hashed")]
    Busy { retry_after: Duration },
    #[error(transparent)]
    Hashing(HashingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl From<HashingError> for RegistrationError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy { retry_after } => Self::Busy { retry_after },
            failed @ (HashingError::Failed(_) | HashingError::Panicked) => Self::Hashing(failed),
        }
    }
}

#[cfg(test)]
mod tests;
