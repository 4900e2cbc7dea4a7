use serde::Deserialize;

use super::error::Problems;

/// `[code]`: the verification codes.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodeConfig {
    /// Digits of a code, 4 to 8. Each further digit divides a guesser's chance by ten; fewer than
    /// 6 are below what NIST SP 800-63B and OWASP ASVS ask.
    pub digits: u8,
    /// Seconds that a code lives, counted from the relay's acceptance of its mail.
    pub ttl_seconds: u32,
    /// Guesses that a code survives, 1 to 10.
    pub attempts: u32,
    /// Seconds between two mails of one claim. Keeps the form from filling a stranger's mailbox.
    pub resend_seconds: u32,
    /// Puts the code in the JSON answer, which proves nothing about the address any more. Unset:
    /// on in development without `smtp.url`. Refused in production.
    pub expose: Option<bool>,
}

impl Default for CodeConfig {
    fn default() -> Self {
        Self {
            digits: 4,
            ttl_seconds: 60,
            attempts: 3,
            resend_seconds: 60,
            expose: None,
        }
    }
}

impl CodeConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.number("code.digits", self.digits);
        problems.number("code.ttl_seconds", self.ttl_seconds);
        problems.number("code.attempts", self.attempts);
        problems.number("code.resend_seconds", self.resend_seconds);
    }
}
