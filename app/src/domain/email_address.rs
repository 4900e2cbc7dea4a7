//! An address that a code can be sent to.

use std::fmt;

use email_address::Options;
use thiserror::Error;

/// RFC 5321 §4.5.3.1.1, in octets.
const MAX_LOCAL_PART: usize = 64;
/// RFC 5321 §4.5.3.1.3 (a path of 256 octets less its angle brackets), in octets.
const MAX_ADDRESS: usize = 254;

/// One e-mail address: shown as it was typed, compared by its canonical form.
///
/// The domain is compared by its IDNA form and the local part without regard to case: a relay
/// may treat `Foo` and `foo` as two mailboxes (RFC 5321 §2.4), no provider in use does, and two
/// accounts for one mailbox would be worse.
#[derive(Clone)]
pub struct EmailAddress {
    typed: String,
    local_part: String,
    domain: String,
    canonical: String,
}

/// Why a text is not an address that a code can be sent to.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EmailAddressError {
    #[error("Enter your e-mail address.")]
    Empty,
    #[error("Enter an e-mail address in the form name@example.com.")]
    Malformed,
    #[error("Enter one e-mail address only, without commas, spaces or line breaks.")]
    NotOne,
    #[error(
        "This e-mail address is too long: 64 characters before the @ and 254 in all are allowed."
    )]
    TooLong,
    #[error(
        "Letters before the @ must be plain a to z: mail to other scripts cannot be delivered yet."
    )]
    LocalPartNotAscii,
    #[error("The part after the @ is not a domain that mail can be sent to.")]
    Domain,
}

impl EmailAddress {
    /// Parses what somebody typed; white space around it is forgiven, for keyboards add it.
    ///
    /// # Errors
    /// Says which rule of RFC 5321 the text breaks, in words for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, EmailAddressError> {
        let typed = text.trim();
        if typed.is_empty() {
            return Err(EmailAddressError::Empty);
        }
        if typed
            .chars()
            .any(|c| c == ',' || c == ';' || c.is_whitespace() || c.is_control())
            || typed.matches('@').count() > 1
        {
            return Err(EmailAddressError::NotOne);
        }
        let (local_part, typed_domain) =
            typed.split_once('@').ok_or(EmailAddressError::Malformed)?;
        if local_part.len() > MAX_LOCAL_PART || typed.len() > MAX_ADDRESS {
            return Err(EmailAddressError::TooLong);
        }
        if !local_part.is_ascii() {
            return Err(EmailAddressError::LocalPartNotAscii);
        }
        if local_part.is_empty() || typed_domain.is_empty() || local_part.contains('"') {
            return Err(EmailAddressError::Malformed);
        }
        let domain = domain_to_ascii(typed_domain).ok_or(EmailAddressError::Domain)?;
        let top_level = domain.rsplit('.').next().unwrap_or_default();
        if !domain.contains('.') || top_level.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EmailAddressError::Domain);
        }
        let deliverable = format!("{local_part}@{domain}");
        if deliverable.len() > MAX_ADDRESS {
            return Err(EmailAddressError::TooLong);
        }
        let grammar = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        email_address::EmailAddress::parse_with_options(&deliverable, grammar)
            .map_err(|_| EmailAddressError::Malformed)?;
        Ok(Self {
            typed: typed.to_owned(),
            local_part: local_part.to_owned(),
            canonical: deliverable.to_ascii_lowercase(),
            domain,
        })
    }

    /// As its owner typed it, for showing.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The key by which addresses are the same: lower case, domain in its ASCII form.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Before the @, as typed: a relay is told the spelling that the owner chose.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// After the @, lower case, in its ASCII (IDNA) form.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Enough for an operator to recognise in a log, too little to write to: `f…@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let first = self.canonical.chars().next();
        // Of a very short one the first letter would be half of it.
        let first = first.filter(|_| self.local_part.len() > 2);
        format!(
            "{}…@{}",
            first.map(String::from).unwrap_or_default(),
            self.domain
        )
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for EmailAddress {}

/// Logs get the masked form, whoever forgets to mask.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

