use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::error::Problems;
use super::{keys, tls};

/// `[smtp]`: the relay that mail goes through.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtp://`, `smtps://` (TLS from the first byte) or `smtp://…?tls=required` (STARTTLS or
    /// nothing), with the credentials in it. Unset, in development: the built-in mailbox.
    pub url: Option<SecretString>,
    /// A PEM file with the authority to trust for the relay, beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl SmtpConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(url) = &self.url
            && !supported(url.expose_secret())
        {
            problems.refuse("smtp.url", "", keys::allowed("smtp.url"));
        }
        if let Some(path) = &self.ca_file
            && let Err(reason) = tls::readable(path)
        {
            let allowed = format!("a PEM file that can be read: {reason}");
            problems.refuse("smtp.ca_file", path.display(), allowed);
        }
    }
}

fn supported(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    // A misspelt `tls=` must never mean mail without TLS.
    let tls: Option<Vec<_>> = url
        .query_pairs()
        .map(|(name, value)| (name == "tls").then(|| value.into_owned()))
        .collect();
    let tls_is_known = match (url.scheme(), tls.as_deref()) {
        ("smtp" | "smtps", Some([])) => true,
        ("smtp", Some([value])) => matches!(value.as_str(), "required" | "opportunistic"),
        ("smtps", Some([value])) => value == "required",
        _ => false,
    };
    // Half of the credentials would mean none at all.
    let credentials = url.username().is_empty() == url.password().is_none();
    let host = url.host_str().is_some_and(|host| !host.is_empty());
    tls_is_known && credentials && host && url.fragment().is_none()
}
