use serde::Deserialize;

use super::error::Problems;

/// `[password]`: which passwords are accepted. Common ones, the address and the service's name
/// are refused whatever stands here.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordConfig {
    /// Code points, 8 to 64 (NIST SP 800-63B-4 §3.1.1.2).
    pub min_length: usize,
    /// zxcvbn's score, 0 (anything) to 4 (only what withstands an offline attack).
    pub min_score: u8,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            min_length: 8,
            min_score: 0,
        }
    }
}

impl PasswordConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.number("password.min_length", self.min_length);
        problems.number("password.min_score", self.min_score);
    }
}
