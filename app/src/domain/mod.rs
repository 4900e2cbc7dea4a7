//! What people type, parsed once: behind these types nothing can be malformed any more.

mod domain_suggestion;
mod email_address;
#[cfg(all(test, feature = "ssr"))]
mod hostile_text;
mod password;
mod password_strength;
mod verification_code;

pub use domain_suggestion::probable_address;
pub use email_address::{EmailAddress, EmailAddressError};
pub use password::{MAX_PASSWORD_BYTES, Password, PasswordError, PasswordRules};
pub use password_strength::PasswordStrength;
pub use verification_code::{VerificationCode, VerificationCodeError};
