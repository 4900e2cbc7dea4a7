use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::error::Problems;
use super::keys;

/// `[database]`: where SurrealDB is.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `mem://`, `surrealkv://<path>`, or a server at `ws://` or `wss://`; unset: embedded, in
    /// `data_dir`. No credentials in it: it is shown in logs.
    pub url: Option<String>,
    /// SurrealDB's namespace.
    pub namespace: String,
    /// SurrealDB's database in that namespace.
    pub database: String,
    /// Whom to sign in as, at a server.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<SecretString>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            namespace: "latchkey".to_owned(),
            database: "latchkey".to_owned(),
            username: None,
            password: None,
        }
    }
}

pub(super) const NAME_ALLOWED: &str = "1 to 64 letters, digits, - or _";

impl DatabaseConfig {
    /// Whether the database is a server, which other instances may share.
    pub fn is_server(&self) -> bool {
        let scheme = self.url.as_deref().and_then(|url| url.split(':').next());
        matches!(scheme, Some("ws" | "wss"))
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(url) = &self.url
            && !supported(url)
        {
            problems.refuse("database.url", url, keys::allowed("database.url"));
        }
        for (key, name) in [
            ("database.namespace", &self.namespace),
            ("database.database", &self.database),
        ] {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                problems.refuse(key, name, NAME_ALLOWED);
            }
        }
        match (&self.username, &self.password) {
            (Some(_), None) => {
                problems.missing("database.password", "needed with database.username");
            }
            (None, Some(_)) => {
                problems.missing("database.username", "needed with database.password");
            }
            _ => {}
        }
    }
}

fn supported(url: &str) -> bool {
    match url.split_once("://") {
        Some(("mem", rest)) => rest.is_empty(),
        // What may follow a ? is ours to say: every commit is synced.
        Some(("surrealkv", path)) => !path.is_empty() && !path.contains('?'),
        Some(("ws" | "wss", _)) => Url::parse(url).is_ok_and(|url| {
            url.has_host() && url.username().is_empty() && url.password().is_none()
        }),
        _ => false,
    }
}
