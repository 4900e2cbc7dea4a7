//! How the relay has been doing, as this process sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Mail that waits is tried more often than this: where nothing failed for longer, nothing waits.
const FRESH: TimeDelta = TimeDelta::minutes(8);

/// Whether the relay takes mail at all: a single address that it puts off says nothing.
#[derive(Default)]
pub struct RelayHealth(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The first and the last failure without a success in between.
    failing: Option<(DateTime<Utc>, DateTime<Utc>)>,
    last_delivery: Duration,
}

impl RelayHealth {
    /// Since when nothing has come of talking to the relay; `None` when it works, or when nobody
    /// has talked to it for so long that nothing can be said.
    #[must_use]
    pub fn failing_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let seen = self.seen();
        let (since, last) = seen.failing?;
        (now - last < FRESH).then_some(since)
    }

    /// How long the relay last took to take a mail.
    pub(super) fn last_delivery(&self) -> Duration {
        self.seen().last_delivery
    }

    pub(super) fn took(&self, duration: Duration) {
        let mut seen = self.seen();
        seen.failing = None;
        seen.last_delivery = duration;
    }

    /// It answered, though not as one would wish.
    pub(super) fn answered(&self) {
        self.seen().failing = None;
    }

    pub(super) fn failed(&self, now: DateTime<Utc>) {
        let mut seen = self.seen();
        let since = seen.failing.map_or(now, |(since, _)| since);
        seen.failing = Some((since, now));
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_nobody_repeats_is_forgotten() {
        let health = RelayHealth::default();
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let after = |minutes| start + TimeDelta::minutes(minutes);
        assert_eq!(health.failing_since(start), None);
        health.failed(start);
        health.failed(after(5));
        assert_eq!(health.failing_since(after(11)), Some(start));
        assert_eq!(health.failing_since(after(14)), None);
        health.failed(after(15));
        health.answered();
        assert_eq!(health.failing_since(after(15)), None);
    }
}
