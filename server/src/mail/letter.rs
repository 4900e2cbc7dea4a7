//! What somebody is told by mail. The words stand in `templates/mail`, a folder for each language.

use std::fmt;

use askama::Template;
use latchkey_app::domain::{EmailAddress, VerificationCode};
use latchkey_app::language::Language;

/// What somebody is told by mail.
#[derive(Clone, Debug)]
pub enum Letter {
    /// The code that proves this mailbox.
    Code {
        to: EmailAddress,
        language: Language,
        code: VerificationCode,
        /// The claim's short reference, which the page shows as well.
        reference: String,
        /// How long the code lives once the relay has taken the mail.
        ttl_seconds: u32,
        /// What the link by which this sign-up can be disowned carries.
        disown_token: LinkToken,
    },
    /// Somebody signed up with an address that has an account already.
    AlreadyRegistered {
        to: EmailAddress,
        language: Language,
    },
    /// An operator tries the relay.
    Test {
        to: EmailAddress,
        language: Language,
    },
}

/// A token for a link: letters, digits, `-` and `_`. Cannot be printed.
#[derive(Clone)]
pub struct LinkToken(pub String);

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken")
    }
}

impl Letter {
    /// Whom it is for.
    #[must_use]
    pub fn to(&self) -> &EmailAddress {
        match self {
            Self::Code { to, .. } | Self::AlreadyRegistered { to, .. } | Self::Test { to, .. } => {
                to
            }
        }
    }

    /// In which language it is.
    #[must_use]
    pub fn language(&self) -> Language {
        match self {
            Self::Code { language, .. }
            | Self::AlreadyRegistered { language, .. }
            | Self::Test { language, .. } => *language,
        }
    }

    /// Puts it into words, in the name of a service.
    pub(super) fn contents(&self, from: &Service) -> Result<Contents, askama::Error> {
        let Service {
            name: service,
            base_url,
            host,
        } = from;
        let language = self.language();
        match self {
            Self::Code {
                code,
                reference,
                ttl_seconds,
                disown_token: LinkToken(token),
                ..
            } => {
                let mail = &CodeMail {
                    language,
                    service,
                    host,
                    code: code.expose(),
                    reference,
                    lifetime: in_words(*ttl_seconds, language),
                    verify_url: format!("{base_url}/verify"),
                    not_me_url: format!("{base_url}/not-me?t={token}"),
                };
                contents(CodeSubject { mail }, CodeText { mail }, CodeHtml { mail })
            }
            Self::AlreadyRegistered { .. } => {
                let mail = &ServiceMail {
                    language,
                    service,
                    base_url,
                };
                contents(
                    AlreadyRegisteredSubject { mail },
                    AlreadyRegisteredText { mail },
                    AlreadyRegisteredHtml { mail },
                )
            }
            Self::Test { .. } => {
                let mail = &ServiceMail {
                    language,
                    service,
                    base_url,
                };
                contents(TestSubject { mail }, TestText { mail }, TestHtml { mail })
            }
        }
    }
}

/// Who writes.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// One line.
    pub(super) name: String,
    /// `public_url` without a slash at its end.
    pub(super) base_url: String,
    /// Of `public_url`, without the port.
    pub(super) host: String,
}

/// A letter in words.
pub(super) struct Contents {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

fn contents(
    subject: impl Template,
    text: impl Template,
    html: impl Template,
) -> Result<Contents, askama::Error> {
    Ok(Contents {
        subject: subject.render()?.trim().to_owned(),
        text: text.render()?,
        html: html.render()?,
    })
}

/// The code stands at the end of the subject, where the notification of a phone or a watch still
/// shows it, and in the last line of the text in the form that phones fill in for this origin
/// alone (WICG, Origin-bound one-time codes §4).
struct CodeMail<'a> {
    language: Language,
    service: &'a str,
    host: &'a str,
    code: &'a str,
    reference: &'a str,
    lifetime: String,
    verify_url: String,
    not_me_url: String,
}

struct ServiceMail<'a> {
    language: Language,
    service: &'a str,
    base_url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/code_subject.txt")]
struct CodeSubject<'a> {
    mail: &'a CodeMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/code.txt")]
struct CodeText<'a> {
    mail: &'a CodeMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/code.html")]
struct CodeHtml<'a> {
    mail: &'a CodeMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/already_registered_subject.txt")]
struct AlreadyRegisteredSubject<'a> {
    mail: &'a ServiceMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/already_registered.txt")]
struct AlreadyRegisteredText<'a> {
    mail: &'a ServiceMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/already_registered.html")]
struct AlreadyRegisteredHtml<'a> {
    mail: &'a ServiceMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/test_subject.txt")]
struct TestSubject<'a> {
    mail: &'a ServiceMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/test.txt")]
struct TestText<'a> {
    mail: &'a ServiceMail<'a>,
}

#[derive(Template)]
#[template(path = "mail/test.html")]
struct TestHtml<'a> {
    mail: &'a ServiceMail<'a>,
}

fn in_words(seconds: u32, language: Language) -> String {
    let (count, is_minutes) = if seconds > 0 && seconds.is_multiple_of(60) {
        (seconds / 60, true)
    } else {
        (seconds, false)
    };
    let unit = match (language, is_minutes) {
        (_, true) => "minute",
        (Language::En, false) => "second",
        (Language::Fr, false) => "seconde",
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_said_in_words() {
        for (seconds, english, french) in [
            (1, "1 second", "1 seconde"),
            (45, "45 seconds", "45 secondes"),
            (60, "1 minute", "1 minute"),
            (90, "90 seconds", "90 secondes"),
            (600, "10 minutes", "10 minutes"),
        ] {
            assert_eq!(in_words(seconds, Language::En), english);
            assert_eq!(in_words(seconds, Language::Fr), french);
        }
    }
}
