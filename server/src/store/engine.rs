//! The database itself: how it is opened and closed, and what becomes of one that fails.

mod server;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow};
use secrecy::ExposeSecret;
use surrealdb::Surreal;
use surrealdb::engine::any::{self, Any};
use surrealdb::opt::Config;
use surrealdb::opt::auth::Root;
use surrealdb::opt::capabilities::{Capabilities, PlannerStrategy};
use tokio::sync::{Notify, RwLock, RwLockReadGuard, watch};
use tokio::time::timeout;

use super::statements::is_conflict;
use super::{StoreError, log_tail};
use crate::config::DatabaseConfig;
use crate::entropy::jitter;

/// How the embedded engine is told to sync each commit before it acknowledges it.
const SYNC: &str = "sync=every";

/// How large the log of the embedded engine may become before it is closed and opened again.
///
/// Closing writes everything to tables and leaves no log. Left to itself, surrealkv 0.21.4 begins
/// another log once its memory table is full (64 MiB or more, by the machine's memory), and then
/// forgets the commit that filled it if the process is killed before the next table is full
/// (docs/RELIABILITY.md). A log of this size is far from that, and is read in no time at a start.
const LOG_BYTES: u64 = 16 * 1024 * 1024;

/// Opening or closing the engine mostly takes less than a tenth of a second. But it merges tables then,
/// which grows with the store.
const PATIENCE: Patience = Patience {
    tells_after: Duration::from_secs(15),
    ends_after: Duration::from_secs(600),
};

/// How often a database is selected when others get in the way, and the time between two tries.
const SELECTING: u32 = 10;
const SELECTING_PAUSE: Duration = Duration::from_millis(20);

/// How long the engine is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// When it is told that it takes long.
    tells_after: Duration,
    ends_after: Duration,
}

impl Patience {
    /// Waits for the engine, and says so if that takes long.
    async fn wait<T>(
        self,
        doing: impl IntoFuture<Output = T>,
        what: &str,
        folder: &Path,
        advice: &str,
    ) -> anyhow::Result<T> {
        let mut doing = pin!(doing.into_future());
        if let Ok(done) = timeout(self.tells_after, &mut doing).await {
            return Ok(done);
        }
        let database = format!("The embedded database in {}", folder.display());
        tracing::warn!("{database} takes long to {what}. It may be merging its tables; {advice}");
        let seconds = self.ends_after.as_secs();
        timeout(self.ends_after - self.tells_after, doing)
            .await
            .map_err(|_| anyhow!("{database} does not {what} within {seconds} s; {advice}"))
    }
}

/// The database, embedded or a server's.
pub(super) struct Engine {
    config: DatabaseConfig,
    address: String,
    /// Where the embedded engine keeps its files.
    folder: Option<PathBuf>,
    database: RwLock<Option<Surreal<Any>>>,
    /// How many have it for longer than a statement takes.
    held_open: Arc<AtomicUsize>,
    /// Why it is given up.
    lost: watch::Sender<Option<String>>,
    /// Why the server cannot be reached now.
    unreachable: watch::Sender<Option<String>>,
    /// A statement has met a connection that is broken.
    suspected: Notify,
    /// Which store this is, once that is known.
    fingerprint: OnceLock<String>,
}

impl Engine {
    pub(super) async fn open(config: &DatabaseConfig, data_dir: &Path) -> anyhow::Result<Self> {
        let (address, folder) = address(config.url.as_deref(), data_dir);
        let engine = Self {
            config: config.clone(),
            address,
            folder,
            database: RwLock::new(None),
            held_open: Arc::default(),
            lost: watch::Sender::new(None),
            unreachable: watch::Sender::new(None),
            suspected: Notify::new(),
            fingerprint: OnceLock::new(),
        };
        let database = if config.is_server() {
            engine.connect_in_time().await?
        } else {
            engine.connect().await?
        };
        *engine.database.write().await = Some(database);
        Ok(engine)
    }

