//! From a letter to the message that goes over the wire.

use std::fmt;

use chrono::{DateTime, Utc};
use latchkey_app::domain::EmailAddress;
use lettre::address::{Address, AddressError, Envelope};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use thiserror::Error;
use url::Url;
use zeroize::Zeroize;

use super::letter::{Contents, Letter, Service};

/// In characters: a subject is one line, of at most 998 octets (RFC 5322 §2.1.1).
const MAX_SERVICE_NAME: usize = 80;
/// In octets: with the domain after it, the header still fits one line.
const MAX_MESSAGE_ID: usize = 128;

/// A message ready for a relay. Its `Debug` form shows nothing of it.
#[derive(Clone)]
pub struct Composed {
    /// Who the relay is told it is from and for; ASCII throughout.
    pub envelope: Envelope,
    /// As RFC 5322 writes it: CRLF line ends, ASCII only, so that any relay can carry it.
    pub message: String,
    /// What its `Date` says.
    pub date: DateTime<Utc>,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A code stands in it, four times over.
impl Drop for Composed {
    fn drop(&mut self) {
        self.message.zeroize();
        self.subject.zeroize();
        self.text.zeroize();
        self.html.zeroize();
    }
}

/// Why a letter could not be composed. None of it is the recipient's doing.
#[derive(Debug, Error)]
pub enum ComposeError {
    #[error("mail.from: the part before the @ must be ASCII")]
    FromLocalPart,
    #[error("mail.from: the part after the @ is not a domain")]
    FromDomain,
    #[error("public_url has no host")]
    PublicUrl,
    #[error("a message id may hold letters, digits, dots, dashes and underscores only")]
    MessageId,
    #[error("the recipient's address does not fit an envelope")]
    Recipient(#[source] AddressError),
    #[error("the template failed")]
    Template(#[from] askama::Error),
    #[error("the message could not be built")]
    Message(#[from] lettre::error::Error),
    #[error("the message is not text")]
    NotText,
}

/// Composes every letter of this service.
#[derive(Clone, Debug)]
pub struct Composer {
    service: Service,
    from: Mailbox,
    envelope_from: Address,
}

impl Composer {
    /// Takes `service.name`, `public_url`, `mail.from` and `mail.envelope_from`.
    ///
    /// Names may hold anything: what cannot stand in one line becomes a space, the rest is
    /// encoded. Bounces go to `envelope_from`, or else to `from`.
    ///
    /// # Errors
    /// When a sender's address could not be told to a relay without SMTPUTF8, or `public_url`
    /// has no host.
    pub fn new(
        service_name: &str,
        public_url: &Url,
        from: &Mailbox,
        envelope_from: Option<&Address>,
    ) -> Result<Self, ComposeError> {
        let from_address = ascii_address(&from.email)?;
        let from_name = from
            .name
            .as_deref()
            .map(one_line)
            .filter(|name| !name.is_empty());
        Ok(Self {
            service: Service {
                name: one_line(service_name),
                base_url: public_url.as_str().trim_end_matches('/').to_owned(),
                host: public_url
                    .host_str()
                    .ok_or(ComposeError::PublicUrl)?
                    .to_owned(),
            },
            envelope_from: envelope_from.map_or(Ok(from_address.clone()), ascii_address)?,
            from: Mailbox::new(from_name, from_address),
        })
    }

    /// Composes `letter` with the `Message-ID` `<message_id@host of mail.from>`.
    ///
    /// A retry passes the same `message_id`, so that a mail sent twice is one mail in the
    /// mailbox of those who look at it (RFC 5322 §3.6.4).
    ///
    /// # Errors
    /// When `message_id` could break out of its header, or the message cannot be built.
    pub fn compose(
        &self,
        letter: &Letter,
        message_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Composed, ComposeError> {
        let message_id = self.message_id(message_id)?;
        let to = recipient(letter.to())?;
        let Contents {
            subject,
            text,
            html,
        } = letter.contents(&self.service)?;
        let envelope = Envelope::new(Some(self.envelope_from.clone()), vec![to.clone()])?;
        let message = Message::builder()
            .message_id(Some(message_id))
            .date(now.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject.clone())
            .header(AutoSubmitted)
            .header(ContentLanguage(letter.language().tag()))
            .envelope(envelope.clone())
            .multipart(MultiPart::alternative_plain_html(
                text.clone(),
                html.clone(),
            ))?
            .formatted();
        let message = String::from_utf8(message).map_err(|_| ComposeError::NotText)?;
        Ok(Composed {
            envelope,
            message,
            date: now,
            subject,
            text,
            html,
        })
    }

    fn message_id(&self, id: &str) -> Result<String, ComposeError> {
        let is_plain = (1..=MAX_MESSAGE_ID).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        is_plain
            .then(|| format!("<{id}@{}>", self.from.email.domain()))
            .ok_or(ComposeError::MessageId)
    }
}

impl Composed {
    /// The recipient as the relay is told it.
    #[must_use]
    pub fn to(&self) -> String {
        self.envelope
            .to()
            .first()
            .map_or_else(String::new, Address::to_string)
    }
}

/// The message holds a code and the envelope an address: a log gets neither.
impl fmt::Debug for Composed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Composed({} bytes)", self.message.len())
    }
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5): out-of-office replies leave it alone.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// `Content-Language` (RFC 3282): screen readers and translators go by it.
#[derive(Clone)]
struct ContentLanguage(&'static str);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(""))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.to_owned())
    }
}

/// One line of text: white space and control characters become single spaces.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(MAX_SERVICE_NAME)
        .collect()
}

/// The domain goes out in its IDNA form: no relay needs SMTPUTF8 for it (RFC 6531 §3.2).
fn recipient(address: &EmailAddress) -> Result<Address, ComposeError> {
    Address::new(address.local_part(), address.domain()).map_err(ComposeError::Recipient)
}

fn ascii_address(address: &Address) -> Result<Address, ComposeError> {
    if !address.user().is_ascii() {
        return Err(ComposeError::FromLocalPart);
    }
    if address.domain().is_ascii() {
        return Ok(address.clone());
    }
    let domain = url::Host::parse(address.domain()).map_err(|_| ComposeError::FromDomain)?;
    Address::new(address.user(), domain.to_string()).map_err(|_| ComposeError::FromDomain)
}

#[cfg(test)]
mod tests {
    use latchkey_app::domain::VerificationCode;
    use latchkey_app::language::Language;
    use mail_parser::{MessageParser, MimeHeaders};

