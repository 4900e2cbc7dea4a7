//! Running statements: how many at a time, how long, and what becomes of those that others get in the
//! way of.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use surrealdb::types::{QueryError, SurrealValue, Value, Variables};
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::engine::Engine;
use super::recent::{Known, Recent, Touched};
use super::{StoreError, vars};
use crate::clock::SharedClock;
use crate::entropy::jitter;

/// How often a statement is tried when other transactions keep getting in its way.
pub(super) const MAX_TRIES: u32 = 40;

/// How long one try may take. The embedded engine draws the ids of an index from a sequence, and
/// tries that without end when the disk takes no writes.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a try takes at most without anybody asking whether the engine still takes writes.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// Writes, and needs no index for it.
pub(super) const PROBE: &str = "{ UPSERT ONLY probe:ready SET at = $now; RETURN NONE }";

/// How many statements run at the same time. Each takes some hundred KiB while it runs: a crowd
/// that has waited together for the engine must not come down on memory together.
const AT_ONCE: usize = 64;

/// Runs statements on the engine.
pub(super) struct Statements {
    engine: Arc<Engine>,
    clock: SharedClock,
    permits: Semaphore,
    recent: Recent,
}

/// A statement that may change something.
pub(super) struct Changing {
    pub block: &'static str,
    pub variables: Variables,
    pub touched: Touched,
    /// What its records say if it answers with NONE.
    pub then: Known,
}

impl Changing {
    /// A statement of which nothing is known but what it may change.
    pub(super) fn new(block: &'static str, variables: Variables, touched: Touched) -> Self {
        Self {
            block,
            variables,
            touched,
            then: Known::new(),
        }
    }
}

impl Statements {
    pub(super) fn new(engine: Arc<Engine>, clock: SharedClock) -> Self {
        Self {
            recent: Recent::new(engine.is_embedded()),
            engine,
            clock,
            permits: Semaphore::new(AT_ONCE),
        }
    }

    /// What was written last.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Runs one block that changes nothing as one transaction.
    pub(super) async fn look<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, StoreError> {
        let tried = self.try_often(MAX_TRIES, block, variables).await;
        tried.map_err(StoreError::from)
    }

