//! How hard a password is to guess, in a word: a hint while it is typed, and never a rule.
//!
//! An estimate that weighs nothing on the page: real ones bring word lists of hundreds of
//! kilobytes. The server knows the most common passwords and refuses them whatever this says.

/// From what falls at once to what nobody guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PasswordStrength {
    Weak,
    Fair,
    Good,
    Strong,
}

impl PasswordStrength {
    /// Counts characters that the one before does not foretell: neither the same nor a neighbour
    /// in the alphabet. Another kind of character counts for one more, since people put them where
    /// everybody does (NIST SP 800-63B-4 appendix A).
    #[must_use]
    pub fn of(password: &str) -> Self {
        let mut surprises = 0_u32;
        let mut before = None;
        let mut kinds = [false; 4];
        for character in password.chars() {
            let number = u32::from(character);
            let foretold = before.is_some_and(|before: u32| before.abs_diff(number) <= 1);
            surprises += u32::from(!foretold);
            before = Some(number);
            let kind = match character {
                'a'..='z' => 0,
                'A'..='Z' => 1,
                '0'..='9' => 2,
                _ => 3,
            };
            kinds[kind] = true;
        }
        let kinds = kinds.into_iter().filter(|&kind| kind).count();
        match surprises as usize + kinds.saturating_sub(1) {
            0..=10 => Self::Weak,
            11..=13 => Self::Fair,
            14..=18 => Self::Good,
            _ => Self::Strong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PasswordStrength::*, *};

    #[test]
    fn length_counts_more_than_odd_characters() {
        for (password, strength) in [
            ("", Weak),
            ("12345678", Weak),
            ("aaaaaaaaaaaaaaaaaaaaaa", Weak),
            ("abcdefghijklmnopqrstuvwxyz", Weak),
            ("qwertyui", Weak),
            ("Passw0rd", Weak),
            ("Password1!", Fair),
            ("horse battery", Fair),
            ("horse battery staple", Good),
            ("correct horse battery", Good),
            ("correct horse battery staple", Strong),
            ("xK9#vLq2$wRt7@zN", Strong),
        ] {
            assert_eq!(PasswordStrength::of(password), strength, "{password}");
        }
    }
}
