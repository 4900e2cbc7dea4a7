//! No other site may do a deed in a visitor's name.
//!
//! Every browser in use says where a request comes from (Fetch Metadata, or at least `Origin`);
//! what says nothing is no browser, and nobody's cookies ride on it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
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
    if request.method().is_safe() || is_own(request.headers(), request.uri(), &origin.text) {
        return next.run(request).await;
    }
    Problem::new(Kind::CrossSite, key::ERROR_CROSS_SITE).into_response()
}

fn is_own(headers: &HeaderMap, uri: &Uri, public_origin: &str) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    match (text(SEC_FETCH_SITE), text(ORIGIN)) {
        // Typed, bookmarked, or this very origin. A sibling host ("same-site") may be anybody's.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            origin == public_origin || is_asked_by_itself(origin, headers, uri, public_origin)
        }
        (None, None) => true,
    }
}

/// Whether a page of the host that was asked asks, as where a developer reaches the server in
/// another way than by its public address. A name that is the public one, on whatever port, counts
/// by the public scheme only: cookies follow the name, and whoever is on the way of plain HTTP can
/// speak for it.
fn is_asked_by_itself(origin: &str, headers: &HeaderMap, uri: &Uri, public_origin: &str) -> bool {
    let (Ok(from), Ok(public)) = (origin.parse::<Uri>(), public_origin.parse::<Uri>()) else {
        return false;
    };
    // HTTP/2 says it in the address.
    let asked = uri.authority().map(Authority::as_str);
    let asked = asked.or_else(|| headers.get(HOST)?.to_str().ok());
    let is_of_host = from.scheme().is_some() && from.authority().map(Authority::as_str) == asked;
    is_of_host && (from.host() != public.host() || from.scheme() == public.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn own(headers: &[(&'static str, &'static str)]) -> bool {
        own_at("/register", headers)
    }

    fn own_at(uri: &'static str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        is_own(&headers, &Uri::from_static(uri), "https://latchkey.example")
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
        for (origin, host) in [
            ("http://latchkey.example", "latchkey.example"),
            ("http://latchkey.example:443", "latchkey.example:443"),
            ("http://latchkey.example:8443", "latchkey.example:8443"),
        ] {
            assert!(!own(&[("origin", origin), ("host", host)]), "{origin}");
        }
        assert!(own(&[
            ("origin", "https://latchkey.example:8443"),
            ("host", "latchkey.example:8443")
        ]));
        let at = "https://127.0.0.1:8443/register";
        assert!(own_at(at, &[("origin", "https://127.0.0.1:8443")]));
        assert!(!own_at(at, &[("origin", "https://127.0.0.1:8444")]));
    }
}
