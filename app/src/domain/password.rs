//! A password: what is asked of a new one, and how it is kept while the request lasts.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::EmailAddress;

/// In bytes of UTF-8 after normalisation: long enough for any passphrase, short enough that
/// nobody can keep the server busy with it.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password in normal form C (NIST SP 800-63B-4 §3.1.1.2), never trimmed or truncated, wiped
/// from memory when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// What is asked of a new password, as far as a browser can tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct PasswordRules {
    /// In Unicode code points.
    pub min_length: usize,
    /// `service.name`, which anybody would try.
    pub service_name: String,
}

/// Why a password cannot be used, in words for the person who chose it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PasswordError {
    #[error("Choose a password.")]
    Empty,
    #[error("Choose a password of at least {min_length} characters.")]
    TooShort { min_length: usize },
    #[error(
        "Choose a shorter password: up to 1,024 characters fit, fewer where they are not plain letters."
    )]
    TooLong,
    #[error("Choose a password without line breaks, tabs or other control characters.")]
    ControlCharacter,
    #[error("Choose another password: this one is your e-mail address, or the part before its @.")]
    OwnAddress,
    #[error("Choose another password: this one is the name of this service.")]
    ServiceName,
    #[error("Choose another password: this is one of the most common ones, which are tried first.")]
    Common,
    #[error("Choose a password that is harder to guess, for example by adding another word.")]
    Guessable,
}

impl Password {
    /// A password chosen for a new account, with the address that it is for, once that is known.
    ///
    /// Control characters are refused because HTTP Basic cannot carry them (RFC 7617 §2): the
    /// account could never be verified with it. Address and service name are refused as the words
    /// that go with this account alone (NIST SP 800-63B-4 §3.1.1.2). Whether it is common or
    /// guessable is for the server to say.
    ///
    /// # Errors
    /// Says which rule the password breaks.
    pub fn parse_new(
        text: &str,
        rules: &PasswordRules,
        email: Option<&EmailAddress>,
    ) -> Result<Self, PasswordError> {
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        let password = Self::presented(text).ok_or(PasswordError::TooLong)?;
        if password.expose().chars().any(char::is_control) {
            return Err(PasswordError::ControlCharacter);
        }
        if password.expose().chars().count() < rules.min_length {
            return Err(PasswordError::TooShort {
                min_length: rules.min_length,
            });
        }
        let lower = password.without_case();
        let is = |word: &str| *lower == without_case(&to_nfc(word));
        if email.is_some_and(|email| {
            is(email.canonical()) || is(email.typed()) || is(email.local_part())
        }) {
            return Err(PasswordError::OwnAddress);
        }
        if is(&rules.service_name) {
            return Err(PasswordError::ServiceName);
        }
        Ok(password)
    }

    /// A password offered as proof: no rule but the length applies, for rules may have changed
    /// since it was chosen. `None` when it is longer than any password can be.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        // Normal form C shortens to two sevenths at most (U+1FBE U+0308 U+0301 to U+0390), so this bounds
        // the work as well.
        if text.len() > 4 * MAX_PASSWORD_BYTES {
            return None;
        }
        let normalised = Zeroizing::new(to_nfc(text));
        (normalised.len() <= MAX_PASSWORD_BYTES).then_some(Self(normalised))
    }

    /// The secret itself: for hashing and checking, never for printing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret in lower case, for comparing it with what anybody would try: as secret as itself.
    #[must_use]
    pub fn without_case(&self) -> Zeroizing<String> {
        Zeroizing::new(without_case(&self.0))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(feature = "ssr")]
fn to_nfc(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfc().collect()
}

#[cfg(feature = "ssr")]
fn without_case(text: &str) -> String {
    text.to_lowercase()
}

/// The browser's own normalisation, which weighs nothing.
#[cfg(not(feature = "ssr"))]
fn to_nfc(text: &str) -> String {
    #[cfg(feature = "hydrate")]
    {
        js_sys::JsString::from(text).normalize("NFC").into()
    }
    #[cfg(not(feature = "hydrate"))]
    {
        text.to_owned()
    }
}

