//! What people type, parsed once: behind these types nothing can be malformed any more.

mod email_address;
#[cfg(all(test, feature = "ssr"))]
mod hostile_text;
mod password;
mod verification_code;

pub use email_address::{EmailAddress, EmailAddressError};
pub use password::{MAX_PASSWORD_BYTES, Password, PasswordError, PasswordRules};
pub use verification_code::{VerificationCode, VerificationCodeError};
