//! `GET /claim`: what has become of this session's sign-up and of its mail.

use axum::extract::State;
use latchkey_app::view::MailState;
use tower_sessions::Session;

use super::answer::{Failure, Problem, Success};
use super::pages;
use super::session::Remembered;
use super::state::AppState;

/// The claim that this session made last, as it stands; nothing is changed. A page asks until its
/// mail has left. For an address that has an account the answer is the same.
///
/// That there is none is no failure: a page may ask just when its code has been the right one.
#[utoipa::path(
    get,
    path = "/claim",
    tag = "sign-up",
    security(("session" = []), ()),
    responses(
        (status = 200, description = "`claim.mail` says whether the mail is queued, taken by the relay (the code's life counts from then), or refused for good; without `claim`, this session has no sign-up under way", body = Success),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn claim(State(state): State<AppState>, session: Session) -> Result<Success, Problem> {
    let claim = match Remembered::of(&session).await?.claim {
        Some(begun) => state.registration.pending(&begun.id).await?,
        None => None,
    };
    let claim = claim.map(|claim| pages::pending(&state.registration, &claim, state.clock.now()));
    let message = match claim.as_ref().map(|claim| claim.mail) {
        None => "This browser has no sign-up under way.",
        Some(MailState::Queued) => "The mail with the code is about to leave.",
        Some(MailState::Taken) => "The mail with the code has left.",
        Some(MailState::Refused) => "The mail with the code could not be delivered.",
    };
    Ok(Success {
        claim,
        ..Success::new(message)
    })
}
