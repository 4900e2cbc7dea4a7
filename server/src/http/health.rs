//! Whether the process is up, and whether it can do its work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use latchkey_app::texts::{Message, key};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Failure, Kind, Problem};
use super::state::AppState;
use crate::store::{Store, StoreError};

/// For how long a write that succeeded says that the store takes writes. Anybody may ask, and each
/// write is synced to disk.
const PROBE_HOLDS: Duration = Duration::from_secs(1);

/// When the store last took a write that was made to see whether it does.
#[derive(Default)]
pub struct Probed(Mutex<Option<Instant>>);

impl Probed {
    async fn probe(&self, store: &Store, now: Instant) -> Result<(), StoreError> {
        let probed_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = probed_at.is_some_and(|at| now.duration_since(at) < PROBE_HOLDS);
        if holds && store.loss().is_none() {
            return Ok(());
        }
        store.probe().await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }
}

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
    let reason = match state.probed.probe(&store, Instant::now()).await {
        Ok(()) => match state.relay_health.away_for(state.clock.now()) {
            Some(away) => {
                let minutes = u64::try_from(away.num_minutes()).unwrap_or(0);
                key::ERROR_RELAY_AWAY.with("minutes", minutes)
            }
            None => {
                return Json(Health {
                    status: "success",
                    message: "Ready.",
                })
                .into_response();
            }
        },
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
        .until(Duration::from_secs(10))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[tokio::test]
    async fn a_store_is_written_to_once_a_second_whoever_asks() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        let (probed, start) = (Probed::default(), Instant::now());
        probed.probe(&store, start).await.unwrap();
        // Takes no writes any more.
        store.close().await.unwrap();
        let asked = probed.probe(&store, start + PROBE_HOLDS / 2).await;
        asked.unwrap();
        let asked = probed.probe(&store, start + PROBE_HOLDS).await;
        assert!(asked.is_err());
        let asked = probed.probe(&store, start + PROBE_HOLDS / 2).await;
        asked.unwrap();
    }
}
