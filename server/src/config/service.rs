use serde::Deserialize;

use super::error::Problems;
use super::keys;

/// `[service]`: how the service calls itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// On pages and in mails. One short line, so that it can never add a header to a mail.
    pub name: String,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            name: "Latchkey".to_owned(),
        }
    }
}

impl ServiceConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 64 || name.contains(char::is_control) {
            problems.refuse("service.name", &self.name, keys::allowed("service.name"));
        }
    }
}
