//! What a deed answers, before it becomes JSON or a page.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use latchkey_app::answer::{Answer, Refusal};
use latchkey_app::language::Language;
use latchkey_app::texts::{Message, key};
use latchkey_app::view::{FieldErrors, PendingClaim};
use serde::Serialize;
use utoipa::ToSchema;

use crate::registration::RegistrationError;
use crate::store::{BudgetKind, Limited};

/// A deed was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success {
    #[schema(example = "success")]
    pub status: &'static str,
    /// A sentence for whoever reads the answer.
    pub message: &'static str,
    /// The verification code: in development only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0746", pattern = "^[0-9]{4,8}$")]
    pub code: Option<String>,
    /// The claim as it stands, for the session that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ClaimState>)]
    pub claim: Option<PendingClaim>,
}

/// Describes [`PendingClaim`], which the browser knows as well and this library's macros do not.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a type of another crate")]
pub struct ClaimState {
    /// The address as typed.
    email: String,
    /// The short reference that the mail shows too.
    #[schema(example = "K7QD", pattern = "^[A-Z0-9]{4}$")]
    reference: String,
    mail: MailProgress,
    /// Milliseconds until the code is stale; while its mail is queued, what it will have.
    code_expires_in_ms: u64,
    /// Guesses left for the current code.
    attempts_left: u32,
    /// Seconds until another mail may be asked for.
    resend_in_seconds: u64,
}

/// What has become of a mail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a type of another crate")]
pub enum MailProgress {
    /// Not yet taken by the relay.
    Queued,
    /// The relay answered 250: the code's life counts from then.
    Taken,
    /// The relay refused it for good.
    Refused,
}

impl Success {
    /// A deed done, with nothing more to tell.
    pub fn new(message: &'static str) -> Self {
        Self {
            status: "success",
            message,
            code: None,
            claim: None,
        }
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// A deed was refused.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: Kind,
    /// A sentence that says what to do.
    message: Message,
    /// Boxed, for a problem travels as the error of many a `Result`.
    words: Box<Words>,
    pub attempts_left: Option<u32>,
    pub retry_after: Option<Duration>,
}

/// What there is to say beside the sentence.
#[derive(Clone, Debug, Default)]
struct Words {
    faults: Faults,
    /// The sentence for people, where a page can say more to them than an API to a program.
    for_people: Option<Message>,
    /// The sentence for people, where it stands beside their code.
    beside_code: Option<Message>,
}

/// What is wrong with which field.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub email: Option<Message>,
    pub password: Option<Message>,
    pub verification_code: Option<Message>,
}

/// Who is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Is told in English what the contract says, whatever it would like to read.
    Program,
    /// Reads a page in this language.
    Person(Language),
}

/// The stable reasons; each has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    BadRequest,
    Unauthorized,
    CodeWrong,
    CrossSite,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    EmailTaken,
    AlreadyVerified,
    OtherSignUp,
    CodeStale,
    LinkStale,
    NotVerified,
    TooLarge,
    UriTooLong,
    UnsupportedMediaType,
    Invalid,
    RateLimited,
    HeadersTooLarge,
    Internal,
    Unavailable,
}

impl Kind {
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::CodeWrong | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::EmailTaken | Self::AlreadyVerified | Self::NotVerified | Self::OtherSignUp => {
                StatusCode::CONFLICT
            }
            Self::CodeStale | Self::LinkStale => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::AlreadyVerified => Refusal::AlreadyVerified,
            Self::CodeStale => Refusal::CodeStale,
            Self::CodeWrong => Refusal::CodeWrong,
            Self::NotVerified => Refusal::NotVerified,
            Self::Unauthorized => Refusal::Unauthorized,
            _ => Refusal::Other,
        }
    }
}

/// The JSON of a refused deed.
#[derive(Serialize, ToSchema)]
pub struct Failure {
    #[schema(example = "failed")]
    status: &'static str,
    /// A sentence that says what to do.
    message: String,
    /// The stable reason.
    error: Kind,
    /// One sentence for each field at fault.
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    fields: FieldErrors,
    /// Guesses left after a wrong code.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
}

impl Problem {
    /// Refuses with a sentence that says what to do.
    pub fn new(kind: Kind, message: impl Into<Message>) -> Self {
        Self {
            kind,
            message: message.into(),
            words: Box::default(),
            attempts_left: None,
            retry_after: None,
        }
    }

    /// Refuses because of what stands in some fields; their sentences are all there is to say.
    pub fn in_fields(kind: Kind, faults: Faults) -> Self {
        let words = Words {
            faults,
            ..Words::default()
        };
        Self {
            words: Box::new(words),
            ..Self::new(kind, key::ERROR_BAD_REQUEST)
        }
    }

