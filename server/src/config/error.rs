//! What is wrong with a configuration, in the words of the person who wrote it.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::keys::{self, Kind};

/// Everything that is wrong with a configuration: one line each when displayed, at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Says that `key`, which may be left out elsewhere, is needed for what is to be done.
    #[must_use]
    pub fn missing(key: &str) -> Self {
        let mut problems = Problems::default();
        problems.missing(key, keys::allowed(key));
        Self {
            problems: problems.0,
        }
    }
}

/// One thing that is wrong, displayed on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such key. Its value is not kept: it may be a secret under a misspelt name.
    #[error("configuration: {key}: unknown key; did you mean {nearest}? (set by {origin})")]
    UnknownKey {
        key: String,
        origin: String,
        nearest: String,
    },
    /// A known key with a value that is not allowed, by itself or beside the others.
    #[error("configuration: {key} = {value}: {allowed}{}", Origin(.origin))]
    Refused {
        key: String,
        /// Fit to be shown: on one line, and never a secret.
        value: String,
        /// What is allowed instead.
        allowed: String,
        /// Which file, variable or flag set it; nothing for a default.
        origin: Option<String>,
    },
    /// A configuration file that cannot be read or is no TOML.
    #[error("configuration: {}: {reason}", .path.display())]
    File { path: PathBuf, reason: String },
}

impl Problem {
    /// The key at fault, when there is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. } | Self::Refused { key, .. } => Some(key),
            Self::File { .. } => None,
        }
    }
}

struct Origin<'a>(&'a Option<String>);

impl Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(origin) => write!(f, " (set by {origin})"),
            None => Ok(()),
        }
    }
}

/// Collects problems, so that an operator sees all of them at once.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Refuses the value of `key`; the value is hidden when the key is a secret.
    pub(super) fn refuse(&mut self, key: &str, value: impl Display, allowed: impl Into<String>) {
        self.0.push(Problem::Refused {
            key: key.to_owned(),
            value: shown(key, &value.to_string()),
            allowed: allowed.into(),
            origin: None,
        });
    }

    /// Refuses that `key` has no value.
    pub(super) fn missing(&mut self, key: &str, allowed: impl Into<String>) {
        self.0.push(Problem::Refused {
            key: key.to_owned(),
            value: "(not set)".to_owned(),
            allowed: allowed.into(),
            origin: None,
        });
    }

    /// Refuses a number outside the range that [`keys::KEYS`] gives its key.
    pub(super) fn number(&mut self, key: &str, value: impl TryInto<u64> + Display) {
        if let Some(known) = keys::find(key)
            && let Kind::Integer { min, max } = known.kind
        {
            let display = value.to_string();
            match value.try_into() {
                Ok(number) if (min..=max).contains(&number) => {}
                _ => self.refuse(key, display, known.kind.allowed()),
            }
        }
    }

    /// Whether one is about `key`, or about the file that holds its value.
    pub(super) fn tell_of(&self, key: &str) -> bool {
        self.0.iter().any(|problem| match problem {
            Problem::Refused { key: told, .. } => {
                told == key || told.strip_suffix("_file") == Some(key)
            }
            _ => false,
        })
    }

    pub(super) fn into_result(self) -> Result<(), ConfigError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ConfigError { problems: self.0 })
        }
    }
}

/// A value as it may stand on a terminal or in a log: one line, bounded, no secret.
pub(super) fn shown(key: &str, value: &str) -> String {
    const LONGEST: usize = 120;
    let secret = keys::find(key).is_some_and(|key| matches!(key.kind, Kind::Secret { .. }));
    // A password inside a URL is a secret under any key.
    let credentials = value
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('@'));
    if secret || credentials {
        return "(hidden)".to_owned();
    }
    let escaped: String = value.chars().flat_map(char::escape_debug).collect();
    if escaped.chars().count() > LONGEST {
        let start: String = escaped.chars().take(LONGEST).collect();
        format!("{start}…")
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_value_stays_on_one_line_and_is_bounded() {
        assert_eq!(shown("service.name", "a\r\nb"), "a\\r\\nb");
        assert_eq!(
            shown("service.name", &"x".repeat(5_000)).chars().count(),
            121
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        for key in ["secret_key", "database.password", "smtp.url"] {
            assert_eq!(shown(key, "hunter2"), "(hidden)");
        }
        assert_eq!(shown("database.url", "ws://root:hunter2@db"), "(hidden)");
        assert_eq!(shown("public_url", "https://me:hunter2@host"), "(hidden)");
    }
}
