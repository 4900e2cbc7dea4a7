use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::Problems;
use super::{keys, tls};
use crate::mail::RelayUrl;

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
            && let Err(reason) = RelayUrl::parse(url.expose_secret())
        {
            let allowed = format!("{} ({reason})", keys::allowed("smtp.url"));
            problems.refuse("smtp.url", "", allowed);
        }
        if let Some(path) = &self.ca_file
            && let Err(reason) = tls::readable(path)
        {
            let allowed = format!("a PEM file that can be read: {reason}");
            problems.refuse("smtp.ca_file", path.display(), allowed);
        }
    }
}