/// The browser's own tables again.
#[cfg(not(feature = "ssr"))]
fn without_case(text: &str) -> String {
    #[cfg(feature = "hydrate")]
    {
        js_sys::JsString::from(text).to_lower_case().into()
    }
    #[cfg(not(feature = "hydrate"))]
    {
        text.to_lowercase()
    }
}

#[cfg(all(test, feature = "ssr"))]
mod properties;

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Password, PasswordError> {
        let rules = PasswordRules {
            min_length: 8,
            service_name: "Schlüssel & Söhne".to_owned(),
        };
        let email = EmailAddress::parse("Somebody@bücher.example").ok();
        Password::parse_new(text, &rules, email.as_ref())
    }

    fn refusal(text: &str) -> Option<PasswordError> {
        parse(text).err()
    }

    #[test]
    fn passwords_are_taken_as_they_are() {
        for text in [
            "testpassword",
            "with:colon",
            "  spaces at both ends  ",
            "пароль-ю",
            "😀😀😀😀😀😀😀😀",
        ] {
            assert_eq!(parse(text).unwrap().expose(), text);
        }
    }

    #[test]
    fn length_counts_code_points_and_bytes() {
        assert_eq!(
            refusal("1234567"),
            Some(PasswordError::TooShort { min_length: 8 })
        );
        assert_eq!(
            refusal(&"é".repeat(7)),
            Some(PasswordError::TooShort { min_length: 8 })
        );
        assert_eq!(refusal(&"x".repeat(1024)), None);
        assert_eq!(refusal(&"x".repeat(1025)), Some(PasswordError::TooLong));
        assert_eq!(refusal(""), Some(PasswordError::Empty));
    }

    #[test]
    fn two_spellings_of_one_character_are_one_password() {
        let composed = parse("caf\u{e9}caf\u{e9}").unwrap();
        let decomposed = parse("cafe\u{301}cafe\u{301}").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn what_basic_authentication_cannot_carry_is_refused() {
        for text in ["nul\0password", "line\nbreaks!", "tab\tpassword"] {
            assert_eq!(
                refusal(text),
                Some(PasswordError::ControlCharacter),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_goes_with_this_account_is_refused_however_it_is_spelt() {
        for text in [
            "somebody",
            "SOMEBODY",
            "Somebody@bücher.example",
            "somebody@xn--bcher-kva.example",
            "somebody@bu\u{308}cher.example",
        ] {
            assert_eq!(refusal(text), Some(PasswordError::OwnAddress), "{text:?}");
        }
        for text in ["schlüssel & söhne", "Schlu\u{308}ssel & So\u{308}hne"] {
            assert_eq!(refusal(text), Some(PasswordError::ServiceName), "{text:?}");
        }
        for text in [
            "somebody1",
            "somebody ",
            "schlüssel",
            "nobody@bücher.example",
        ] {
            assert_eq!(refusal(text), None, "{text:?}");
        }
    }

    #[test]
    fn without_an_address_yet_only_the_other_rules_hold() {
        let rules = PasswordRules {
            min_length: 8,
            service_name: "Latchkey".to_owned(),
        };
        let refusal = |text| Password::parse_new(text, &rules, None).err();
        assert_eq!(refusal("somebody"), None);
        assert_eq!(refusal("latchkey"), Some(PasswordError::ServiceName));
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for error in [
            PasswordError::Empty,
            PasswordError::TooShort { min_length: 8 },
            PasswordError::TooLong,
            PasswordError::ControlCharacter,
            PasswordError::OwnAddress,
            PasswordError::ServiceName,
            PasswordError::Common,
            PasswordError::Guessable,
        ] {
            let sentence = error.to_string();
            assert!(sentence.starts_with("Choose a"), "{sentence}");
            assert!(!sentence.contains("byte"), "{sentence}");
        }
    }

    #[test]
    fn a_password_cannot_be_printed() {
        let password = parse("testpassword").unwrap();
        assert_eq!(format!("{password:?}"), "Password(…)");
    }
}
