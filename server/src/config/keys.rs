//! Every key there is, with its kind: the one list that files, variables, flags and the
//! documentation are held against.

/// What stands before each of Latchkey's environment variables.
pub const ENVIRONMENT_PREFIX: &str = "LATCHKEY_";

/// A key as it stands in the documentation, `section.name`.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
}

impl Key {
    /// The environment variable that sets this key.
    pub fn variable(&self) -> String {
        let path = self.name.to_ascii_uppercase().replace('.', "__");
        format!("{ENVIRONMENT_PREFIX}{path}")
    }
}

/// How a key's value is read, whichever layer it comes from.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string, whatever it looks like: `0123` stays `0123`.
    Text { allowed: &'static str },
    /// As text; never shown; also read from the file that `<key>_file` names.
    Secret { allowed: &'static str },
    /// A whole number from `min` to `max`.
    Integer { min: u64, max: u64 },
    /// `true` or `false`; variables and flags may also say `on` or `off`.
    Boolean,
    /// Several strings, or one with commas between them.
    List { allowed: &'static str },
}

impl Kind {
    /// What is allowed, for the end of an error line.
    pub fn allowed(self) -> String {
        match self {
            Self::Text { allowed } | Self::Secret { allowed } | Self::List { allowed } => {
                allowed.to_owned()
            }
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
        }
    }
}

/// A day, in seconds.
const DAY: u64 = 86_400;

const PATH: Kind = text("a path");
/// A million an hour is more than hashing allows.
const BUDGET: Kind = Kind::Integer {
    min: 1,
    max: 1_000_000,
};
/// These are kept one by one.
const FEW: Kind = Kind::Integer { min: 1, max: 100 };
const CONNECTIONS: Kind = Kind::Integer {
    min: 1,
    max: 1_000_000,
};
const URL: Kind = text("an http:// or https:// URL");

pub static KEYS: &[Key] = &[
    key("mode", text("development or production")),
    key(
        "service.name",
        text("1 to 64 characters, none of them a control character"),
    ),
    key(
        "https_addr",
        text("an address and a port, as 127.0.0.1:8443"),
    ),
    key(
        "http_addr",
        text("an address and a port, as 127.0.0.1:8080"),
    ),
    key(
        "public_url",
        text("an http:// or https:// URL of nothing but a host and perhaps a port"),
    ),
    key("links.after", URL),
    key("links.terms", URL),
    key("links.privacy", URL),
    key("data_dir", PATH),
    key(
        "secret_key",
        secret("32 bytes in base64, as `openssl rand -base64 32` makes them"),
    ),
    key(
        "database.url",
        text("mem://, surrealkv://<path>, ws://<host> or wss://<host>, without credentials"),
    ),
    key("database.namespace", text(super::database::NAME_ALLOWED)),
    key("database.database", text(super::database::NAME_ALLOWED)),
    key("database.username", text("a name")),
    key("database.password", secret("any text")),
    key("tls.mode", text("self-signed, files or off")),
    key("tls.cert", PATH),
    key("tls.key", PATH),
    key(
        "smtp.url",
        secret("smtp://[user:password@]host[:port][?tls=required|opportunistic] or smtps://…"),
    ),
    key("smtp.ca_file", PATH),
    key("mail.from", text("one mailbox, as `Name <local@domain>`")),
    key("mail.envelope_from", text("one address, as local@domain")),
    key("code.digits", Kind::Integer { min: 4, max: 8 }),
    key("code.ttl_seconds", Kind::Integer { min: 1, max: DAY }),
    key("code.attempts", Kind::Integer { min: 1, max: 10 }),
    key("code.resend_seconds", Kind::Integer { min: 0, max: DAY }),
    key("code.expose", Kind::Boolean),
    key(
        "claim.ttl_seconds",
        Kind::Integer {
            min: 1,
            max: 30 * DAY,
        },
    ),
    key("privacy.reveal_existing", Kind::Boolean),
    key("password.min_length", Kind::Integer { min: 8, max: 64 }),
    key("password.min_score", Kind::Integer { min: 0, max: 4 }),
    // RFC 9106 §3.1 asks for at least 8 KiB a lane; 4 GiB a hash is more than any server has to give.
    key(
        "hash.memory_kib",
        Kind::Integer {
            min: 8,
            max: 4_194_304,
        },
    ),
    key("hash.iterations", Kind::Integer { min: 1, max: 1_000 }),
    key("hash.parallelism", Kind::Integer { min: 1, max: 64 }),
    key("hash.workers", Kind::Integer { min: 1, max: 1_024 }),
    key("limits.mode", text("on or off")),
    key("limits.sign_ups_per_hour", BUDGET),
    key("limits.mails_per_hour", BUDGET),
    key("limits.failed_passwords_per_hour", BUDGET),
    key(
        "limits.site_factor",
        Kind::Integer {
            min: 1,
            max: 65_536,
        },
    ),
    key("limits.address_mails_per_day", FEW),
    key("limits.address_mails_per_site_per_day", FEW),
    key("limits.notices_per_day", FEW),
    key("limits.wrong_codes", FEW),
    key("limits.all_sign_ups_per_hour", BUDGET),
    key("limits.connections", CONNECTIONS),
    key("limits.connections_per_network", CONNECTIONS),
    key(
        "trusted_proxies",
        Kind::List {
            allowed: "networks or addresses, as 10.0.0.0/8 or 192.0.2.7, with commas between them",
        },
    ),
    key(
        "proxy_header",
        text("the name of a header that lists plain addresses, as X-Forwarded-For"),
    ),
    key("log.format", text("text or json")),
    key("log.level", text(crate::telemetry::LEVEL_ALLOWED)),
    key("development.allow_remote", Kind::Boolean),
    key("site_dir", PATH),
];

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

const fn text(allowed: &'static str) -> Kind {
    Kind::Text { allowed }
}

const fn secret(allowed: &'static str) -> Kind {
    Kind::Secret { allowed }
}

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// What is allowed for the key of that name.
pub(super) fn allowed(name: &str) -> String {
    find(name).map_or_else(String::new, |key| key.kind.allowed())
}

/// The secret that `<name>_file` names.
pub(super) fn find_by_file(name: &str) -> Option<&'static Key> {
    let secret = find(name.strip_suffix("_file")?)?;
    matches!(secret.kind, Kind::Secret { .. }).then_some(secret)
}

/// Whether `name` is the first part of keys, as `tls` and `database` are.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The known key that a misspelt one most likely stands for.
pub(super) fn nearest(name: &str) -> String {
    let secrets_by_file = KEYS
        .iter()
        .filter(|key| matches!(key.kind, Kind::Secret { .. }))
        .map(|key| format!("{}_file", key.name));
    KEYS.iter()
        .map(|key| key.name.to_owned())
        .chain(secrets_by_file)
        // Whoever leaves out the section still gets the right name.
        .max_by(|a, b| closeness(name, a).total_cmp(&closeness(name, b)))
        .unwrap_or_default()
}

fn closeness(name: &str, known: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(name, known);
    let last = known.rsplit('.').next().unwrap_or(known);
    // Slightly less than a whole match, so that a key at the top wins over one in a section.
    whole.max(0.95 * strsim::normalized_damerau_levenshtein(name, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_what_a_person_would_guess() {
        for (misspelt, meant) in [
            ("code.digit", "code.digits"),
            ("databse.password", "database.password"),
            ("smtp.urlfile", "smtp.url_file"),
            ("trusted_proxy", "trusted_proxies"),
            ("ttl_second", "code.ttl_seconds"),
            ("min_length", "password.min_length"),
            ("publicurl", "public_url"),
        ] {
            let nearest = nearest(misspelt);
            if misspelt == "ttl_second" {
                assert!(nearest.ends_with(".ttl_seconds"), "{nearest}");
            } else {
                assert_eq!(nearest, meant);
            }
        }
    }

    #[test]
    fn only_secrets_have_a_file_of_their_own() {
        assert!(find_by_file("smtp.url_file").is_some());
        assert!(find_by_file("smtp.ca_file").is_none());
        assert!(find_by_file("mode_file").is_none());
    }
}
