//! Where a composed mail goes, and what can go wrong on the way.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::{Host, Url};

use super::compose::Composed;
use super::mailbox::DevelopmentMailbox;
use super::relay::{RelayLimits, SmtpRelay};
use super::relay_url::{Encryption, RelayUrl};

/// Where mail goes. Clones share the relay's connections, or the mailbox.
#[derive(Clone, Debug)]
pub enum Transport {
    /// To a relay, which brings it to the recipient.
    Smtp(SmtpRelay),
    /// To the development mailbox, because there is no relay.
    Mailbox(DevelopmentMailbox),
}

/// Why a mail is not with the relay. Says neither to whom it was nor what was in it: a relay's
/// own words often repeat the address, so only its reply code is kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DeliveryError {
    /// Worth another try, perhaps after an operator looked at it.
    #[error("{reason}, {step}")]
    Transient { step: Step, reason: Reason },
    /// The relay will never take this mail for this recipient.
    #[error("{reason}, {step}")]
    Permanent { step: Step, reason: Reason },
}

/// How far the conversation with the relay had come (RFC 5321 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking the relay's name up and reaching it.
    Connect,
    /// With `smtps://` the TLS handshake, then the relay's greeting and its answer to EHLO.
    Greeting,
    /// The change to TLS and the EHLO after it.
    StartTls,
    /// The relay's check of user name and password.
    Auth,
    /// `MAIL FROM`, the sender of the envelope.
    Sender,
    /// `RCPT TO`, the recipient.
    Recipient,
    /// `DATA`, the announcement of the message.
    Data,
    /// The message itself, up to the answer to its final dot.
    Message,
}

/// What happened there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The relay answered with this reply code.
    Reply(u16),
    /// No answer within the time limit.
    Timeout,
    /// Nobody listens there.
    Refused,
    /// The name does not resolve, or no route leads there.
    Unreachable,
    /// The connection broke.
    Cut,
    /// The relay hung up, or answered something that is not SMTP.
    NotSmtp,
    /// STARTTLS is required and the relay does not offer it.
    NoStartTls,
    /// The relay offers no way to authenticate that is known here.
    NoAuthentication,
    /// The certificate is signed by nobody that this machine, or `smtp.ca_file`, trusts.
    CertificateUntrusted,
    /// The certificate is for another name than the one in `smtp.url`.
    CertificateName,
    /// The certificate is expired, or not valid yet.
    CertificateExpired,
    /// The certificate or the TLS handshake is bad in another way.
    Tls,
}

impl Transport {
    /// Takes `smtp.url`, `smtp.ca_file`, `public_url` and how patient to be; without `smtp.url` mail goes to a new
    /// development mailbox.
    ///
    /// # Errors
    /// When `smtp.url` cannot be meant, or `smtp.ca_file` holds no certificate.
    pub fn from_config(
        smtp_url: Option<&SecretString>,
        ca_file: Option<&Path>,
        public_url: &Url,
        limits: RelayLimits,
    ) -> anyhow::Result<Self> {
        let Some(smtp_url) = smtp_url else {
            return Ok(Self::Mailbox(DevelopmentMailbox::default()));
        };
        let url = RelayUrl::parse(smtp_url.expose_secret()).context("smtp.url cannot be used")?;
        if url.encryption == Encryption::Opportunistic && !url.is_this_machine() {
            tracing::warn!(
                relay = %url.host,
                "mail crosses the network unencrypted if the relay offers no STARTTLS or somebody \
                 takes the offer away; add ?tls=required to smtp.url"
            );
        }
        let authorities = ca_file
            .map(|path| {
                std::fs::read(path)
                    .with_context(|| format!("smtp.ca_file cannot be read: {}", path.display()))
            })
            .transpose()?;
        let relay = SmtpRelay::new(url, authorities.as_deref(), client_id(public_url), limits)
            .context("smtp.ca_file cannot be used")?;
        Ok(Self::Smtp(relay))
    }

    /// Hands `mail` over. `Ok` means that the relay has answered 250 to the whole message, or
    /// that the development mailbox has it.
    ///
    /// Takes at most [`RelayLimits::delivery`]. A call that is dropped half way leaves it open
    /// whether the relay has the mail.
    ///
    /// # Errors
    /// 4xx answers and everything about the network or the relay as such are transient, also 5xx
    /// answers before `RCPT TO`: they are about the relay or the sender, and an operator can mend
    /// that. 5xx answers from `RCPT TO` on are about this recipient and final (RFC 5321 §4.2.1),
    /// but for 530 and 535, by which a relay asks for a login (RFC 4954 §6), and 503, which is about
    /// the order of commands.
    pub async fn deliver(&self, mail: &Composed) -> Result<(), DeliveryError> {
        match self {
            Self::Smtp(relay) => relay.deliver(mail).await,
            Self::Mailbox(mailbox) => {
                mailbox.deliver(mail);
                Ok(())
            }
        }
    }

