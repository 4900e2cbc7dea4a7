//! How the relay has been doing, as this process sees it, and how much it may be asked for now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::MAX_CONNECTIONS;
use crate::entropy::jitter;

/// Mail that waits is tried more often than this: where nothing failed for longer, nothing waits.
const FRESH: TimeDelta = TimeDelta::minutes(8);

/// A relay that is away for less than this is being restarted; nobody need be woken.
const AWAY: TimeDelta = TimeDelta::minutes(10);

/// How long a failing relay is left alone: at first, doubling, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const JITTER: f64 = 0.25;

/// Whether the relay takes mail at all: a single address that it puts off says nothing.
///
/// While it fails, one mail at a time tries whether it is back, whatever else waits; once it is,
/// every mail that it takes makes room for one more at the same time. So those who waited do not
/// all come down on it at once.
pub struct RelayHealth(Mutex<Seen>);

struct Seen {
    failing: Option<Failing>,
    last_delivery: Duration,
    /// How many conversations there may be at the same time.
    window: usize,
}

/// From the first failure to the last, without a success in between.
struct Failing {
    since: DateTime<Utc>,
    last: DateTime<Utc>,
    /// Whether the log has said that it is away.
    is_told: bool,
    pause: Duration,
    until: DateTime<Utc>,
}

impl Failing {
    /// What [`RelayHealth::away_for`] says; told to the log as well, once.
    fn away_for(&mut self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let away = now - self.since;
        if now - self.last >= FRESH || away <= AWAY {
            return None;
        }
        if !std::mem::replace(&mut self.is_told, true) {
            let minutes = away.num_minutes();
            tracing::error!(minutes, "the relay takes no mail; /readyz says so");
        }
        Some(away)
    }
}

impl Default for RelayHealth {
    fn default() -> Self {
        Self(Mutex::new(Seen {
            failing: None,
            last_delivery: Duration::ZERO,
            window: MAX_CONNECTIONS,
        }))
    }
}

impl RelayHealth {
    /// For how long nothing has come of talking to the relay, once somebody should be told;
    /// `None` also when nobody has talked to it for so long that nothing can be said.
    #[must_use]
    pub fn away_for(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.seen().failing.as_mut()?.away_for(now)
    }

    /// How many deliveries may begin now, beside those that are `under_way`.
    pub(super) fn room(&self, now: DateTime<Utc>, under_way: usize) -> usize {
        let seen = self.seen();
        // Longer than the longest pause it can be only by a clock that was put back.
        let is_pause = |wait: TimeDelta| {
            let longest = LONGEST_PAUSE.mul_f64(1.0 + JITTER);
            wait.to_std()
                .is_ok_and(|wait| !wait.is_zero() && wait <= longest)
        };
        match &seen.failing {
            Some(failing) if is_pause(failing.until - now) => 0,
            _ => seen.window.saturating_sub(under_way),
        }
    }

    /// How long the relay last took to take a mail.
    pub(super) fn last_delivery(&self) -> Duration {
        self.seen().last_delivery
    }

    pub(super) fn took(&self, duration: Duration) {
        self.answered();
        self.seen().last_delivery = duration;
    }

    /// It answered, though not as one would wish.
    pub(super) fn answered(&self) {
        let mut seen = self.seen();
        if seen.failing.take().is_some_and(|failing| failing.is_told) {
            tracing::info!("the relay answers again");
        }
        seen.window = (seen.window + 1).min(MAX_CONNECTIONS);
    }

