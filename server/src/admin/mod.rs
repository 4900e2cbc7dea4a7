//! What an operator asks of the data: accounts, queries, backups.
//!
//! One process owns an embedded store, so the commands ask the server that is running, over
//! a socket in `data_dir` ([`socket`]), and where none runs they open the store and ask themselves
//! (`door.rs`). Either way the same routes answer.

pub mod accounts;
pub mod backup;
mod backup_file;
mod door;
mod lines;
mod looking;
mod progress;
pub mod query;
pub mod restore;
pub mod socket;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::secret_key::SecretKey;
use crate::store::Store;

/// What the routes need.
#[derive(Clone)]
pub struct Administration {
    pub store: Arc<Store>,
    /// Missing where an operator looks at a store without its key.
    pub secret_key: Option<Arc<SecretKey>>,
    pub clock: SharedClock,
    /// Cancelled when nobody waits for answers any more.
    pub enough: CancellationToken,
}

/// The routes of the socket. Whoever reaches them may do everything.
pub fn router(administration: Administration) -> Router {
    Router::new()
        .route("/account", get(accounts::one).delete(accounts::remove))
        .route("/backup", get(backup::lines))
        .route("/rows", get(looking::rows))
        .with_state(administration)
}
