//! Which door a request came through: a person's browser, or a program.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// With JSON.
    Program {
        /// Whether a page's script asks, which has a session and no use for a password dialogue.
        from_page: bool,
    },
    /// With pages and redirects.
    Browser,
}

impl Door {
    /// Reads it off the request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        if prefers_html(headers) {
            Self::Browser
        } else {
            Self::Program {
                from_page: headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(ORIGIN),
            }
        }
    }

    /// Whether a browser is at the other end, which keeps a session.
    pub fn keeps_session(self) -> bool {
        !matches!(self, Self::Program { from_page: false })
    }
}

impl<S: Sync> FromRequestParts<S> for Door {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// Only who names HTML gets it, and only if JSON is not liked better (RFC 9110 §12.5.1): a bare
/// `*/*` is a program's.
fn prefers_html(headers: &HeaderMap) -> bool {
    let mut html = 0;
    let mut json = 0;
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|parameter| parameter.strip_prefix("q="))
            .map_or(1000, thousandths);
        let liked = if media_type.eq_ignore_ascii_case("text/html")
            || media_type.eq_ignore_ascii_case("application/xhtml+xml")
        {
            &mut html
        } else if media_type.eq_ignore_ascii_case("application/json") {
            &mut json
        } else {
            continue;
        };
        *liked = quality.max(*liked);
    }
    html > json
}

fn thousandths(quality: &str) -> u32 {
    let quality = quality.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000"
    )]
    let thousandths = (quality * 1000.0) as u32;
    thousandths
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn door(accept: &'static str) -> Door {
        Door::of(&HeaderMap::from_iter([(
            ACCEPT,
            HeaderValue::from_static(accept),
        )]))
    }

    #[test]
    fn who_names_html_gets_pages() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(door(chromium), Door::Browser);
        for accept in [
            "*/*",
            "application/json",
            "application/json, text/html;q=0.5",
            "text/html;q=0",
            "",
        ] {
            assert_eq!(door(accept), Door::Program { from_page: false }, "{accept}");
        }
    }
}