    use super::super::letter::LinkToken;
    use super::*;

    fn composer(service_name: &str, from: &str) -> Composer {
        Composer::new(
            service_name,
            &Url::parse("https://sign-up.example.org:8443/").unwrap(),
            &from.parse().unwrap(),
            None,
        )
        .unwrap()
    }

    fn latchkey() -> Composer {
        composer("Latchkey", "Latchkey <no-reply@example.org>")
    }

    fn code_letter(to: &str) -> Letter {
        code_letter_in(Language::En, to)
    }

    fn code_letter_in(language: Language, to: &str) -> Letter {
        Letter::Code {
            to: EmailAddress::parse(to).unwrap(),
            language,
            code: VerificationCode::parse("0746").unwrap(),
            reference: "K7QD".to_owned(),
            ttl_seconds: 60,
            disown_token: LinkToken("AbCdEfGhIjKlMnOpQrStUvWxYz0".to_owned()),
        }
    }

    /// Every letter there is, in every language.
    fn letters() -> Vec<Letter> {
        let to = || EmailAddress::parse("foo@bar.com").unwrap();
        let of = |language| {
            [
                code_letter_in(language, "foo@bar.com"),
                Letter::AlreadyRegistered { to: to(), language },
                Letter::Test { to: to(), language },
            ]
        };
        Language::ALL.into_iter().flat_map(of).collect()
    }

    fn compose(composer: &Composer, letter: &Letter) -> Composed {
        let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        composer.compose(letter, "claim-42.1", now).unwrap()
    }

    fn head(composed: &Composed) -> &str {
        composed.message.split_once("\r\n\r\n").unwrap().0
    }

    #[test]
    fn a_code_mail_has_the_headers_of_an_automatic_message() {
        let composed = compose(&latchkey(), &code_letter("Foo@Bar.com"));
        let head: Vec<&str> = head(&composed).split("\r\n").collect();
        for line in [
            "Message-ID: <claim-42.1@example.org>",
            "Date: Thu, 28 May 2026 20:26:40 +0000",
            "From: Latchkey <no-reply@example.org>",
            "To: Foo@bar.com",
            "Subject: Latchkey: your code is 0746",
            "Auto-Submitted: auto-generated",
            "Content-Language: en",
            "MIME-Version: 1.0",
        ] {
            assert!(head.contains(&line), "{line} is missing in {head:#?}");
        }
    }

