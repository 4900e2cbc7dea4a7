//! `/not-me`: whoever has the mailbox says that a sign-up was not theirs.
//!
//! The link in a mail only asks: scanners of mail follow links, and a GET changes nothing. Its token
//! stands in the query, which no log of ours holds; behind `#` it would reach no server, and so no
//! page without JavaScript.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::texts::key;
use latchkey_app::view::NotMeView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{Failure, Kind, Problem, Success};
use super::door::Door;
use super::form::Form;
use super::pages;
use super::state::AppState;
use super::visit::Visit;
use crate::network::ClientNetwork;
use crate::registration::DisownToken;

/// Where a browser comes out once it is done.
const DONE: &str = "done";

/// The form of the page that the link leads to.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct NotMeForm {
    /// What the link in the mail carries as `t`.
    #[schema(
        example = "AbCdEfGhIjKlMnOpQrStUvWxYz0",
        pattern = "^[A-Za-z0-9_-]{27}$"
    )]
    token: String,
}

/// The page that a mail's link leads to; it asks, and changes nothing.
#[utoipa::path(get, path = "/not-me", tag = "pages",
    params(("t" = Option<String>, Query, description = "The token of the link")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 410, description = "The page: the link is used up, or its sign-up is over", body = String, content_type = "text/html"),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    ))]
pub async fn ask(State(state): State<AppState>, visit: Visit) -> Result<Response, Problem> {
    if visit.uri.query() == Some(DONE) {
        return Ok(pages::not_me(&state, &visit, StatusCode::OK, NotMeView::Done).await);
    }
    let token = visit.uri.query().and_then(|query| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(name, value)| (name == "t").then(|| value.into_owned()))
    });
    let claim = match token.as_deref().and_then(DisownToken::parse) {
        Some(token) => state.registration.disownable(&token).await?,
        None => None,
    };
    let (status, view) = match (claim, token) {
        (Some(claim), Some(token)) => (
            StatusCode::OK,
            NotMeView::Ask {
                token,
                // A mail may be passed on; whoever has the mailbox knows the rest.
                email: claim.masked_address().unwrap_or_default(),
                reference: claim.reference,
            },
        ),
        _ => (StatusCode::GONE, NotMeView::Stale),
    };
    Ok(pages::not_me(&state, &visit, status, view).await)
}

/// Stop a sign-up that was made with one's address without asking: no code opens it any more, and
/// the network that it came from causes no mail to this address for a day. Touches no account.
#[utoipa::path(
    post,
    path = "/not-me",
    tag = "sign-up",
    request_body(content = NotMeForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The sign-up is stopped", body = Success),
        (status = 400, description = "`bad_request`: the field missing or sent twice, or the body not percent-encoded UTF-8", body = Failure),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 410, description = "`link_stale`: the link is used up, or its sign-up is over", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn disown(
    State(state): State<AppState>,
    Extension(network): Extension<ClientNetwork>,
    door: Door,
    visit: Visit,
    form: Result<Form, Problem>,
) -> Response {
    match (attempt(&state, network, form).await, door) {
        (Ok(_), Door::Browser) => Redirect::to(&format!("/not-me?{DONE}")).into_response(),
        (Ok(success), Door::Program { .. }) => success.into_response(),
        (Err(problem), Door::Browser) if problem.kind == Kind::LinkStale => {
            pages::not_me(&state, &visit, problem.kind.status(), NotMeView::Stale).await
        }
        (Err(problem), _) => problem.into_response(),
    }
}

async fn attempt(
    state: &AppState,
    network: ClientNetwork,
    form: Result<Form, Problem>,
) -> Result<Success, Problem> {
    let form = form?;
    let disowned = match DisownToken::parse(form.required("token")?) {
        Some(token) => state.registration.disown(&token, network).await?,
        None => false,
    };
    if disowned {
        Ok(Success::new("The sign-up is stopped."))
    } else {
        Err(Problem::new(Kind::LinkStale, key::ERROR_LINK_STALE))
    }
}
