//! Whatever goes wrong is answered in one shape: JSON for programs, a page for people.

use std::any::Any;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_app::texts::{Key, Message, key};
use latchkey_app::view::ErrorView;

use super::access_log::RequestId;
use super::answer::{Kind, Listener, Problem};
use super::door::Door;
use super::pages;
use super::state::AppState;
use super::visit::Visit;

/// An error that is an answer of its own already.
#[derive(Clone, Copy)]
pub struct Dressed;

/// Dresses problems, and what axum, a session that could not be saved, or a file that is not
/// there left as a bare status.
pub(super) async fn dress(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let door = Door::of(request.headers());
    let method = request.method().clone();
    let visit = Visit::of(request.headers(), request.uri());
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
            let may_work_in_a_moment = matches!(
                problem.kind,
                Kind::RateLimited | Kind::Internal | Kind::Unavailable
            );
            let view = ErrorView {
                status: problem.kind.status().as_u16(),
                title: Message::from(title(problem.kind)).in_language(visit.language),
                message: problem.tell(Listener::Person(visit.language)).message,
                reference: reference.map(|RequestId(id)| id),
                again: may_work_in_a_moment.then(|| visit.back()),
            };
            pages::error(&state, &visit, view).await
        }
        Door::Program { from_page: false } => problem.clone().into_json(Listener::Program),
        Door::Program { from_page: true } => {
            problem.clone().into_json(Listener::Person(visit.language))
        }
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
    Problem::internal().into_json(Listener::Program)
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
        StatusCode::NOT_FOUND => Problem::new(Kind::NotFound, key::ERROR_NOT_FOUND),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Kind::MethodNotAllowed, key::ERROR_METHOD),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::TooLarge, key::ERROR_REQUEST_TOO_LARGE),
        // The sessions' layer leaves a bare 500 when the store fails.
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => {
            Problem::unavailable(std::time::Duration::from_secs(5))
        }
        status if status.is_client_error() => {
            Problem::new(Kind::BadRequest, key::ERROR_BAD_REQUEST)
        }
        _ => Problem::internal(),
    }
}

fn title(kind: Kind) -> Key {
    match kind {
        Kind::NotFound => key::ERROR_TITLE_NOT_FOUND,
        Kind::RateLimited => key::ERROR_TITLE_RATE_LIMITED,
        Kind::Unavailable => key::ERROR_TITLE_UNAVAILABLE,
        Kind::Internal => key::ERROR_TITLE_INTERNAL,
        Kind::CrossSite => key::ERROR_TITLE_CROSS_SITE,
        Kind::TooLarge | Kind::UriTooLong | Kind::HeadersTooLarge => key::ERROR_TITLE_TOO_LARGE,
        Kind::RequestTimeout => key::ERROR_TITLE_TOO_SLOW,
        _ => key::ERROR_TITLE_OTHER,
    }
}
