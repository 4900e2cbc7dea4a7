//! Whatever goes wrong is answered in one shape: JSON for programs, a page for people.

use std::any::Any;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_app::texts::{Key, Message, key};
use latchkey_app::view::{Again, ErrorView};

use super::answer::{Kind, Listener, Problem};
use super::door::Door;
use super::form::{Typed, Typing};
use super::pages;
use super::state::AppState;
use super::visit::Visit;

/// An error that is an answer of its own already.
#[derive(Clone, Copy)]
pub struct Dressed;

/// Dresses problems, and what axum, a session that could not be saved, or a file that is not
/// there left as a bare status.
pub(super) async fn dress(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let door = Door::of(request.headers());
    let method = request.method().clone();
    let visit = Visit::of(request.headers(), request.uri(), request.extensions());
    let typing = Typing::default();
    request.extensions_mut().insert(typing.clone());
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
        Door::Browser => page(&state, &visit, typing.typed(), &problem).await,
        Door::Program { from_page: false } => problem.clone().into_json(Listener::Program),
        Door::Program { from_page: true } => problem
            .clone()
            .with_reference(visit.reference.as_deref())
            .into_json(Listener::Person(visit.language)),
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

/// The form once more, where sending it again may help and nothing but its page is needed for that;
/// else a page that says what did not work.
async fn page(
    state: &AppState,
    visit: &Visit,
    typed: Option<&Typed>,
    problem: &Problem,
) -> Response {
    let typed = typed.filter(|_| problem.may_pass());
    if let Some(typed) = typed.filter(|typed| typed.had_password)
        && let Some(page) = pages::password_form_again(state, visit, typed, problem).await
    {
        return page;
    }
    let again = match typed {
        Some(Typed {
            fields,
            had_password: false,
        }) if !fields.is_empty() => {
            let owned = |(name, text): &(&str, String)| ((*name).to_owned(), text.clone());
            Again::Post {
                path: visit.uri.path().to_owned(),
                fields: fields.iter().map(owned).collect(),
            }
        }
        _ => Again::Open(visit.back()),
    };
    let view = ErrorView {
        status: problem.kind.status().as_u16(),
        title: Message::from(title(problem.kind)).in_language(visit.language),
        message: problem.tell(Listener::Person(visit.language)).message,
        reference: visit.reference.clone(),
        again: problem.may_pass().then_some(again),
    };
    pages::error(state, visit, view).await
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
