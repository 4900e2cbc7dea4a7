use serde::Deserialize;

use super::error::Problems;

/// `[claim]`: attempts to get an account.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimConfig {
    /// Seconds that a claim lives without being verified. Until then a dead code is answered 410
    /// and a new one can be had; afterwards its address is left only in its browser's session,
    /// for 24 hours from the last change of that, and as a digest in the address's ledger.
    pub ttl_seconds: u32,
}

impl Default for ClaimConfig {
    fn default() -> Self {
        Self {
            ttl_seconds: 86_400,
        }
    }
}

impl ClaimConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.number("claim.ttl_seconds", self.ttl_seconds);
    }
}
