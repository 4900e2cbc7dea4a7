//! Whether the process is up, and whether it can do its work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use latchkey_app::texts::{Message, key};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::answer::{Failure, Kind, Problem};
use super::state::AppState;
use crate::store::{Store, StoreError};

/// What became of the last write that was made to see whether the store takes any. Anybody may
/// ask, and each write is synced to disk.
pub struct Probed {
    last: Arc<Mutex<Option<Outcome>>>,
    /// For how long that is the answer.
    holds: Duration,
}

struct Outcome {
    at: Instant,
    of: Result<(), StoreError>,
}

impl Default for Probed {
    fn default() -> Self {
        Self {
            last: Arc::default(),
            holds: Duration::from_secs(1),
        }
    }
}

impl Probed {
    async fn probe(&self, store: &Arc<Store>) -> Result<(), StoreError> {
        // Whoever asks meanwhile waits, and has the same answer.
        let mut last = self.last.clone().lock_owned().await;
        let is_lost = store.loss().is_some();
        if let Some(Outcome { at, of }) = &*last
            && at.elapsed() < self.holds
            && !(of.is_ok() && is_lost)
        {
            return of.clone();
        }
        let store = store.clone();
        // The write goes on when whoever asked has gone, and so does this.
        let probing = tokio::spawn(async move {
            let of = store.probe().await;
            if let Err(error) = &of {
                tracing::error!(%error, "the store does not take writes");
            }
            let at = Instant::now();
            *last = Some(Outcome { at, of: of.clone() });
            of
        });
        probing
            .await
            .unwrap_or_else(|_| Err(StoreError::Failed("the probe broke off".to_owned())))
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
    let reason = match state.probed.probe(&store).await {
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
        Err(error) => match (store.loss(), error) {
            (Some(reason), _) => key::ERROR_STORE_LOST.with("reason", reason),
            (None, StoreError::Unreachable(reason)) => {
                key::ERROR_STORE_UNREACHABLE.with("reason", reason)
            }
            (None, _) => Message::from(key::ERROR_STORE_AWAY),
        },
    };
    Problem::new(Kind::Unavailable, reason)
        .until(Duration::from_secs(10))
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    async fn store(folder: &std::path::Path) -> Arc<Store> {
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder, clock).await;
        Arc::new(store.unwrap())
    }

    fn holding(seconds: u64) -> Probed {
        Probed {
            last: Arc::default(),
            holds: Duration::from_secs(seconds),
        }
    }

    #[tokio::test]
    async fn what_a_write_came_to_is_the_answer_for_as_long_as_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let (long, short) = (holding(3600), holding(0));
        long.probe(&store).await.unwrap();
        short.probe(&store).await.unwrap();
        // Takes no writes any more.
        store.close().await.unwrap();
        long.probe(&store).await.unwrap();
        assert!(short.probe(&store).await.is_err());
    }

    #[tokio::test]
    async fn a_write_counts_also_when_whoever_asked_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let probed = holding(3600);
        let mut asked = Box::pin(probed.probe(&store));
        let begun = std::future::poll_fn(|context| Poll::Ready(asked.as_mut().poll(context)));
        assert!(begun.await.is_pending());
        drop(asked);
        assert!(probed.last.lock().await.is_some());
    }
}
