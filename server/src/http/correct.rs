//! `POST /correct`: another address for the sign-up that this browser has under way.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::domain::EmailAddress;
use latchkey_app::language::Language;
use latchkey_app::texts::{Message, key};
use serde::Deserialize;
use tower_sessions::Session;
use utoipa::ToSchema;

use super::answer::{Failure, Faults, Kind, Problem, Success};
use super::door::Door;
use super::form::{Form, Typed};
use super::pages;
use super::session::{Begun, Remembered};
use super::state::AppState;
use super::visit::Visit;
use crate::network::ClientNetwork;
use crate::registration::CorrectOutcome;

/// The form of a correction.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct CorrectForm {
    /// The right address.
    #[schema(example = "foo@bar.com", format = Email, max_length = 254)]
    email: String,
    /// Which sign-up is meant; without it, the one that this session has begun last.
    #[schema(example = "K7QD")]
    reference: Option<String>,
}

/// Go on with another address, without typing the password again: the session proves the sign-up.
#[utoipa::path(
    post,
    path = "/correct",
    tag = "sign-up",
    security(("session" = [])),
    request_body(content = CorrectForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A mail is on its way to the right address", body = Success),
        (status = 400, description = "`bad_request`: the field missing or sent twice, or the body not percent-encoded UTF-8", body = Failure),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 409, description = "`email_taken`: the address is verified, where the configuration lets that be said; `other_sign_up`: this session has begun another sign-up since; `already_verified`: it has its account", body = Failure),
        (status = 410, description = "`code_stale`: this session has no sign-up under way", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
        (status = 422, description = "`invalid`: the address is not acceptable, or no other, or it is the password", body = Failure),
        (status = 429, description = "`rate_limited`: a budget is spent", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn correct(
    State(state): State<AppState>,
    Extension(network): Extension<ClientNetwork>,
    door: Door,
    session: Session,
    visit: Visit,
    form: Result<Form, Problem>,
) -> Response {
    let typed = Typed::of(form.as_ref());
    match (
        attempt(&state, network, visit.language, &session, form).await,
        door,
    ) {
        (Ok(_), Door::Browser) => Redirect::to("/verify").into_response(),
        (Ok(success), Door::Program { .. }) => success.into_response(),
        (Err(problem), Door::Browser) => {
            match pages::verify_again(&state, &session, &visit, &typed, &problem).await {
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
    language: Language,
    session: &Session,
    form: Result<Form, Problem>,
) -> Result<Success, Problem> {
    let remembered = Remembered::of(session).await?;
    let Some(begun) = &remembered.claim else {
        return Err(remembered.no_sign_up());
    };
    let form = form?;
    let email = EmailAddress::parse(form.required("email")?)
        .map_err(|error| at_fault(Message::from(error.key())))?;
    let reference = form.field("reference")?;
    // A double click: the first one has done it.
    let is_done = email.canonical() == begun.id.address
        && reference.is_some_and(|reference| reference != begun.reference);
    if is_done {
        return Ok(done());
    }
    begun.check(reference)?;
    remembered.check_is_current()?;
    match state
        .registration
        .correct(&begun.id, &email, language, network)
        .await?
    {
        CorrectOutcome::Corrected(claim) => {
            let remembered = Remembered {
                claim: Some(Begun {
                    id: claim.id(),
                    reference: claim.reference.clone(),
                }),
                ..remembered
            };
            remembered.go_on(session, state.clock.now()).await?;
            Ok(Success {
                claim: Some(pages::pending(
                    &state.registration,
                    &claim,
                    state.clock.now(),
                )),
                ..done()
            })
        }
        CorrectOutcome::SameAddress => Err(at_fault(key::CORRECT_SAME.into())),
        CorrectOutcome::OwnAddress => Err(at_fault(key::CORRECT_OWN_ADDRESS.into())),
        CorrectOutcome::EmailTaken => Err(Problem::new(Kind::EmailTaken, key::ERROR_EMAIL_TAKEN)),
        CorrectOutcome::Limited(limited) => Err(Problem::limited(limited, state.clock.now())),
        CorrectOutcome::Gone => Err(Problem::new(Kind::CodeStale, key::ERROR_SIGN_UP_OVER)),
    }
}

fn done() -> Success {
    Success::new("Your code was sent via email")
}

fn at_fault(message: Message) -> Problem {
    let faults = Faults {
        email: Some(message),
        ..Faults::default()
    };
    Problem::in_fields(Kind::Invalid, faults)
}