    /// Whether mail could be handed over, as far as can be seen without any.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub async fn reach(&self) -> Result<(), DeliveryError> {
        match self {
            Self::Smtp(relay) => relay.reach().await,
            Self::Mailbox(_) => Ok(()),
        }
    }

    /// The development mailbox, if that is where mail goes.
    #[must_use]
    pub fn mailbox(&self) -> Option<&DevelopmentMailbox> {
        match self {
            Self::Smtp(_) => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl DeliveryError {
    /// Sorts a failure into those worth another try and the final ones.
    #[must_use]
    pub fn new(step: Step, reason: Reason) -> Self {
        match (step, reason) {
            (_, Reason::Reply(503 | 530 | 535)) => Self::Transient { step, reason },
            (Step::Recipient | Step::Data | Step::Message, Reason::Reply(500..=599)) => {
                Self::Permanent { step, reason }
            }
            _ => Self::Transient { step, reason },
        }
    }

    /// Whether this is about the one recipient or mail; else it is about the relay.
    #[must_use]
    pub fn is_about_the_mail(&self) -> bool {
        match self {
            Self::Permanent { .. } => true,
            Self::Transient { step, reason } => {
                // Filters put off single mails after the message too; 452 is a relay without room.
                matches!(step, Step::Recipient | Step::Data | Step::Message)
                    && matches!(reason, Reason::Reply(code) if !matches!(code, 421 | 452 | 503 | 530 | 535))
            }
        }
    }

    /// Whether no other try can help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent { .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "on connecting",
            Self::Greeting => "on greeting (EHLO)",
            Self::StartTls => "on the change to TLS (STARTTLS)",
            Self::Auth => "on logging in (AUTH)",
            Self::Sender => "on naming the sender (MAIL FROM)",
            Self::Recipient => "on naming the recipient (RCPT TO)",
            Self::Data => "on announcing the message (DATA)",
            Self::Message => "after the message",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reply(code) => return write!(f, "the relay answered {code}"),
            Self::Timeout => "the relay did not answer in time",
            Self::Refused => "nobody listens at the relay's address and port",
            Self::Unreachable => "the relay's name does not resolve or cannot be reached",
            Self::Cut => "the connection to the relay broke",
            Self::NotSmtp => "the relay hung up or answered something that is not SMTP",
            Self::NoStartTls => "the relay does not offer STARTTLS, which smtp.url requires",
            Self::NoAuthentication => "the relay offers neither AUTH PLAIN nor AUTH LOGIN",
            Self::CertificateUntrusted => {
                "the relay's certificate is signed by nobody trusted here; smtp.ca_file can name \
                 its authority"
            }
            Self::CertificateName => {
                "the relay's certificate is for another name than the one in smtp.url"
            }
            Self::CertificateExpired => "the relay's certificate is expired or not valid yet",
            Self::Tls => "no TLS connection to the relay came about",
        })
    }
}

/// Relays distrust a client without a full name (RFC 5321 §4.1.1.1), and the name of a container
/// is none: so the public name, when there is one, else the machine's.
fn client_id(public_url: &Url) -> ClientId {
    match public_url.host() {
        Some(Host::Domain(name)) if name.contains('.') => ClientId::Domain(name.to_owned()),
        Some(Host::Ipv4(address)) if !address.is_loopback() => ClientId::Ipv4(address),
        Some(Host::Ipv6(address)) if !address.is_loopback() => ClientId::Ipv6(address),
        _ => ClientId::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_this_recipient_or_message_is_final() {
        use Step::{Auth, Connect, Data, Greeting, Message, Recipient, Sender, StartTls};
        for step in [Recipient, Data, Message] {
            assert!(DeliveryError::new(step, Reason::Reply(550)).is_permanent());
            assert!(!DeliveryError::new(step, Reason::Reply(451)).is_permanent());
            for about_us in [503, 530] {
                assert!(!DeliveryError::new(step, Reason::Reply(about_us)).is_permanent());
                assert!(!DeliveryError::new(step, Reason::Reply(about_us)).is_about_the_mail());
            }
            assert!(!DeliveryError::new(step, Reason::Timeout).is_permanent());
            assert!(!DeliveryError::new(step, Reason::NotSmtp).is_permanent());
        }
        for step in [Connect, Greeting, StartTls, Auth, Sender] {
            assert!(!DeliveryError::new(step, Reason::Reply(554)).is_permanent());
        }
    }

    #[test]
    fn an_error_says_in_words_what_happened_and_when() {
        assert_eq!(
            DeliveryError::new(Step::Recipient, Reason::Reply(550)).to_string(),
            "the relay answered 550, on naming the recipient (RCPT TO)"
        );
    }

    #[test]
    fn the_relay_is_told_a_full_name_where_there_is_one() {
        for (url, name) in [
            ("https://sign-up.example.org:8443", "sign-up.example.org"),
            ("https://192.0.2.1", "[192.0.2.1]"),
            ("https://[2001:db8::1]", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(client_id(&Url::parse(url).unwrap()).to_string(), name);
        }
        assert_eq!(
            client_id(&Url::parse("https://localhost:8443").unwrap()),
            ClientId::default()
        );
    }

    #[test]
    fn without_a_relay_mail_goes_to_the_development_mailbox() {
        let url = Url::parse("https://localhost:8443").unwrap();
        let transport = Transport::from_config(None, None, &url, RelayLimits::default()).unwrap();
        assert!(transport.mailbox().is_some());
    }

    #[test]
    fn a_relay_that_cannot_be_meant_is_refused_without_repeating_its_password() {
        let url = Url::parse("https://localhost:8443").unwrap();
        let smtp_url = SecretString::from("http://user:secret@mail.example.org");
        let error = Transport::from_config(Some(&smtp_url), None, &url, RelayLimits::default())
            .unwrap_err();
        let shown = format!("{error:#}");
        assert!(
            shown.contains("smtp.url") && shown.contains("smtps://"),
            "{shown}"
        );
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let url = Url::parse("https://localhost:8443").unwrap();
        let smtp_url = SecretString::from("smtps://mail.example.org");
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/nowhere/ca.pem")] {
            let error =
                Transport::from_config(Some(&smtp_url), Some(path), &url, RelayLimits::default())
                    .unwrap_err();
            assert!(format!("{error:#}").contains("smtp.ca_file"), "{error:#}");
        }
    }
}
