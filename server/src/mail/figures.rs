//! What became of mail, in figures. Tests read them; for operators there is no door to them yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::store::{Store, StoreError};

/// Upper bounds of the classes of waiting times, in milliseconds; what took longer is in one more.
pub const WAIT_BOUNDS_MS: [u64; 12] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000, 60_000, 300_000, 900_000,
];

/// Counts what this process does. What a decoy only seems to send is not counted.
#[derive(Debug, Default)]
pub struct MailCounters {
    sent: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    waits: [AtomicU64; WAIT_BOUNDS_MS.len() + 1],
    waited_ms: AtomicU64,
}

/// The figures at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFigures {
    /// Mails owed, by all instances together.
    pub queued: u64,
    /// How long the oldest of them has been owed.
    pub oldest_age: Duration,
    /// Mails that the relay took, since this process started.
    pub sent: u64,
    /// Tries that came to nothing and were put off.
    pub retried: u64,
    /// Mails that the relay refused for good.
    pub refused: u64,
    /// From the wish for a mail to the relay's 250: how many fall into each class of
    /// [`WAIT_BOUNDS_MS`].
    pub waits: [u64; WAIT_BOUNDS_MS.len() + 1],
    /// All those waiting times together.
    pub waited: Duration,
}

impl MailCounters {
    /// The relay took a mail that was asked for `waited_ms` ago.
    pub(super) fn sent(&self, waited_ms: u64) {
        let class = WAIT_BOUNDS_MS
            .iter()
            .position(|bound| waited_ms <= *bound)
            .unwrap_or(WAIT_BOUNDS_MS.len());
        add(&self.sent, 1);
        add(&self.waits[class], 1);
        add(&self.waited_ms, waited_ms);
    }

    pub(super) fn retried(&self) {
        add(&self.retried, 1);
    }

    pub(super) fn refused(&self) {
        add(&self.refused, 1);
    }

    /// All figures, those of the outbox read from the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, store: &Store, now: DateTime<Utc>) -> Result<MailFigures, StoreError> {
        let depth = store.outbox_depth().await?;
        Ok(MailFigures {
            queued: u64::try_from(depth.mails).unwrap_or(0),
            oldest_age: depth
                .oldest
                .and_then(|oldest| (now - oldest).to_std().ok())
                .unwrap_or_default(),
            sent: get(&self.sent),
            retried: get(&self.retried),
            refused: get(&self.refused),
            waits: self.waits.each_ref().map(get),
            waited: Duration::from_millis(get(&self.waited_ms)),
        })
    }
}

// Nothing hangs on the order in which other threads see them.
fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
