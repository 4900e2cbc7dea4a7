//! `POST /logout`

use axum::response::{IntoResponse, Redirect, Response};
use tower_sessions::Session;

use super::answer::{Failure, Problem, Success};
use super::door::Door;
use super::session::forget;

/// Sign out: the session is gone for good, here and for whoever else may know its id.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "sign-in",
    security((), ("session" = [])),
    responses(
        (status = 200, description = "Signed out, whether or not anybody was signed in", body = Success),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 503, description = "`unavailable`", body = Failure, headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub async fn logout(door: Door, session: Session) -> Result<Response, Problem> {
    forget(&session).await?;
    Ok(match door {
        Door::Browser => Redirect::to("/login?signed-out").into_response(),
        Door::Program { .. } => Success::new("You are signed out.").into_response(),
    })
}