    #[test]
    fn a_code_mail_reads_the_same_in_text_and_html() {
        let composed = compose(&latchkey(), &code_letter("foo@bar.com"));
        let message = MessageParser::new().parse(&composed.message).unwrap();
        assert!(message.content_type().unwrap().c_subtype.as_deref() == Some("alternative"));
        let text = message.body_text(0).unwrap();
        let html = message.body_html(0).unwrap();
        for part in [&text, &html] {
            for word in [
                "0746",
                "K7QD",
                "1 minute",
                "https://sign-up.example.org:8443/verify",
                "https://sign-up.example.org:8443/not-me?t=AbCdEfGhIjKlMnOpQrStUvWxYz0",
                "ignore this mail",
            ] {
                assert!(part.contains(word), "{word} is missing in {part}");
            }
        }
    }

    #[test]
    fn a_mail_is_in_the_language_of_whoever_signed_up() {
        let letter = code_letter_in(Language::Fr, "foo@bar.com");
        let composed = compose(&latchkey(), &letter);
        assert!(composed.message.is_ascii());
        assert!(head(&composed).contains("Content-Language: fr"));
        let message = MessageParser::new().parse(&composed.message).unwrap();
        assert_eq!(
            message.subject(),
            Some("Latchkey\u{a0}: votre code est 0746")
        );
        let text = message.body_text(0).unwrap();
        let html = message.body_html(0).unwrap();
        assert!(html.contains("<html lang=\"fr\">"), "{html}");
        for part in [&text, &html] {
            for word in ["0746", "K7QD", "Référence", "1 minute", "/not-me?t=AbC"] {
                assert!(part.contains(word), "{word} is missing in {part}");
            }
        }
    }

    #[test]
    fn the_code_stands_alone_and_the_last_line_is_bound_to_the_origin() {
        for language in Language::ALL {
            let letter = code_letter_in(language, "foo@bar.com");
            let text = compose(&latchkey(), &letter).text.clone();
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines.contains(&"0746"), "{lines:#?}");
            assert_eq!(lines.last(), Some(&"@sign-up.example.org #0746"));
        }
    }

    #[test]
    fn text_is_narrow_enough_for_a_terminal() {
        for letter in letters() {
            let composed = compose(&latchkey(), &letter);
            for line in composed.text.lines() {
                assert!(line.chars().count() <= 72, "{line}");
                assert_eq!(line.trim_end(), line);
            }
            assert!(!composed.subject.contains(['\r', '\n']));
            assert!(!composed.text.starts_with(char::is_whitespace));
        }
    }

    #[test]
    fn html_fetches_nothing_from_anywhere() {
        for letter in letters() {
            let html = compose(&latchkey(), &letter).html.clone();
            for word in ["<img", "<link", "<script", "src=", "url(", "@import"] {
                assert!(!html.contains(word), "{word} in {html}");
            }
        }
    }

    #[test]
    fn an_account_holder_is_told_without_a_code() {
        let letter = Letter::AlreadyRegistered {
            to: EmailAddress::parse("foo@bar.com").unwrap(),
            language: Language::En,
        };
        let composed = compose(&latchkey(), &letter);
        assert_eq!(composed.subject, "Latchkey: you already have an account");
        for part in [&composed.text, &composed.html] {
            assert!(part.contains("https://sign-up.example.org:8443"), "{part}");
            assert!(part.contains("Nothing has changed"), "{part}");
        }
    }

    #[test]
    fn the_envelope_is_ascii_and_its_sender_can_be_set() {
        let composer = Composer::new(
            "Latchkey",
            &Url::parse("https://localhost:8443").unwrap(),
            &"Latchkey <no-reply@bücher.example>".parse().unwrap(),
            Some(&"bounces@mail.example.org".parse().unwrap()),
        )
        .unwrap();
        let composed = compose(&composer, &code_letter("foo@BÜCHER.example"));
        assert_eq!(composed.to(), "foo@xn--bcher-kva.example");
        assert_eq!(
            composed.envelope.from().unwrap().to_string(),
            "bounces@mail.example.org"
        );
        assert!(composed.message.is_ascii());
        assert!(head(&composed).contains("From: Latchkey <no-reply@xn--bcher-kva.example>"));
        assert!(head(&composed).contains("Message-ID: <claim-42.1@xn--bcher-kva.example>"));
    }

