//! What `smtp.url` says: where the relay is, how the way there is encrypted, who we are to it.

use std::fmt;
use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::{Host, Url};

/// Mail transfer (RFC 5321 §4.5.4.2).
const TRANSFER_PORT: u16 = 25;
/// Submission, with STARTTLS (RFC 6409 §3.1).
const SUBMISSION_PORT: u16 = 587;
/// Submission inside TLS (RFC 8314 §7.3).
const SUBMISSIONS_PORT: u16 = 465;

/// A parsed `smtp.url`.
///
/// | URL | encryption | port |
/// | --- | --- | --- |
/// | `smtps://host` | TLS from the first byte, certificate checked | 465 |
/// | `smtp://host?tls=required` | STARTTLS or no mail, certificate checked | 587 |
/// | `smtp://user:password@host` | the same: a password crosses no network in the clear | 587 |
/// | `smtp://host` | STARTTLS when the relay offers it | 25 |
///
/// A relay on this very machine (`localhost`, `127.0.0.0/8`, `::1`) may have credentials without
/// TLS. `?tls=opportunistic` may be written out. Credentials are percent-encoded.
#[derive(Clone)]
pub struct RelayUrl {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub credentials: Option<Credentials>,
}

/// How the way to the relay is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// STARTTLS when offered. Who stands in between could take the offer away, so a certificate
    /// proves nothing here and is not asked for (RFC 7435 §3).
    Opportunistic,
    /// STARTTLS with a valid certificate, or nothing is sent.
    StartTls,
    /// TLS from the first byte, with a valid certificate.
    Implicit,
}

/// Why a text cannot be `smtp.url`. The text itself is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RelayUrlError {
    #[error("it is not a URL; use smtp://host, smtps://host or smtp://host?tls=required")]
    NotAUrl,
    #[error("it must begin with smtp:// or smtps://")]
    Scheme,
    #[error("it names no host; a name in other scripts is written in its ASCII form (xn--…)")]
    Host,
    #[error("after the host only ?tls=required or ?tls=opportunistic may follow")]
    Tail,
    #[error("smtps:// always means TLS; leave ?tls=opportunistic out")]
    NeverOpportunistic,
    #[error(
        "a user name needs a password and a password a user name, both percent-encoded UTF-8 \
         without control characters"
    )]
    Credentials,
    #[error(
        "with ?tls=opportunistic a password could cross the network in the clear; use ?tls=required"
    )]
    PasswordInTheClear,
}

impl RelayUrl {
    /// Parses `smtp.url`.
    ///
    /// # Errors
    /// Says what is allowed where the text breaks it.
    pub fn parse(text: &str) -> Result<Self, RelayUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| RelayUrlError::NotAUrl)?;
        let host = host(&url)?;
        let credentials = credentials(&url)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(RelayUrlError::Tail);
        }
        let required = match url.query() {
            None => None,
            Some("tls=required") => Some(true),
            Some("tls=opportunistic") => Some(false),
            Some(_) => return Err(RelayUrlError::Tail),
        };
        let password_needs_tls = credentials.is_some() && !is_this_machine(&host);
        let encryption = match (url.scheme(), required) {
            ("smtps", None | Some(true)) => Encryption::Implicit,
            ("smtps", Some(false)) => return Err(RelayUrlError::NeverOpportunistic),
            ("smtp", Some(true)) => Encryption::StartTls,
            ("smtp", Some(false)) if password_needs_tls => {
                return Err(RelayUrlError::PasswordInTheClear);
            }
            ("smtp", None) if password_needs_tls => Encryption::StartTls,
            ("smtp", _) => Encryption::Opportunistic,
            _ => return Err(RelayUrlError::Scheme),
        };
        let default_port = match encryption {
            Encryption::Implicit => SUBMISSIONS_PORT,
            Encryption::StartTls => SUBMISSION_PORT,
            Encryption::Opportunistic if credentials.is_some() => SUBMISSION_PORT,
            Encryption::Opportunistic => TRANSFER_PORT,
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            encryption,
            credentials,
        })
    }

    /// Whether the relay runs on this machine, so that nobody stands in between.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        is_this_machine(&self.host)
    }
}

/// Without the credentials.
impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RelayUrl({}:{}, {:?})",
            self.host, self.port, self.encryption
        )
    }
}

