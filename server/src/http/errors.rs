//! Whatever goes wrong is answered in one shape: JSON for programs, a page for people.

use std::any::Any;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_app::view::ErrorView;

use super::access_log::RequestId;
use super::answer::{Kind, Problem};
use super::door::Door;
use super::pages;
use super::state::AppState;

/// An error that is an answer of its own already.
#[derive(Clone, Copy)]
pub struct Dressed;

/// Dresses problems, and what axum, a session that could not be saved, or a file that is not
/// there left as a bare status.
pub(super) async fn dress(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let door = Door::of(request.headers());
    let method = request.method().clone();
    let uri = request.uri().clone();
    let reference = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_error = is_error && status != StatusCode::RANGE_NOT_SATISFIABLE;
    if !is_error || response.extensions().get::<Dressed>().is_some() {
        return response;
    }
    if status == StatusCode::METHOD_NOT_ALLOWED && method == Method::OPTIONS {
        // RFC 9110 §9.3.7; axum says on its way out what is allowed here.
        return StatusCode::NO_CONTENT.into_response();
    }
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| bare(status));
    let mut dressed = match door {
        Door::Browser => {
            let view = ErrorView {
                status: problem.kind.status().as_u16(),
                title: title(problem.kind).to_owned(),
                message: problem.message.clone(),
                reference: reference.map(|RequestId(id)| id),
            };
            pages::error(&state, uri, view).await
        }
        Door::Program { .. } => problem.clone().into_json(),
    };
    problem.add_headers(door.keeps_session(), &mut dressed);
    // What was there to say beside the body: Allow, Set-Cookie, Retry-After.
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            dressed.headers_mut().append(name, value.clone());
        }
    }
    dressed
}

/// What a panicking handler answers; the process lives on.
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    report(&*panic);
    Problem::internal().into_response()
}

/// What is answered when even the page that says so panics.
pub(super) fn panicked_again(panic: Box<dyn Any + Send + 'static>) -> Response {
    report(&*panic);
    Problem::internal().into_json()
}

fn report(panic: &(dyn Any + Send)) {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(reason, "a handler panicked");
}

fn bare(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(
            Kind::NotFound,
            "There is nothing at this address. Check it, or begin at the start.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            Kind::MethodNotAllowed,
            "This method is not allowed here: the Allow header names those that are.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            Kind::TooLarge,
            "The request is too large: 64 KiB are allowed.",
        ),
        // The sessions' layer leaves a bare 500 when the store fails.
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => {
            Problem::unavailable(std::time::Duration::from_secs(5))
        }
        status if status.is_client_error() => {
            Problem::new(Kind::BadRequest, "The request could not be understood.")
        }
        _ => Problem::internal(),
    }
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "Page not found",
        Kind::RateLimited => "Too many attempts",
        Kind::Unavailable => "Not right now",
        Kind::Internal => "Something went wrong",
        Kind::CrossSite => "Sent from another site",
        Kind::TooLarge | Kind::UriTooLong | Kind::HeadersTooLarge => "Too large",
        Kind::RequestTimeout => "Too slow",
        _ => "That did not work",
    }
}
