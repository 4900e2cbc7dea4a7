//! What a request may take, in bytes and in time. What goes beyond is told so.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Version;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_app::texts::key;
use tokio::time::timeout;

use super::answer::{Kind, Problem};

/// The body of a request, in bytes; the longest form is a few kilobytes.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Path and query, in bytes: RFC 9110 §4.1 asks for 8,000 octets at least.
const MAX_URI: usize = 8 * 1024;

/// All header fields, in bytes, counted as RFC 9113 §6.5.2 does.
const MAX_HEADERS: usize = 16 * 1024;

/// What it adds for each field.
const FIELD_OVERHEAD: usize = 32;

/// How long clients, and our own handlers, may take (OWASP ASVS 5.0 15.2.2).
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// The TLS handshake.
    pub handshake: Duration,
    /// The head of a request. With HTTP/1 it counts from the answer before, so an idle connection
    /// lives no longer.
    pub head: Duration,
    /// A whole form, so that a byte now and then does not hold a handler.
    pub body: Duration,
    /// Everything from a request's head to the head of its answer.
    pub answer: Duration,
    /// Without the client taking anything of what is to be sent to it.
    pub stall: Duration,
    /// Without a request begun or answered on a connection: what else it may carry, as pings and
    /// window updates, keeps nothing open.
    pub idle: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(20),
            // Beside the body, for the hashing queue and the store.
            answer: Duration::from_secs(40),
            stall: Duration::from_secs(30),
            idle: Duration::from_secs(60),
        }
    }
}

/// Refuses a head that no browser sends.
pub(super) async fn check_head(request: Request, next: Next) -> Response {
    // RFC 9112 §3.2. hyper lets both pass, and proxies may differ in which of two they follow.
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Problem::new(Kind::BadRequest, key::ERROR_HOST).into_response();
    }
    let uri = request.uri().path_and_query();
    if uri.is_some_and(|uri| uri.as_str().len() > MAX_URI) {
        return Problem::new(Kind::UriTooLong, key::ERROR_URI_TOO_LONG).into_response();
    }
    let fields = request.headers().iter();
    let size: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD)
        .sum();
    if size > MAX_HEADERS {
        return Problem::new(Kind::HeadersTooLarge, key::ERROR_HEADERS_TOO_LARGE).into_response();
    }
    next.run(request).await
}

/// Gives up on a handler that hangs. What it has begun ends as if the client had gone.
pub(super) async fn answer_in_time(
    State(limits): State<TimeLimits>,
    request: Request,
    next: Next,
) -> Response {
    timeout(limits.answer, next.run(request))
        .await
        .unwrap_or_else(|_| {
            tracing::error!("a request took too long");
            Problem::new(Kind::Unavailable, key::ERROR_TOOK_TOO_LONG)
                .until(Duration::from_secs(5))
                .into_response()
        })
}