fn host(url: &Url) -> Result<String, RelayUrlError> {
    match url.host().ok_or(RelayUrlError::Host)? {
        // A scheme that the URL standard does not know keeps its host as it was typed.
        Host::Domain(name) if name.is_empty() || name.contains('%') => Err(RelayUrlError::Host),
        Host::Domain(name) => Ok(name.to_ascii_lowercase()),
        Host::Ipv4(address) => Ok(address.to_string()),
        Host::Ipv6(address) => Ok(address.to_string()),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, RelayUrlError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |encoded: &str| {
        percent_decode_str(encoded)
            .decode_utf8()
            .ok()
            // RFC 4616 §2 separates the parts of AUTH PLAIN by NUL.
            .filter(|text| !text.is_empty() && !text.contains(char::is_control))
            .map(std::borrow::Cow::into_owned)
            .ok_or(RelayUrlError::Credentials)
    };
    Ok(Some(Credentials::new(
        decoded(url.username())?,
        decoded(url.password().unwrap_or_default())?,
    )))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u16, Encryption) {
        let url = RelayUrl::parse(text).unwrap();
        (url.host, url.port, url.encryption)
    }

    #[test]
    fn the_scheme_decides_on_encryption_and_port() {
        use Encryption::{Implicit, Opportunistic, StartTls};
        for (text, host, port, encryption) in [
            (
                "smtp://mail.example.org",
                "mail.example.org",
                25,
                Opportunistic,
            ),
            (
                "smtp://Mail.Example.org/",
                "mail.example.org",
                25,
                Opportunistic,
            ),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Opportunistic),
            ("smtp://[::1]:2525", "::1", 2525, Opportunistic),
            (
                "smtp://mail.example.org?tls=opportunistic",
                "mail.example.org",
                25,
                Opportunistic,
            ),
            (
                "smtp://mail.example.org?tls=required",
                "mail.example.org",
                587,
                StartTls,
            ),
            (
                "smtp://mail.example.org:25?tls=required",
                "mail.example.org",
                25,
                StartTls,
            ),
            (
                "smtps://mail.example.org",
                "mail.example.org",
                465,
                Implicit,
            ),
            (
                "smtps://mail.example.org?tls=required",
                "mail.example.org",
                465,
                Implicit,
            ),
            (
                "smtps://mail.example.org:4650",
                "mail.example.org",
                4650,
                Implicit,
            ),
        ] {
            assert_eq!(parsed(text), (host.to_owned(), port, encryption), "{text}");
        }
    }

    #[test]
    fn a_password_crosses_no_network_in_the_clear() {
        use Encryption::{Opportunistic, StartTls};
        for (text, port, encryption) in [
            ("smtp://user:secret@mail.example.org", 587, StartTls),
            ("smtp://user:secret@localhost", 587, Opportunistic),
            ("smtp://user:secret@127.0.0.1", 587, Opportunistic),
            ("smtp://user:secret@[::1]:25", 25, Opportunistic),
        ] {
            let url = RelayUrl::parse(text).unwrap();
            assert_eq!((url.port, url.encryption), (port, encryption), "{text}");
        }
        assert_eq!(
            RelayUrl::parse("smtp://user:secret@mail.example.org?tls=opportunistic").err(),
            Some(RelayUrlError::PasswordInTheClear)
        );
    }

    #[test]
    fn credentials_are_percent_decoded() {
        let url = RelayUrl::parse("smtps://us%40er:p%3Aw%2F%C3%A9@mail.example.org").unwrap();
        assert_eq!(
            url.credentials,
            Some(Credentials::new("us@er".to_owned(), "p:w/é".to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, error) in [
            ("", RelayUrlError::NotAUrl),
            ("mail.example.org", RelayUrlError::NotAUrl),
            ("mail.example.org:25", RelayUrlError::Host),
            ("https://mail.example.org", RelayUrlError::Scheme),
            ("smtp:///", RelayUrlError::Host),
            ("smtp://bücher.example", RelayUrlError::Host),
            ("smtp://mail.example.org/name", RelayUrlError::Tail),
            ("smtp://mail.example.org?tls=yes", RelayUrlError::Tail),
            ("smtp://mail.example.org?TLS=required", RelayUrlError::Tail),
            (
                "smtp://mail.example.org?tls=required&x=1",
                RelayUrlError::Tail,
            ),
            (
                "smtps://mail.example.org?tls=opportunistic",
                RelayUrlError::NeverOpportunistic,
            ),
            ("smtps://user@mail.example.org", RelayUrlError::Credentials),
            (
                "smtps://:secret@mail.example.org",
                RelayUrlError::Credentials,
            ),
            (
                "smtps://user:%ff@mail.example.org",
                RelayUrlError::Credentials,
            ),
            (
                "smtps://user:a%00b@mail.example.org",
                RelayUrlError::Credentials,
            ),
        ] {
            assert_eq!(RelayUrl::parse(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn the_password_cannot_be_printed() {
        let url = RelayUrl::parse("smtps://user:secret@mail.example.org").unwrap();
        assert_eq!(
            format!("{url:?}"),
            "RelayUrl(mail.example.org:465, Implicit)"
        );
    }
}