    async fn connect(&self) -> anyhow::Result<Surreal<Any>> {
        if let Some(folder) = &self.folder {
            // Nobody else may be writing the log that is looked at.
            let lock = lock(folder)?;
            if let Some(cut) = log_tail::mend(folder)? {
                tracing::warn!(
                    segment = %cut.segment.display(),
                    whole_bytes = cut.whole_bytes,
                    torn_bytes = cut.torn_bytes,
                    kept = %folder.join(log_tail::KEPT).display(),
                    "the store's log had a torn end and is cut off there: after a crash or a power loss \
                     nobody was answered for it; else its disk has damaged it, and a backup has more"
                );
            }
            drop(lock);
        }
        let address = &self.address;
        let mut config = Config::new();
        if self.is_embedded() {
            config = config.capabilities(capabilities());
        }
        if let Some(tls) = server::tls(address)? {
            config = config.rustls(tls);
        }
        let connecting = any::connect((address, config));
        let database = match &self.folder {
            // The engine tries again and again to read what cannot be read.
            Some(folder) => {
                let advice = "if the log says that a checksum or a file is wrong, its disk has damaged it: \
                              move it away and restore a backup";
                PATIENCE.wait(connecting, "open", folder, advice).await?
            }
            None => connecting.await,
        };
        let database =
            database.with_context(|| format!("Failed to open the database {address}"))?;
        if let (Some(username), Some(password)) = (&self.config.username, &self.config.password) {
            database
                .signin(Root {
                    username: username.clone(),
                    password: password.expose_secret().to_owned(),
                })
                .await
                .context("Failed to sign in to the database")?;
        }
        self.select(&database)
            .await
            .context("Failed to select the database")?;
        Ok(database)
    }

    /// Selects namespace and database, which the first one to come makes.
    async fn select(&self, database: &Surreal<Any>) -> surrealdb::Result<()> {
        let mut tries = 1;
        loop {
            let (namespace, name) = (&self.config.namespace, &self.config.database);
            match database.use_ns(namespace).use_db(name).await {
                // Another instance that starts at the same time makes it too.
                Err(error) if is_conflict(&error) && tries < SELECTING => {
                    tokio::time::sleep(SELECTING_PAUSE.mul_f64(jitter(0.5))).await;
                    tries += 1;
                }
                selected => return selected.map(drop),
            }
        }
    }

    /// What to send statements to. It is not closed as long as the guard lives.
    ///
    /// # Errors
    /// When it is lost, unreachable or closed.
    pub(super) async fn database(&self) -> Result<RwLockReadGuard<'_, Surreal<Any>>, StoreError> {
        if let Some(reason) = self.loss() {
            return Err(StoreError::Failed(reason));
        }
        if let Some(reason) = self.unreachable.borrow().clone() {
            return Err(StoreError::Unreachable(reason));
        }
        RwLockReadGuard::try_map(self.database.read().await, Option::as_ref)
            .map_err(|_| StoreError::Failed("it is closed".to_owned()))
    }

    /// What to send many statements to, while others' statements and a wish to
    /// [keep the log short](Self::keep_log_short), which is put off, need not wait.
    ///
    /// # Errors
    /// When it is lost, unreachable or closed.
    pub(super) async fn hold_open(&self) -> Result<(Surreal<Any>, HeldOpen), StoreError> {
        let database = self.database().await?;
        self.held_open.fetch_add(1, Ordering::SeqCst);
        Ok((database.clone(), HeldOpen(self.held_open.clone())))
    }

    /// Whether it is in this process, with files of its own.
    pub(super) fn is_embedded(&self) -> bool {
        self.folder.is_some()
    }

    /// Closes the embedded engine and opens it again if its log has become large and nobody holds
    /// it open. Statements wait meanwhile.
    /// Where its folder is gone there is nothing to look at: it is lost.
    pub(super) async fn keep_log_short(&self, log_bytes: u64) -> anyhow::Result<bool> {
        let Some(folder) = &self.folder else {
            return Ok(false);
        };
        // Its files are open, and would take everything without a word.
        if !folder.join(LOCK).try_exists()? {
            let gone = format!("{} is gone, or is another folder now", folder.display());
            self.lose(gone);
            return Ok(false);
        }
        if log_tail::bytes(folder)? < log_bytes || self.loss().is_some() {
            return Ok(false);
        }
        let mut database = self.database.write().await;
        if self.held_open.load(Ordering::SeqCst) > 0 {
            return Ok(false);
        }
        let opened = async {
            closed(folder, database.take()).await?;
            self.connect().await
        };
        match opened.await {
            Ok(opened) => *database = Some(opened),
            Err(error) => {
                self.lose(format!("{error:#}"));
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Closes it for good, once running statements have ended.
    pub(super) async fn close(&self) -> anyhow::Result<()> {
        let database = self.database.write().await.take();
        match &self.folder {
            Some(folder) if database.is_some() => closed(folder, database).await,
            _ => Ok(()),
        }
    }

    /// Gives it up: from now on every statement fails.
    pub(super) fn lose(&self, reason: String) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            if first {
                tracing::error!(reason, "the store failed and is given up");
                *lost = Some(reason);
            }
            first
        });
    }

    /// Why it was given up.
    pub(super) fn loss(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    /// Resolves once it is given up.
    pub(super) async fn lost(&self) -> String {
        reason(&self.lost).await
    }

    /// What it says of itself at a start.
    pub(super) fn describe(&self) {
        if self.is_embedded() {
            tracing::info!(
                address = self.address,
                sync = "every commit, before it is answered",
                "store opened"
            );
        } else {
            tracing::info!(address = self.address, "store opened");
        }
    }
}

