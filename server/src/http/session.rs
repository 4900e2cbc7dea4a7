//! What a browser's session remembers.

use serde::{Deserialize, Serialize};
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, session};

use super::answer::Problem;
use crate::store::ClaimId;

/// As long as a claim may live by default, counted from the last change.
pub const EXPIRY: Expiry = Expiry::OnInactivity(Duration::hours(24));

const KEY: &str = "latchkey";

/// A session proves the claim it made, or the account it verified; there is no other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    /// The claim that this browser has made last.
    pub claim: Option<ClaimId>,
    /// The account that this browser has verified.
    pub account: Option<Owner>,
}

/// Whose account it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The canonical address.
    pub address: String,
}

impl Remembered {
    /// What this session remembers; nothing when there is none.
    pub async fn of(session: &Session) -> Result<Self, Problem> {
        Ok(session.get(KEY).await.map_err(failed)?.unwrap_or_default())
    }

    /// Remembers this, under a new id where rights change: an id that somebody planted or saw
    /// before gains nothing (OWASP ASVS 5.0 7.2.4).
    pub async fn keep(&self, session: &Session) -> Result<(), Problem> {
        session.cycle_id().await.map_err(failed)?;
        session.insert(KEY, self).await.map_err(failed)
    }
}

fn failed(error: session::Error) -> Problem {
    tracing::error!(%error, "a session could not be read or written");
    Problem::unavailable(std::time::Duration::from_secs(5))
}