    /// A try that began at `began` came to nothing.
    pub(super) fn failed(&self, began: DateTime<Utc>, now: DateTime<Utc>) {
        let mut seen = self.seen();
        seen.window = (seen.window / 2).max(1);
        let (mut failing, is_news) = match seen.failing.take() {
            // What began together with those that have failed already is no news.
            Some(failing) if now - failing.last < FRESH => {
                let is_news = began > failing.last;
                (failing, is_news)
            }
            before => {
                let failing = Failing {
                    since: now,
                    last: now,
                    is_told: before.is_some_and(|failing| failing.is_told),
                    pause: Duration::ZERO,
                    until: now,
                };
                (failing, true)
            }
        };
        // Earlier than now, also where the clock was put back.
        failing.since = failing.since.min(now);
        failing.last = now;
        if is_news {
            failing.pause = (failing.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            let wait = failing.pause.mul_f64(jitter(JITTER));
            failing.until = now + TimeDelta::from_std(wait).unwrap_or_default();
        }
        failing.away_for(now);
        seen.failing = Some(failing);
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;
    use crate::telemetry::tests::log;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn seconds(seconds: i64) -> DateTime<Utc> {
        start() + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_failure_that_nobody_repeats_is_forgotten() {
        let health = RelayHealth::default();
        let after = |minutes| start() + TimeDelta::minutes(minutes);
        let fails = |minutes| health.failed(after(minutes), after(minutes));
        assert_eq!(health.away_for(start()), None);
        fails(0);
        fails(5);
        assert_eq!(health.away_for(after(10)), None);
        assert_eq!(health.away_for(after(11)), Some(TimeDelta::minutes(11)));
        assert_eq!(health.away_for(after(14)), None);
        // The first of a new time: whether it lasts is to be seen.
        fails(15);
        assert_eq!(health.away_for(after(15)), None);
        fails(20);
        fails(26);
        assert_eq!(health.away_for(after(26)), Some(TimeDelta::minutes(11)));
        health.answered();
        assert_eq!(health.away_for(after(26)), None);
    }

    #[test]
    fn a_relay_that_is_down_is_asked_by_one_mail_at_a_time_and_ever_more_rarely() {
        let health = RelayHealth::default();
        assert_eq!(health.room(start(), 0), MAX_CONNECTIONS);
        for _ in 0..MAX_CONNECTIONS {
            health.failed(seconds(0), seconds(1));
        }
        assert_eq!(health.room(seconds(1), 0), 0);
        // All of them were one failure: the next try comes within two seconds.
        assert_eq!(health.room(seconds(3), 0), 1);
        assert_eq!(health.room(seconds(3), 1), 0);
        for tries in 1..100 {
            health.failed(seconds(100 * tries), seconds(100 * tries));
        }
        assert_eq!(health.room(seconds(9_900 + 7), 0), 0);
        assert_eq!(health.room(seconds(9_900 + 13), 0), 1);
    }

    #[test]
    fn the_log_tells_of_an_outage_once_and_of_its_end() {
        let health = RelayHealth::default();
        let minute = |minutes| start() + TimeDelta::minutes(minutes);
        let told = |events: &dyn Fn()| log(LogFormat::Text, "info", events);
        let fails = |minutes| health.failed(minute(minutes), minute(minutes));
        assert_eq!(told(&|| [0, 5, 10].into_iter().for_each(fails)), "");
        let away = told(&|| {
            assert!(health.away_for(minute(11)).is_some());
            [12, 15].into_iter().for_each(fails);
        });
        assert_eq!(away.matches("the relay takes no mail").count(), 1);
        assert_eq!(away.lines().count(), 1);
        // After a quiet while nobody has said yet that it is over.
        let over = told(&|| {
            [30, 36, 42].into_iter().for_each(fails);
            health.answered();
        });
        assert!(over.contains("the relay answers again"), "{over}");
        assert_eq!(over.lines().count(), 1);
        let short = told(&|| {
            fails(50);
            health.answered();
        });
        assert_eq!(short, "");
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_no_mail() {
        let health = RelayHealth::default();
        health.failed(seconds(3600), seconds(3600));
        assert_eq!(health.room(seconds(3600), 0), 0);
        assert_ne!(health.room(seconds(0), 0), 0);
        health.failed(seconds(0), seconds(0));
        for minutes in [5, 10] {
            health.failed(seconds(60 * minutes), seconds(60 * minutes));
        }
        let away = health.away_for(seconds(11 * 60));
        assert_eq!(away, Some(TimeDelta::minutes(11)));
    }

    #[test]
    fn a_relay_that_is_back_is_not_overrun() {
        let health = RelayHealth::default();
        for _ in 0..MAX_CONNECTIONS {
            health.failed(seconds(0), seconds(1));
        }
        for taken in 1..100 {
            health.took(Duration::from_millis(5));
            let room = health.room(seconds(1), 0);
            assert_eq!(room, (1 + taken).min(MAX_CONNECTIONS));
        }
    }
}