/// Resolves once there is a reason.
async fn reason(told: &watch::Sender<Option<String>>) -> String {
    let mut told = told.subscribe();
    let reason = told.wait_for(Option::is_some).await;
    // The sender lives as long as this does.
    reason.map_or_else(
        |_| String::new(),
        |reason| reason.clone().unwrap_or_default(),
    )
}

/// The database is not closed and opened again as long as this lives.
pub(super) struct HeldOpen(Arc<AtomicUsize>);

impl Drop for HeldOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How large a log may become.
pub(super) const fn log_bytes() -> u64 {
    LOG_BYTES
}

/// Lets go of the engine, which then writes everything to its tables, and waits until it has.
async fn closed(folder: &Path, database: Option<Surreal<Any>>) -> anyhow::Result<()> {
    drop(database);
    let unlocked = async {
        loop {
            match lock(folder) {
                Err(Locked::Elsewhere(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                lock => return lock.map(drop),
            }
        }
    };
    let advice = "what was answered for is on disk";
    Ok(PATIENCE.wait(unlocked, "close", folder, advice).await??)
}

#[derive(Debug, thiserror::Error)]
enum Locked {
    #[error("The store {0} is in use: does another Latchkey run on it?")]
    Elsewhere(String),
    #[error("Failed to look at the store's lock")]
    Failed(#[from] io::Error),
}

/// The file that the embedded engine locks, and leaves behind.
const LOCK: &str = "LOCK";

/// The lock that the embedded engine takes as well; `None` where there is no store yet.
fn lock(folder: &Path) -> Result<Option<File>, Locked> {
    let file = match File::open(folder.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Locked::Elsewhere(folder.display().to_string())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// How the embedded engine runs statements (docs/PERFORMANCE.md). Ours are about single records:
/// the planner of SurrealDB 3.3.5, which reads a table's definitions anew in each transaction,
/// takes more time for them than it saves. Nobody listens to live queries.
fn capabilities() -> Capabilities {
    Capabilities::new()
        .with_planner_strategy(PlannerStrategy::ComputeOnly)
        .with_live_query_notifications(false)
}

/// The address, and the folder of the embedded engine's files. Every commit of an embedded
/// database is synced before it is acknowledged (the engine's own default may change; ours must
/// not).
fn address(configured: Option<&str>, data_dir: &Path) -> (String, Option<PathBuf>) {
    let embedded = |folder: PathBuf| {
        let address = format!("surrealkv://{}?{SYNC}", folder.display());
        (address, Some(folder))
    };
    match configured {
        None => embedded(data_dir.join("store")),
        Some(url) => match url.strip_prefix("surrealkv://") {
            Some(path) => embedded(PathBuf::from(path)),
            None => (url.to_owned(), None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_of_an_embedded_database_is_synced() {
        for (url, folder) in [(None, "data/store"), (Some("surrealkv://other"), "other")] {
            let (address, found) = address(url, Path::new("data"));
            assert_eq!(address, format!("surrealkv://{folder}?sync=every"));
            assert_eq!(found.as_deref(), Some(Path::new(folder)));
        }
        assert_eq!(
            address(Some("ws://db:8000"), Path::new("data")),
            ("ws://db:8000".to_owned(), None)
        );
    }

    #[tokio::test]
    async fn a_large_store_has_its_time_and_a_damaged_one_ends() {
        let patience = Patience {
            tells_after: Duration::from_millis(1),
            ends_after: Duration::from_secs(1),
        };
        let folder = Path::new("data/store");
        let opening = tokio::time::sleep(Duration::from_millis(20));
        let outcome = patience.wait(opening, "open", folder, "restore").await;
        outcome.unwrap();
        let opening = std::future::pending::<()>();
        let outcome = patience.wait(opening, "open", folder, "restore").await;
        let words = outcome.unwrap_err().to_string();
        assert!(
            words.ends_with("data/store does not open within 1 s; restore"),
            "{words}"
        );
    }

    #[tokio::test]
    async fn a_store_that_is_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = DatabaseConfig::default();
        let engine = Engine::open(&config, folder.path()).await.unwrap();
        let second = Engine::open(&config, folder.path()).await;
        let words = second.err().unwrap().to_string();
        assert!(
            words.contains("does another Latchkey run on it?"),
            "{words}"
        );
        engine.close().await.unwrap();
        assert!(engine.database().await.is_err());
        Engine::open(&config, folder.path()).await.unwrap();
    }
}
