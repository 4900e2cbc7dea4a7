//! `GET /claim`: what has become of this session's sign-up and of its mail.

use axum::extract::State;
use latchkey_app::view::MailState;
use tower_sessions::Session;

use super::answer::{Failure, Kind, Problem, Success};
use super::pages;
use super::session::Remembered;
use super::state::AppState;

/// The claim that this session made last, as it stands; nothing is changed. A page asks until its
/// mail has left. For an address that has an account the answer is the same.
#[utoipa::path(
    get,
    path = "/claim",
    tag = "sign-up",
    security(("session" = [])),
    responses(
        (status = 200, description = "`claim.mail` says whether the mail is queued, taken by the relay (the code's life counts from then), or refused for good", body = Success),
        (status = 410, description = "`code_stale`: this session has no sign-up under way", body = Failure),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn claim(State(state): State<AppState>, session: Session) -> Result<Success, Problem> {
    let none = || {
        Problem::new(
            Kind::CodeStale,
            "This browser has no sign-up under way. Please sign up first.",
        )
    };
    let begun = Remembered::of(&session).await?.claim.ok_or_else(none)?;
    let claim = state.registration.pending(&begun.id).await?;
    let claim = pages::pending(
        &state.registration,
        &claim.ok_or_else(none)?,
        state.clock.now(),
    );
    let message = match claim.mail {
        MailState::Queued => "The mail with the code is about to leave.",
        MailState::Taken => "The mail with the code has left.",
        MailState::Refused => "The mail with the code could not be delivered.",
    };
    Ok(Success {
        claim: Some(claim),
        ..Success::new(message)
    })
}