    /// The same for one that may change something, so often while others get in its way. It goes on
    /// when whoever wanted it gives up, so that what it touches is known to be at rest when it ends.
    pub(super) async fn change<T: SurrealValue + Send + 'static>(
        self: &Arc<Self>,
        tries: u32,
        statement: Changing,
    ) -> Result<T, Tried> {
        let statements = self.clone();
        let changing = async move { statements.change_now(tries, statement).await };
        let outcome = tokio::spawn(changing.in_current_span()).await;
        let value = outcome.unwrap_or_else(|_| Err(Tried::Failed(StoreError::given_up())))?;
        T::from_value(value).map_err(|error| Tried::Failed(error.into()))
    }

    async fn change_now(&self, tries: u32, statement: Changing) -> Result<Value, Tried> {
        let change = self.recent.begin(statement.touched);
        let outcome: Result<Value, Tried> = self
            .try_often(tries, statement.block, statement.variables)
            .await;
        match &outcome {
            Ok(Value::None) => self.recent.end(change, statement.then),
            Ok(_) | Err(Tried::Conflict | Tried::Refused(_)) => {
                self.recent.end(change, Known::new());
            }
            // It may come through later.
            Err(Tried::Failed(_)) => {
                if change.is_of_anything() {
                    tracing::warn!("from now on rows are read again that were just written");
                }
            }
        }
        outcome
    }

    /// The same as `look`, but only so often. What changes something goes by `change`.
    pub(super) async fn try_often<T: SurrealValue>(
        &self,
        tries: u32,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, Tried> {
        let mut pause = Pause::default();
        for _ in 1..tries {
            match self.run_watched(block, variables.clone()).await {
                Err(Tried::Conflict) => pause.wait().await,
                outcome => return outcome,
            }
        }
        self.run_watched(block, variables).await
    }

    /// One try. The embedded engine does not always say that the disk takes no writes: some of its
    /// statements then never end. So one that takes long has it asked by one that fails.
    async fn run_watched<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, Tried> {
        // Never closed, so the permit is always there in the end. Waiting for one says nothing about
        // the engine, and asking it must need none.
        let _permit = self.permits.acquire().await;
        let mut outcome = pin!(self.run_once(block, variables));
        let mut waited = Duration::ZERO;
        while waited < ANSWER {
            match tokio::time::timeout(SUSPICIOUS, &mut outcome).await {
                Ok(outcome) => return outcome,
                Err(_) if self.engine.is_embedded() => {
                    let now = vars([("now", self.clock.now().into_value())]);
                    let probe = self.run_once::<Value>(PROBE, now);
                    // Whether it is lost is seen to where it fails.
                    let _ = tokio::time::timeout(SUSPICIOUS, probe).await;
                    if let Some(reason) = self.engine.loss() {
                        return Err(Tried::Failed(StoreError::Failed(reason)));
                    }
                    waited += SUSPICIOUS;
                }
                Err(_) => {}
            }
            waited += SUSPICIOUS;
        }
        let words = "it did not answer in time".to_owned();
        Err(Tried::Failed(StoreError::Failed(words)))
    }

    async fn run_once<T: SurrealValue>(
        &self,
        block: &'static str,
        variables: Variables,
    ) -> Result<T, Tried> {
        let database = self.engine.database().await.map_err(Tried::Failed)?;
        let outcome = async {
            let mut response = database.query(block).bind(variables).await?;
            response.take::<Value>(0)
        };
        let outcome = tokio::select! {
            outcome = outcome => outcome,
            reason = self.engine.unreachable() => {
                return Err(Tried::Failed(StoreError::Unreachable(reason)));
            }
        };
        let value = outcome.map_err(|error| {
            if is_conflict(&error) {
                return Tried::Conflict;
            }
            if error.is_connection() {
                self.engine.suspect();
            }
            let is_lost = self.engine.is_embedded() && is_failed_commit(&error);
            // A server does not always say that it does not know what became of a commit.
            let is_refused = self.engine.is_embedded() && !error.is_connection() && !is_lost;
            let error = StoreError::from(error);
            if is_lost {
                self.engine.lose(match &error {
                    StoreError::Failed(reason) => reason.clone(),
                    other => other.to_string(),
                });
            }
            if is_refused || matches!(error, StoreError::Exists) {
                Tried::Refused(error)
            } else {
                Tried::Failed(error)
            }
        })?;
        T::from_value(value).map_err(|error| Tried::Failed(error.into()))
    }
}

/// The time between two tries, longer each time.
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_micros(500))
    }
}

impl Pause {
    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0.mul_f64(jitter(0.5))).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(50));
    }
}

/// Why a try came to nothing.
pub(super) enum Tried {
    /// Another transaction got in its way; nothing was changed.
    Conflict,
    /// The statement is at fault; nothing was changed.
    Refused(StoreError),
    /// Whether anything was changed is unknown.
    Failed(StoreError),
}

impl From<Tried> for StoreError {
    fn from(tried: Tried) -> Self {
        match tried {
            Tried::Conflict => Self::Contended,
            Tried::Refused(error) | Tried::Failed(error) => error,
        }
    }
}

/// The engine's words can hold a record's id, which holds an address, which no log may.
pub(super) fn without_addresses(words: &str) -> String {
    words
        .split_whitespace()
        .map(|word| if word.contains('@') { "…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) fn is_conflict(error: &surrealdb::Error) -> bool {
    matches!(error.query_details(), Some(QueryError::TransactionConflict))
}

/// Whether the engine could not commit what the statement had done. A fault of the statement
/// itself, or of the engine while it reads, is of another kind.
fn is_failed_commit(error: &surrealdb::Error) -> bool {
    matches!(error.query_details(), Some(QueryError::NotExecuted))
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[test]
    fn what_the_engine_says_is_told_without_addresses() {
        assert_eq!(
            without_addresses("Record `account:⟨foo@bar.com⟩` already exists"),
            "Record … already exists"
        );
    }

    #[tokio::test]
    async fn whoever_waits_for_a_turn_is_not_told_that_the_engine_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        let all = u32::try_from(AT_ONCE).unwrap();
        let turns = store.statements.permits.acquire_many(all).await.unwrap();
        let (outcome, ()) = tokio::join!(store.probe(), async {
            tokio::time::sleep(ANSWER + SUSPICIOUS).await;
            drop(turns);
        });
        outcome.unwrap();
    }
}
