//! The code that proves a mailbox.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// Four to eight decimal digits, leading zeros included.
#[derive(Clone)]
pub struct VerificationCode(Zeroizing<String>);

/// A text that is no code at all, as opposed to a wrong one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VerificationCodeError {
    #[error("Enter the code from the mail.")]
    Empty,
    #[error("Enter the code as 4 to 8 digits, as it stands in the mail.")]
    Malformed,
}

impl VerificationCode {
    /// The fewest digits a code can have.
    pub const MIN_DIGITS: usize = 4;
    /// The most digits a code can have.
    pub const MAX_DIGITS: usize = 8;

    /// Parses what somebody typed or pasted; spaces and dashes around and between are forgiven.
    ///
    /// # Errors
    /// When what is left is not 4 to 8 decimal digits.
    pub fn parse(text: &str) -> Result<Self, VerificationCodeError> {
        if text.len() > 64 {
            return Err(VerificationCodeError::Malformed);
        }
        let digits = Zeroizing::new(
            text.chars()
                .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}'))
                .collect::<String>(),
        );
        if digits.is_empty() && text.trim().is_empty() {
            return Err(VerificationCodeError::Empty);
        }
        let is_code = (Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit());
        is_code
            .then_some(Self(digits))
            .ok_or(VerificationCodeError::Malformed)
    }

    /// The digits: for mails, comparison and the exposed answer, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerificationCode(…)")
    }
}

#[cfg(all(test, feature = "ssr"))]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_how_people_type_it() {
        for text in [
            "0746", " 0746 ", "07 46", "07-46", "0 7 4 6", "07–46", "0746\n",
        ] {
            assert_eq!(
                VerificationCode::parse(text).unwrap().expose(),
                "0746",
                "{text:?}"
            );
        }
        assert_eq!(
            VerificationCode::parse("1234 5678").unwrap().expose(),
            "12345678"
        );
    }

    #[test]
    fn anything_else_is_no_code() {
        for text in [
            "074",
            "123456789",
            "07a6",
            "O746",
            "٠٧٤٦",
            "07.46",
            "--",
            &"1 ".repeat(60),
        ] {
            assert_eq!(
                VerificationCode::parse(text).err(),
                Some(VerificationCodeError::Malformed),
                "{text:?}"
            );
        }
        assert_eq!(
            VerificationCode::parse(" ").err(),
            Some(VerificationCodeError::Empty)
        );
    }

    #[test]
    fn a_code_cannot_be_printed() {
        let code = VerificationCode::parse("0746").unwrap();
        assert_eq!(format!("{code:?}"), "VerificationCode(…)");
    }
}
