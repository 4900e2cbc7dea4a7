//! Form bodies, read strictly.
//!
//! `axum::Form` replaces what is not UTF-8, keeps the last of two fields, and takes a bare `%`
//! for itself: each of them would record a password that nobody typed.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use latchkey_app::texts::{Message, key};
use percent_encoding::percent_decode;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::answer::{Faults, Kind, Problem};
use super::state::AppState;

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form, in the order of the body.
pub struct Form(Vec<(String, Zeroizing<String>)>);

/// What was typed into a form, as far as its page may show it again: no password ever comes back.
#[derive(Clone, Default)]
pub struct Typed {
    /// In the order of [`SHOWN_AGAIN`].
    pub fields: Vec<(&'static str, String)>,
    /// Whether there was a password too, without which sending the rest again is of no use.
    pub had_password: bool,
}

/// The fields that may come back.
const SHOWN_AGAIN: [&str; 4] = ["email", "reference", "token", CODE];

const CODE: &str = "verification_code";

impl Typed {
    /// What a form that could be read holds.
    pub fn of(form: Result<&Form, &Problem>) -> Self {
        let Ok(form) = form else {
            return Self::default();
        };
        let typed = |name| Some((name, form.field(name).ok()??.to_owned()));
        Self {
            fields: SHOWN_AGAIN.into_iter().filter_map(typed).collect(),
            had_password: form.0.iter().any(|(name, _)| name == "password"),
        }
    }

    /// The address; empty when there was none.
    pub fn email(&self) -> String {
        self.field("email")
    }

    /// The code, right or wrong; empty when there was none.
    pub fn code(&self) -> String {
        self.field(CODE)
    }

    fn field(&self, name: &str) -> String {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// Where whoever answers in a handler's place finds what was typed: handlers may panic, hang, or
/// end in a session that cannot be saved.
#[derive(Clone, Default)]
pub struct Typing(Arc<OnceLock<Typed>>);

impl Typing {
    /// What was typed, once a form has been read.
    pub fn typed(&self) -> Option<&Typed> {
        self.0.get()
    }
}

impl Form {
    /// The value of a field; `None` when it is not there.
    ///
    /// # Errors
    /// When it is there twice: nobody can tell which was meant.
    pub fn field(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let first = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            let faults = fault_of(name, key::ERROR_FIELD_TWICE.with("field", name));
            return Err(Problem::in_fields(Kind::BadRequest, faults));
        }
        Ok(first)
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// When it is not there, or there twice.
    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        self.field(name)?.ok_or_else(|| {
            let faults = fault_of(name, key::ERROR_FIELD_MISSING.with("field", name));
            Problem::in_fields(Kind::BadRequest, faults)
        })
    }

    fn parse(body: &[u8]) -> Option<Self> {
        body.split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let mut halves = pair.splitn(2, |&byte| byte == b'=');
                let name = decode(halves.next().unwrap_or_default())?;
                let value = decode(halves.next().unwrap_or_default())?;
                Some((name.to_string(), value))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }
}

impl FromRequest<AppState> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let is_form = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(FORM));
        if !is_form {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                key::ERROR_NOT_A_FORM.with("type", FORM),
            ));
        }
        let typing = request.extensions().get::<Typing>().cloned();
        let body = timeout(state.time_limits.body, Bytes::from_request(request, state))
            .await
            .map_err(|_| Problem::new(Kind::RequestTimeout, key::ERROR_FORM_SLOW))?
            .map_err(|rejection| {
                if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                    Problem::new(Kind::TooLarge, key::ERROR_FORM_TOO_LARGE)
                } else {
                    Problem::new(Kind::BadRequest, key::ERROR_FORM_CUT)
                }
            })?;
        let form = Self::parse(&body)
            .ok_or_else(|| Problem::new(Kind::BadRequest, key::ERROR_FORM_ENCODING))?;
        if let Some(Typing(typing)) = typing {
            let _ = typing.set(Typed::of(Ok(&form)));
        }
        Ok(form)
    }
}

/// Strict where the URL Standard's parser guesses; `None` for a broken escape or what is not UTF-8.
fn decode(text: &[u8]) -> Option<Zeroizing<String>> {
    let is_escape = |at: usize| {
        text.get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let is_whole = text
        .iter()
        .enumerate()
        .all(|(at, &byte)| byte != b'%' || is_escape(at));
    let spaced = Zeroizing::new(
        text.iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect::<Vec<_>>(),
    );
    let decoded = percent_decode(&spaced).decode_utf8().ok()?;
    is_whole.then(|| Zeroizing::new(decoded.into_owned()))
}

fn fault_of(name: &str, message: Message) -> Faults {
    let mut faults = Faults::default();
    match name {
        "email" => faults.email = Some(message),
        "password" => faults.password = Some(message),
        _ => faults.verification_code = Some(message),
    }
    faults
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &[u8]) -> Option<String> {
        let form = Form::parse(body)?;
        Some(form.field("a").ok()??.to_owned())
    }

    #[test]
    fn values_are_decoded_as_forms_are() {
        assert_eq!(value(b"a=b+c%2Bd%C3%A9").as_deref(), Some("b c+dé"));
        assert_eq!(value(b"x=1&a=b=c&y").as_deref(), Some("b=c"));
        assert_eq!(value(b"a").as_deref(), Some(""));
        assert_eq!(value(b"%61=1").as_deref(), Some("1"));
        assert_eq!(value(b"").as_deref(), None);
    }

    #[test]
    fn nothing_is_guessed() {
        for body in [
            &b"a=100%"[..],
            b"a=%4",
            b"a=%zz",
            b"a=%ff",
            b"a=\xff",
            b"%ff=1&a=1",
        ] {
            assert!(Form::parse(body).is_none(), "{body:?}");
        }
        assert!(Form::parse(b"a=1&a=1").unwrap().field("a").is_err());
        assert!(Form::parse(b"a=1").unwrap().required("b").is_err());
    }
}
