//! No other site may do a deed in a visitor's name.
//!
//! Every browser in use says where a request comes from (Fetch Metadata, or at least `Origin`);
//! what says nothing is no browser, and nobody's cookies ride on it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_app::texts::key;

use super::answer::{Kind, Problem};
use super::door::SEC_FETCH_SITE;
use super::state::PublicOrigin;

pub(super) async fn refuse(
    State(origin): State<Arc<PublicOrigin>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() || is_own(request.headers(), &origin.text) {
        return next.run(request).await;
    }
    Problem::new(Kind::CrossSite, key::ERROR_CROSS_SITE).into_response()
}

fn is_own(headers: &HeaderMap, public_origin: &str) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    match (text(SEC_FETCH_SITE), text(ORIGIN)) {
        // Typed, bookmarked, or this very origin. A sibling host ("same-site") may be anybody's.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == public_origin || (host.is_some() && host == text(HOST))
        }
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn own(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        is_own(&headers, "https://latchkey.example")
    }

    #[test]
    fn other_sites_are_refused_and_programs_pass() {
        assert!(own(&[]));
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "none")]));
        assert!(own(&[("origin", "https://latchkey.example")]));
        assert!(own(&[
            ("origin", "http://127.0.0.1:8080"),
            ("host", "127.0.0.1:8080")
        ]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
        assert!(!own(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://latchkey.example")
        ]));
        assert!(!own(&[
            ("origin", "https://evil.example"),
            ("host", "latchkey.example")
        ]));
        assert!(!own(&[("origin", "null"), ("host", "latchkey.example")]));
    }
}
