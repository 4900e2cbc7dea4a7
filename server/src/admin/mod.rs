//! What an operator asks of the data: accounts, queries, backups.
//!
//! One process owns an embedded store, so the commands ask the server that is running, over
//! a socket in `data_dir` ([`socket`]), and where none runs they open the store and ask themselves
//! ([`door`]). Either way the same routes answer.

pub mod accounts;
mod door;
mod lines;
mod looking;
pub mod socket;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::store::Store;

/// What the routes need.
#[derive(Clone)]
pub struct Administration {
    pub store: Arc<Store>,
}

/// The routes of the socket. Whoever reaches them may do everything.
pub fn router(administration: Administration) -> Router {
    Router::new()
        .route("/rows", get(looking::rows))
        .with_state(administration)
}
