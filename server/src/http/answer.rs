//! What a deed answers, before it becomes JSON or a page.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use latchkey_app::answer::{Answer, Refusal};
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
    pub message: String,
    /// Boxed, for a problem travels as the error of many a `Result`.
    pub fields: Box<FieldErrors>,
    pub attempts_left: Option<u32>,
    pub retry_after: Option<Duration>,
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
            Self::EmailTaken | Self::AlreadyVerified | Self::OtherSignUp => StatusCode::CONFLICT,
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
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fields: Box::default(),
            attempts_left: None,
            retry_after: None,
        }
    }

    /// Refuses because of what stands in some fields.
    pub fn in_fields(kind: Kind, fields: FieldErrors) -> Self {
        let message = [&fields.email, &fields.password, &fields.verification_code]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            fields: Box::new(fields),
            ..Self::new(kind, message)
        }
    }

    /// Refuses because it is too much right now.
    pub fn unavailable(retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                Kind::Unavailable,
                "The service is busy or being worked on. Nothing was recorded; please try again in a moment.",
            )
        }
    }

    /// Refuses because a budget is spent, and says when to come back.
    pub fn limited(limited: Limited, now: DateTime<Utc>) -> Self {
        let what = match limited.kind {
            BudgetKind::SignUps => "Too many sign-ups came from your network.",
            BudgetKind::Mails => "Too many mails were asked for from your network.",
            BudgetKind::FailedPasswords => "Too many wrong passwords came from your network.",
            BudgetKind::AddressMails => "Too many mails were sent to this address.",
            BudgetKind::AllSignUps => "Very many people are signing up right now.",
        };
        let wait = (limited.until - now).to_std().unwrap_or_default();
        Self {
            retry_after: Some(wait),
            ..Self::new(
                Kind::RateLimited,
                format!("{what} Please try again in {}.", in_words(wait)),
            )
        }
    }

    /// Something is broken here.
    pub fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "Something went wrong here, not with what you sent. Please try again later.",
        )
    }

    /// The same for a page to show.
    pub fn for_page(&self) -> Answer {
        Answer {
            message: self.message.clone(),
            refusal: Some(self.kind.refusal()),
            fields: (*self.fields).clone(),
            attempts_left: self.attempts_left,
            claim: None,
        }
    }

    /// The same for a program.
    pub fn into_json(self) -> Response {
        let status = self.kind.status();
        let failure = Failure {
            status: "failed",
            message: self.message,
            error: self.kind,
            fields: *self.fields,
            attempts_left: self.attempts_left,
        };
        (status, Json(failure)).into_response()
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
fn in_words(wait: Duration) -> String {
    let (count, unit) = match wait.as_secs_f64() {
        seconds if seconds <= 90.0 => (seconds.ceil().max(1.0), "second"),
        seconds if seconds <= 90.0 * 60.0 => ((seconds / 60.0).ceil(), "minute"),
        seconds => ((seconds / 3600.0).ceil(), "hour"),
    };
    let plural = if count > 1.0 { "s" } else { "" };
    format!("{count} {unit}{plural}")
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
                Self {
                    message: "The service cannot reach its store. Please try again in a moment: \
                              sending the same twice does no harm."
                        .to_owned(),
                    ..Self::unavailable(Duration::from_secs(5))
                }
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
            assert_eq!(in_words(Duration::from_secs_f64(seconds)), words);
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
