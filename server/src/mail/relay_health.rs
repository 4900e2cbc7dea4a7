//! How the relay has been doing, as this process sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Whether the relay takes mail at all: a single address that it puts off says nothing.
#[derive(Default)]
pub struct RelayHealth(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    failing_since: Option<DateTime<Utc>>,
    last_delivery: Duration,
}

impl RelayHealth {
    /// Since when nothing has come of talking to the relay; `None` when it works.
    #[must_use]
    pub fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.seen().failing_since
    }

    /// How long the relay last took to take a mail.
    pub(super) fn last_delivery(&self) -> Duration {
        self.seen().last_delivery
    }

    pub(super) fn took(&self, duration: Duration) {
        let mut seen = self.seen();
        seen.failing_since = None;
        seen.last_delivery = duration;
    }

    /// It answered, though not as one would wish.
    pub(super) fn answered(&self) {
        self.seen().failing_since = None;
    }

    pub(super) fn failed(&self, now: DateTime<Utc>) {
        self.seen().failing_since.get_or_insert(now);
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
