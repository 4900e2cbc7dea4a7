//! What the server asks of a new password beyond its length: that it is not among the first that
//! anybody would try (NIST SP 800-63B-4 §3.1.1.2, OWASP ASVS 5.0 6.2.4).

use std::collections::HashSet;

use latchkey_app::domain::{EmailAddress, Password, PasswordError, PasswordRules};
use zxcvbn::zxcvbn;

const COMMON: &str = include_str!("common_passwords.txt");

/// How many of the most common passwords of an acceptable length are refused; of ten characters
/// and more the list knows fewer, and they are all refused.
const COMMON_COUNT: usize = 3_000;

/// zxcvbn's work grows with the square of the length, and what comes after this many characters
/// cannot make a password weaker.
const SCORED_LENGTH: usize = 100;

/// The rules for new passwords.
pub struct PasswordPolicy {
    rules: PasswordRules,
    /// zxcvbn's 0 (anything) to 4.
    min_score: u8,
    common: HashSet<&'static str>,
    service_name: String,
}

impl PasswordPolicy {
    /// A policy with the given least length in code points and least zxcvbn score.
    #[must_use]
    pub fn new(min_length: usize, min_score: u8, service_name: &str) -> Self {
        let common = COMMON
            .lines()
            .filter(|line| !line.starts_with("# ") && line.chars().count() >= min_length)
            .take(COMMON_COUNT)
            .collect();
        Self {
            rules: PasswordRules { min_length },
            min_score,
            common,
            service_name: service_name.to_lowercase(),
        }
    }

    /// The rules that the browser checks too.
    #[must_use]
    pub fn rules(&self) -> PasswordRules {
        self.rules
    }

    /// Parses a new password for this address.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(
        &self,
        text: &str,
        email: Option<&EmailAddress>,
    ) -> Result<Password, PasswordError> {
        let password = Password::parse_new(text, self.rules)?;
        let lower = password.expose().to_lowercase();
        if self.common.contains(lower.as_str()) {
            return Err(PasswordError::Common);
        }
        let own_words = email.map_or([""; 3], |email| {
            [email.canonical(), email.typed(), email.local_part()]
        });
        let is_own_word = own_words.iter().any(|word| word.to_lowercase() == lower);
        if is_own_word || lower == self.service_name {
            return Err(PasswordError::Obvious);
        }
        if self.min_score > 0 {
            let scored: String = password.expose().chars().take(SCORED_LENGTH).collect();
            let score = zxcvbn(&scored, &own_words).score();
            if u8::from(score) < self.min_score {
                return Err(PasswordError::Guessable);
            }
        }
        Ok(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(min_length: usize, min_score: u8, text: &str) -> Option<PasswordError> {
        let email = EmailAddress::parse("Somebody@bar.com").unwrap();
        PasswordPolicy::new(min_length, min_score, "Latchkey")
            .parse(text, Some(&email))
            .err()
    }

    #[test]
    fn the_first_guesses_of_anybody_are_refused() {
        for text in [
            "password",
            "PassWord",
            "1234567890",
            "football",
            "qwertyuiop",
        ] {
            assert_eq!(refusal(8, 0, text), Some(PasswordError::Common), "{text}");
        }
        for text in ["somebody", "somebody@BAR.com", "latchkey"] {
            assert_eq!(refusal(8, 0, text), Some(PasswordError::Obvious), "{text}");
        }
        assert_eq!(refusal(8, 0, "testpassword"), None);
    }

    #[test]
    fn the_three_thousand_most_common_of_eight_are_refused() {
        let refused = |min_length| PasswordPolicy::new(min_length, 0, "Latchkey").common.len();
        assert_eq!(refused(8), COMMON_COUNT);
        assert_eq!(refused(9), COMMON_COUNT);
        // Of longer ones the list knows fewer: all it knows.
        assert!(refused(10) > 1_500);
    }

    #[test]
    fn an_operator_can_ask_for_more() {
        assert_eq!(
            refusal(8, 3, "testpassword"),
            Some(PasswordError::Guessable)
        );
        assert_eq!(refusal(8, 3, "quarrel-lantern-oboe-93"), None);
        assert_eq!(
            refusal(8, 4, &"long ".repeat(200)),
            Some(PasswordError::Guessable)
        );
    }
}
