use serde::Deserialize;

use super::error::Problems;
use crate::telemetry;

/// `[log]`: what is written to standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Unset: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// A level for Latchkey's own events, and levels for parts of it: `info,latchkey::store=trace`.
    /// Other libraries stay at `warn`: at lower levels some print what they are given, which may
    /// be a code or an address.
    pub level: String,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: None,
            level: "info".to_owned(),
        }
    }
}

impl LogConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if telemetry::filter(&self.level).is_err() {
            problems.refuse("log.level", &self.level, telemetry::LEVEL_ALLOWED);
        }
    }
}
