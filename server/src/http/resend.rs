//! `POST /resend`: another mail, for the browser that made the claim.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::texts::key;
use serde::Deserialize;
use tower_sessions::Session;
use utoipa::ToSchema;

use super::answer::{Failure, Kind, Problem, Success};
use super::door::Door;
use super::form::{Form, Typed};
use super::pages;
use super::session::Remembered;
use super::state::AppState;
use super::visit::Visit;
use crate::network::ClientNetwork;
use crate::registration::ResendOutcome;

/// The form of a resend.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct ResendForm {
    /// Which sign-up is meant; without it, the one that this session has begun last.
    #[schema(example = "K7QD")]
    reference: Option<String>,
}

/// Ask for another mail for the claim that this session made.
#[utoipa::path(
    post,
    path = "/resend",
    tag = "sign-up",
    security(("session" = [])),
    request_body(content = ResendForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Another mail is on its way", body = Success),
        (status = 400, description = "`bad_request`: the body is no percent-encoded UTF-8", body = Failure),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 409, description = "`other_sign_up`: this session has begun another sign-up since; `already_verified`: it has its account", body = Failure),
        (status = 410, description = "`code_stale`: this session has no sign-up under way", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
        (status = 429, description = "`rate_limited`: the last mail was asked for a moment ago, or a budget is spent", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn resend(
    State(state): State<AppState>,
    Extension(network): Extension<ClientNetwork>,
    door: Door,
    session: Session,
    visit: Visit,
    form: Result<Form, Problem>,
) -> Response {
    match (attempt(&state, network, &session, form).await, door) {
        (Ok(_), Door::Browser) => Redirect::to("/verify").into_response(),
        (Ok(success), Door::Program { .. }) => success.into_response(),
        (Err(problem), Door::Browser) => {
            match pages::verify_again(&state, &session, &visit, &Typed::default(), &problem).await {
                Ok(mut page) => {
                    problem.add_headers(true, &mut page);
                    page
                }
                Err(worse) => worse.into_response(),
            }
        }
        (Err(problem), Door::Program { .. }) => problem.into_response(),
    }
}

async fn attempt(
    state: &AppState,
    network: ClientNetwork,
    session: &Session,
    form: Result<Form, Problem>,
) -> Result<Success, Problem> {
    let remembered = Remembered::of(session).await?;
    let Some(begun) = &remembered.claim else {
        return Err(remembered.no_sign_up());
    };
    begun.check(form?.field("reference")?)?;
    match state.registration.resend(&begun.id, network).await? {
        ResendOutcome::Sent(claim) => Ok(Success {
            claim: Some(pages::pending(
                &state.registration,
                &claim,
                state.clock.now(),
            )),
            ..Success::new("Your code was sent via email")
        }),
        ResendOutcome::TooSoon { retry_after, .. } => {
            Err(Problem::too_soon(key::LIMITED_COOLDOWN, retry_after))
        }
        ResendOutcome::Limited(limited) => Err(Problem::limited(limited, state.clock.now())),
        ResendOutcome::Gone => Err(Problem::new(Kind::CodeStale, key::ERROR_SIGN_UP_OVER)),
    }
}
