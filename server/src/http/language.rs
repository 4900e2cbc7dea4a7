//! The language that whoever asks likes best.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use latchkey_app::language::Language;

/// What `Accept-Language` asks for, of what there is.
pub struct Preferred(pub Language);

impl<S: Sync> FromRequestParts<S> for Preferred {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Sent in several lines, it is one list (RFC 9110 §5.3).
        let header = parts
            .headers
            .get_all(ACCEPT_LANGUAGE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect::<Vec<_>>()
            .join(",");
        Ok(Self(Language::preferred(&header)))
    }
}
