use serde::Deserialize;

/// `[development]`: what only development mode may do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevelopmentConfig {
    /// Lets development mode listen beyond this machine. Its mailbox and its shown codes are then
    /// open to the network. Refused in production.
    pub allow_remote: bool,
}