    /// The same, for a while.
    #[must_use]
    pub fn until(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// The same, with another sentence for people.
    #[must_use]
    pub fn for_people(mut self, message: impl Into<Message>) -> Self {
        self.words.for_people = Some(message.into());
        self
    }

    /// The same, with another sentence for people beside their code.
    #[must_use]
    pub fn beside_code(mut self, message: impl Into<Message>) -> Self {
        self.words.beside_code = Some(message.into());
        self
    }

    /// The same for a page that stays: what is broken here is told with what the log knows it by.
    #[must_use]
    pub fn with_reference(self, reference: Option<&str>) -> Self {
        match reference {
            Some(reference) if self.kind == Kind::Internal => {
                self.for_people(key::ERROR_INTERNAL_QUOTE.with("reference", reference))
            }
            _ => self,
        }
    }

    /// Whether the same may work in a moment.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.kind,
            Kind::RateLimited | Kind::Internal | Kind::Unavailable
        )
    }

    /// What is wrong with the code, if that is what is at fault.
    pub fn fault_of_code(&self) -> Option<Message> {
        self.words.faults.verification_code.clone()
    }

    /// Refuses because it is too much right now.
    pub fn unavailable(retry_after: Duration) -> Self {
        Self::new(Kind::Unavailable, key::ERROR_UNAVAILABLE).until(retry_after)
    }

    /// Refuses because a budget is spent, and says when to come back.
    pub fn limited(limited: Limited, now: DateTime<Utc>) -> Self {
        let what = match limited.kind {
            BudgetKind::SignUps => key::LIMITED_SIGN_UPS,
            BudgetKind::Mails => key::LIMITED_MAILS,
            BudgetKind::FailedPasswords => key::LIMITED_FAILED_PASSWORDS,
            BudgetKind::AddressMails => key::LIMITED_ADDRESS_MAILS,
            BudgetKind::AllSignUps => key::LIMITED_ALL_SIGN_UPS,
            BudgetKind::SignIns => key::LIMITED_SIGN_INS,
        };
        Self::too_soon(what, (limited.until - now).to_std().unwrap_or_default())
    }

    /// Refuses for a while. The sentence has a place for a [`wait`](key::WAIT).
    pub fn too_soon(message: impl Into<Message>, wait: Duration) -> Self {
        let (count, unit) = in_units(wait);
        let message = message.into().with("count", count).with("unit", unit);
        Self::new(Kind::RateLimited, message).until(wait)
    }

    /// Something is broken here.
    pub fn internal() -> Self {
        Self::new(Kind::Internal, key::ERROR_INTERNAL)
    }

    /// What the page that the problem comes up on has to show.
    pub fn tell(&self, listener: Listener) -> Answer {
        let (language, for_people, beside_code) = match listener {
            Listener::Program => (Language::default(), None, None),
            Listener::Person(language) => {
                let words = &self.words;
                (
                    language,
                    words.for_people.as_ref(),
                    words.beside_code.as_ref(),
                )
            }
        };
        let say = |message: &Message| message.in_language(language);
        let Faults {
            email,
            password,
            verification_code,
        } = &self.words.faults;
        let fields = FieldErrors {
            email: email.as_ref().map(say),
            password: password.as_ref().map(say),
            verification_code: beside_code.or(verification_code.as_ref()).map(say),
        };
        let mut message = say(for_people.unwrap_or(&self.message));
        let sentences: Vec<&str> = [&fields.email, &fields.password, &fields.verification_code]
            .into_iter()
            .filter_map(|field| field.as_deref())
            .collect();
        if !sentences.is_empty() {
            message = sentences.join(" ");
        }
        Answer {
            message,
            refusal: Some(self.kind.refusal()),
            fields,
            attempts_left: self.attempts_left,
            claim: None,
        }
    }

    /// The same for whoever reads JSON.
    pub fn into_json(self, listener: Listener) -> Response {
        let Answer {
            message, fields, ..
        } = self.tell(listener);
        let failure = Failure {
            status: "failed",
            message,
            error: self.kind,
            fields,
            attempts_left: self.attempts_left,
        };
        (self.kind.status(), Json(failure)).into_response()
    }

    /// The headers that say what the status alone does not.
    pub fn add_headers(&self, from_page: bool, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            // Who comes back when told must not be too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        if self.kind == Kind::Unauthorized {
            // RFC 9110 §15.5.2 wants a challenge; Basic would open the browser's own password
            // dialogue over the page that has just said what is wrong.
            headers.insert(
                WWW_AUTHENTICATE,
                if from_page {
                    HeaderValue::from_static(r#"Form realm="Latchkey""#)
                } else {
                    HeaderValue::from_static(r#"Basic realm="Latchkey", charset="UTF-8""#)
                },
            );
        }
    }
}

/// A wait as a person would say it, never shorter than it is.
fn in_units(wait: Duration) -> (u64, &'static str) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match seconds {
        0..=90 => (seconds.max(1), "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    }
}

/// Leaves undressed: [`super::errors::dress`] makes JSON or a page of it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<RegistrationError> for Problem {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Busy { retry_after } => {
                tracing::warn!("too many passwords wait to be hashed");
                Self::unavailable(retry_after)
            }
            RegistrationError::Store(error) => {
                tracing::error!(%error, "the store failed");
                // A store that fails in the middle may still come to write what it was given.
                Self::new(Kind::Unavailable, key::ERROR_STORE).until(Duration::from_secs(5))
            }
            error @ (RegistrationError::Hashing(_) | RegistrationError::Entropy(_)) => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_the_unit_that_fits() {
        for (seconds, words) in [
            (0.2, "1 second"),
            (59.1, "60 seconds"),
            (91.0, "2 minutes"),
            (3_600.0, "60 minutes"),
            (5_401.0, "2 hours"),
            (86_400.0, "24 hours"),
        ] {
            let (count, unit) = in_units(Duration::from_secs_f64(seconds));
            let wait = key::WAIT.with("count", count).with("unit", unit);
            assert_eq!(wait.in_language(Language::En), words);
        }
    }

    #[test]
    fn who_comes_back_when_told_is_not_too_early() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let limited = Limited {
            kind: BudgetKind::SignUps,
            until: now + chrono::Duration::milliseconds(1_001),
        };
        let problem = Problem::limited(limited, now);
        let mut response = ().into_response();
        problem.add_headers(false, &mut response);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }
}
