//! What the server asks of a new password beyond its length: that it is not among the first that
//! anybody would try (NIST SP 800-63B-4 §3.1.1.2, OWASP ASVS 5.0 6.2.4).

use std::collections::HashSet;

use latchkey_app::domain::{EmailAddress, Password, PasswordError, PasswordRules};
use zxcvbn::zxcvbn;

/// As text that can be read and searched: front-coded it would be 37 kB instead of 59, deflated
/// 29, in a binary of 79 MB. The browser gets none of it.
const COMMON: &str = include_str!("common_passwords.txt");

/// How many of the most common passwords of an acceptable length are refused; of ten characters
/// and more the list knows fewer, and they are all refused.
const COMMON_COUNT: usize = 3_000;

/// How much of a password is scored at most, in characters: what comes after them hardly ever makes it
/// weaker, and the work grows with the square of the length.
const SCORED_LENGTH: usize = 40;

/// What zxcvbn 3.1.1 takes for the same letter, letter by letter. It looks at everything that stands in
/// a password once for each combination of those that are there: of all of them some three hundred
/// times, which takes more than a second where a hundred characters are scored.
const LEET: [&str; 12] = [
    "4@", "8", "({[<", "3", "69", "1!|", "1|7", "0", "$5", "+7", "%", "2",
];

/// How much work that may be: combinations times the square of the length.
const SCORED_WORK: usize = 40_000;

/// The rules for new passwords.
pub struct PasswordPolicy {
    rules: PasswordRules,
    /// zxcvbn's 0 (anything) to 4.
    min_score: u8,
    common: HashSet<&'static str>,
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
            rules: PasswordRules {
                min_length,
                service_name: service_name.to_owned(),
            },
            min_score,
            common,
        }
    }

    /// The rules that the browser checks too.
    #[must_use]
    pub fn rules(&self) -> &PasswordRules {
        &self.rules
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
        let password = Password::parse_new(text, &self.rules, email)?;
        if self.common.contains(password.without_case().as_str()) {
            return Err(PasswordError::Common);
        }
        if self.min_score > 0 && self.score(&password, email) < self.min_score {
            return Err(PasswordError::Guessable);
        }
        Ok(password)
    }

    /// zxcvbn's, with what goes with this account counted among the first guesses.
    fn score(&self, password: &Password, email: Option<&EmailAddress>) -> u8 {
        let service_name = self.rules.service_name.as_str();
        let own_words = email.map_or([service_name; 4], |email| {
            [
                service_name,
                email.canonical(),
                email.typed(),
                email.local_part(),
            ]
        });
        zxcvbn(scored(password.expose(), &own_words), &own_words)
            .score()
            .into()
    }
}

/// As much of a password as zxcvbn scores in about a hash's time at most (15 ms over 250 passwords made
/// for it; 0.2 for an ordinary one), for that comes before any budget. Ordinary ones are scored whole.
/// None of the account's own words is cut in two, for half of one is no word.
fn scored<'a>(password: &'a str, own_words: &[&str]) -> &'a str {
    let mut length = 0;
    for (count, (start, letter)) in (1..=SCORED_LENGTH).zip(password.char_indices()) {
        let end = start + letter.len_utf8();
        let combinations: usize = LEET
            .iter()
            .map(|alike| {
                alike
                    .chars()
                    .filter(|c| password[..end].contains(*c))
                    .count()
            })
            .map(|there| there.max(1))
            .product();
        if combinations * count * count > SCORED_WORK {
            break;
        }
        length = end;
    }
    let without_case = password.to_ascii_lowercase();
    let cut = |word: &&str| {
        let word = word.to_ascii_lowercase();
        let mut starts = without_case.match_indices(&word).map(|(start, _)| start);
        starts.find(|&start| start < length && length < start + word.len())
    };
    &password[..own_words.iter().filter_map(cut).min().unwrap_or(length)]
}

#[cfg(test)]
mod properties;

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
        for text in ["somebody", "somebody@BAR.com"] {
            assert_eq!(
                refusal(8, 0, text),
                Some(PasswordError::OwnAddress),
                "{text}"
            );
        }
        assert_eq!(refusal(8, 0, "latchkey"), Some(PasswordError::ServiceName));
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
    fn every_line_of_the_list_can_be_typed_and_stands_there_once() {
        let rules = PasswordRules {
            min_length: 8,
            service_name: "Latchkey".to_owned(),
        };
        let mut seen = HashSet::new();
        for line in COMMON.lines().filter(|line| !line.starts_with("# ")) {
            // One in capitals, or in another normal form, would never be met.
            let password = Password::parse_new(line, &rules, None).unwrap();
            assert_eq!(password.without_case().as_str(), line);
            assert!(seen.insert(line), "{line} is there twice");
        }
    }

    #[test]
    fn nothing_but_these_rules_is_asked() {
        // No composition rules: NIST SP 800-63B-4 §3.1.1.2, OWASP ASVS 5.0 6.2.5.
        for text in [
            "aaaabbbbcccc",
            "zzzzzzzzzzzzq",
            "        ",
            "0746 0746",
            "ѳѳѳѳѳѳѳѳ",
        ] {
            assert_eq!(refusal(8, 0, text), None, "{text:?}");
        }
    }

    #[test]
    fn no_more_is_scored_than_takes_a_moment() {
        for whole in [
            "p4$$w0rd!1",
            "1234567890 !@#$%^&*() qwertyuiop",
            "Tr0ub4dor&3",
        ] {
            assert_eq!(scored(whole, &[]), whole);
        }
        let long = "ѳ".repeat(100);
        assert_eq!(scored(&long, &[]).chars().count(), SCORED_LENGTH);
        let words = ["somebody@bar.com", "somebody"];
        let own = "somebody@BAR.com".repeat(9);
        assert_eq!(scored(&own, &words), "somebody@BAR.com".repeat(2));
        let every_letter: String = LEET.concat();
        let scored = scored(&every_letter.repeat(9), &[]).len();
        assert!((12..18).contains(&scored), "{scored}");
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
        // What goes with this account is among the first guesses, with something added too.
        for text in [
            "somebody@bar.com1",
            "Latchkey12",
            "somebody@bar.comsomebody@bar.comsomebody@bar.com1",
        ] {
            assert_eq!(
                refusal(8, 2, text),
                Some(PasswordError::Guessable),
                "{text}"
            );
        }
    }
}
