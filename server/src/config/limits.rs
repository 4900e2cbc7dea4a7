use serde::Deserialize;

/// `[limits]`: budgets for what strangers may cause.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Whether budgets are kept. They protect people's mailboxes, the relay and the codes.
    pub mode: LimitsMode,
}

/// Whether budgets are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitsMode {
    /// They are; development exempts loopback clients.
    #[default]
    On,
    /// They are not, except the attempts of a code. For load tests; refused in production.
    Off,
}