    #[test]
    fn bounces_go_to_the_sender_unless_told_otherwise() {
        let composed = compose(&latchkey(), &code_letter("foo@bar.com"));
        assert_eq!(
            composed.envelope.from().unwrap().to_string(),
            "no-reply@example.org"
        );
    }

    #[test]
    fn a_name_in_any_script_arrives_whole() {
        let composer = composer("Zoë’s 鍵 & <Söhne>", "Zoë’s 鍵 <no-reply@example.org>");
        let composed = compose(&composer, &code_letter("foo@bar.com"));
        assert!(composed.message.is_ascii());
        let message = MessageParser::new().parse(&composed.message).unwrap();
        assert_eq!(
            message.subject(),
            Some("Zoë’s 鍵 & <Söhne>: your code is 0746")
        );
        let from = message.from().unwrap().first().unwrap();
        assert_eq!(from.name(), Some("Zoë’s 鍵"));
        assert_eq!(from.address(), Some("no-reply@example.org"));
        assert!(message.body_text(0).unwrap().contains("Zoë’s 鍵 & <Söhne>"));
        assert!(!message.body_html(0).unwrap().contains("<Söhne>"));
    }

    #[test]
    fn a_name_cannot_add_a_header_or_a_recipient() {
        for name in [
            "Evil\r\nBcc: victim@example.com",
            "Evil\nBcc: victim@example.com",
            "Evil\rBcc: victim@example.com",
            "Evil\u{85}Bcc: victim@example.com",
            "Evil\u{2028}Bcc: victim@example.com",
            "Evil\0\u{7f}\r\n\r\nBcc: victim@example.com",
            "\" <victim@example.com>, \"",
        ] {
            let from = Mailbox::new(
                Some(name.to_owned()),
                "no-reply@example.org".parse().unwrap(),
            );
            let url = Url::parse("https://example.org").unwrap();
            let composer = Composer::new(name, &url, &from, None).unwrap();
            let composed = compose(&composer, &code_letter("foo@bar.com"));
            let message = MessageParser::new().parse(&composed.message).unwrap();
            assert!(message.bcc().is_none(), "{name:?}");
            assert_eq!(message.from().unwrap().iter().count(), 1, "{name:?}");
            assert_eq!(message.to().unwrap().iter().count(), 1, "{name:?}");
            assert_eq!(composed.to(), "foo@bar.com");
            assert!(message.subject().unwrap().ends_with("0746"), "{name:?}");
            assert_eq!(composed.text.lines().last(), Some("@example.org #0746"));
        }
    }

    #[test]
    fn no_line_is_longer_than_a_relay_takes() {
        for name in ["n".repeat(3000), "ñ".repeat(3000), "n ".repeat(3000)] {
            let from = Mailbox::new(Some(name.clone()), "no-reply@example.org".parse().unwrap());
            let url = Url::parse("https://example.org").unwrap();
            let composer = Composer::new(&name, &url, &from, None).unwrap();
            let composed = compose(&composer, &code_letter("foo@bar.com"));
            assert!(composed.message.split("\r\n").all(|line| line.len() <= 998));
            assert!(!composed.message.replace("\r\n", "").contains(['\r', '\n']));
        }
    }

    #[test]
    fn a_message_id_cannot_break_out_of_its_header() {
        let now = DateTime::from_timestamp(0, 0).unwrap();
        for id in ["", "a b", "a\r\nBcc: x", "a@b", "a>", &"a".repeat(129)] {
            assert!(matches!(
                latchkey().compose(&code_letter("foo@bar.com"), id, now),
                Err(ComposeError::MessageId)
            ));
        }
    }

    #[test]
    fn a_sender_that_not_every_relay_can_be_told_is_refused() {
        let from = Mailbox::new(None, Address::new_dangerous("zoë", "example.org"));
        let url = Url::parse("https://example.org").unwrap();
        assert!(matches!(
            Composer::new("Latchkey", &url, &from, None),
            Err(ComposeError::FromLocalPart)
        ));
    }

    #[test]
    fn nothing_of_a_letter_can_be_printed() {
        let letter = code_letter("somebody@bar.com");
        let composed = compose(&latchkey(), &letter);
        for shown in [format!("{letter:?}"), format!("{composed:?}")] {
            assert!(!shown.contains("0746"), "{shown}");
            assert!(!shown.contains("somebody"), "{shown}");
            assert!(!shown.contains("AbCd"), "{shown}");
        }
    }
}
