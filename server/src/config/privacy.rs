use serde::Deserialize;

/// `[privacy]`: what a stranger may learn about an address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacyConfig {
    /// Answers 409 for an address that is verified already. Off, registering tells nobody whether
    /// an address has an account. Unset: as `code.expose`.
    pub reveal_existing: Option<bool>,
}