/// The IDNA form (UTS 46, non-transitional, with DNS lengths) in lower case.
#[cfg(feature = "ssr")]
fn domain_to_ascii(domain: &str) -> Option<String> {
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
    Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Allow,
            DnsLength::Verify,
        )
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// The browser's own IDNA, which weighs nothing; the server decides in the end.
#[cfg(not(feature = "ssr"))]
fn domain_to_ascii(domain: &str) -> Option<String> {
    #[cfg(feature = "hydrate")]
    {
        if domain.contains(['/', ':', '?', '#', '\\', '%', '[']) {
            return None;
        }
        let url = web_sys::Url::new(&format!("http://{domain}/")).ok()?;
        Some(url.hostname())
    }
    #[cfg(not(feature = "hydrate"))]
    {
        domain.is_ascii().then(|| domain.to_ascii_lowercase())
    }
}

#[cfg(all(test, feature = "ssr"))]
mod properties;

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, EmailAddressError> {
        EmailAddress::parse(text).map(|address| address.canonical().to_owned())
    }

    #[test]
    fn an_ordinary_address_is_accepted_and_shown_as_typed() {
        let address = EmailAddress::parse(" Foo.Bar+news@Bar.COM ").unwrap();
        assert_eq!(address.typed(), "Foo.Bar+news@Bar.COM");
        assert_eq!(address.canonical(), "foo.bar+news@bar.com");
        assert_eq!(address.local_part(), "Foo.Bar+news");
        assert_eq!(address.domain(), "bar.com");
    }

    #[test]
    fn spellings_of_one_mailbox_are_one_address() {
        assert_eq!(
            EmailAddress::parse("foo@bücher.example"),
            EmailAddress::parse("FOO@xn--bcher-kva.example")
        );
    }

    #[test]
    fn more_than_one_address_is_refused() {
        for text in [
            "a@b.example,c@d.example",
            "a@b.example;c@d.example",
            "a@b@c.example",
            "a@b.example\r\nBcc: c@d.example",
            "a b@c.example",
            "a@b.example\0",
        ] {
            assert_eq!(canonical(text), Err(EmailAddressError::NotOne), "{text:?}");
        }
    }

    #[test]
    fn the_lengths_of_rfc_5321_hold() {
        let local = "a".repeat(64);
        assert!(canonical(&format!("{local}@b.example")).is_ok());
        assert_eq!(
            canonical(&format!("a{local}@b.example")),
            Err(EmailAddressError::TooLong)
        );
        let label = "d".repeat(62);
        let domain = format!("{label}.{label}.{label}");
        let fits = format!("{}@{domain}", "a".repeat(64));
        assert_eq!(fits.len(), 253);
        assert!(canonical(&fits).is_ok());
        let over = format!("{}@{domain}.ee", "a".repeat(63));
        assert_eq!(over.len(), 255);
        assert_eq!(canonical(&over), Err(EmailAddressError::TooLong));
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", EmailAddressError::Empty),
            ("   ", EmailAddressError::Empty),
            ("foo", EmailAddressError::Malformed),
            ("@bar.com", EmailAddressError::Malformed),
            ("foo@", EmailAddressError::Malformed),
            (".foo@bar.com", EmailAddressError::Malformed),
            ("foo..bar@bar.com", EmailAddressError::Malformed),
            ("\"foo\"@bar.com", EmailAddressError::Malformed),
            ("<foo@bar.com>", EmailAddressError::Domain),
            ("foo@localhost", EmailAddressError::Domain),
            ("foo@127.0.0.1", EmailAddressError::Domain),
            ("foo@[127.0.0.1]", EmailAddressError::Domain),
            ("foo@bar..com", EmailAddressError::Domain),
            ("😀@bar.com", EmailAddressError::LocalPartNotAscii),
        ] {
            assert_eq!(canonical(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn a_log_never_sees_the_whole_address() {
        let address = EmailAddress::parse("somebody@bar.com").unwrap();
        assert_eq!(format!("{address:?}"), "EmailAddress(s…@bar.com)");
    }
}
