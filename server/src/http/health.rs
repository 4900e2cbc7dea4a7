//! Whether the process is up, and whether it can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::Duration;
use latchkey_app::texts::{Message, key};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Failure, Kind, Problem};
use super::state::AppState;
use crate::store::{Store, StoreError};

/// A relay that is away for less than this is being restarted; nobody need be woken.
const RELAY_AWAY: Duration = Duration::minutes(10);

/// A healthy answer.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "success")]
    status: &'static str,
    message: &'static str,
}

/// Whether the process is up.
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "The process is up", body = Health)))]
pub async fn alive() -> Json<Health> {
    Json(Health {
        status: "success",
        message: "The process is up.",
    })
}

/// Whether the store takes writes and mail moves.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "`unavailable`, with the reason", body = Failure,
            headers(("Retry-After" = u64, description = "Seconds"))),
    ))]
pub async fn ready(State(store): State<Arc<Store>>, State(state): State<AppState>) -> Response {
    let now = state.clock.now();
    let failing_for = state
        .relay_health
        .failing_since(now)
        .map_or(Duration::zero(), |since| now - since);
    let reason = match store.probe().await {
        Ok(()) if failing_for > RELAY_AWAY => key::ERROR_RELAY_AWAY.with(
            "minutes",
            u64::try_from(failing_for.num_minutes()).unwrap_or(0),
        ),
        Ok(()) => {
            return Json(Health {
                status: "success",
                message: "Ready.",
            })
            .into_response();
        }
        Err(error) => {
            tracing::error!(%error, "the store does not take writes");
            match (store.loss(), error) {
                (Some(reason), _) => key::ERROR_STORE_LOST.with("reason", reason),
                (None, StoreError::Unreachable(reason)) => {
                    key::ERROR_STORE_UNREACHABLE.with("reason", reason)
                }
                (None, _) => Message::from(key::ERROR_STORE_AWAY),
            }
        }
    };
    Problem::new(Kind::Unavailable, reason)
        .until(std::time::Duration::from_secs(10))
        .into_response()
}
