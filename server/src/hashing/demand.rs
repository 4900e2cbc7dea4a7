//! Whether those who come are a burst or a flood.
//!
//! Both fill the queue at once. But a burst ends, or those in it come back only as they are served, and
//! then the queue stays as long as it is; in a flood it grows on, and so does the number of connections.
//! Those in a burst are connected before long, even where it takes seconds until all their handshakes
//! are done and they stand in the queue. On connections that are there already a flood is one only once
//! there are no places left.

use std::time::{Duration, Instant};

/// How long the queue is watched before it is said whether it has grown.
const INTERVAL: Duration = Duration::from_millis(75);

/// Having grown in so many, one after the other, is a flood. In them four times as many as can be
/// hashed fill the queue with what is hashed in 0.9 s.
const INTERVALS: u32 = 4;

/// What is known of those who come.
pub(super) struct Demand {
    is_flood: bool,
    /// When this interval began, and how many waited and were connected then.
    began: Instant,
    waited: usize,
    connected: usize,
    /// How many have left the queue for a worker since.
    served: usize,
    /// How many intervals up to this one the queue has grown in.
    grown: u32,
}

impl Demand {
    /// Nobody has come yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_flood: false,
            began: now,
            waited: 0,
            connected: 0,
            served: 0,
            grown: 0,
        }
    }

    /// Whether more come than a burst has, until nobody waits any more.
    pub(super) fn is_flood(&self) -> bool {
        self.is_flood
    }

    /// Somebody comes, to find so many waiting and connected.
    pub(super) fn came(&mut self, waiting: usize, connected: usize, now: Instant) {
        self.watch(waiting, connected, now);
    }

    /// Somebody's turn has come, and so many wait on and are connected.
    pub(super) fn left(&mut self, waiting: usize, connected: usize, now: Instant) {
        self.served += 1;
        self.watch(waiting, connected, now);
        if waiting == 0 {
            self.is_flood = false;
            self.grown = 0;
        }
    }

    /// Not even the places for a burst were enough.
    pub(super) fn overflowed(&mut self) {
        self.is_flood = true;
    }

    fn watch(&mut self, waiting: usize, connected: usize, now: Instant) {
        let lasted = now.saturating_duration_since(self.began);
        if lasted < INTERVAL {
            return;
        }
        // As many again as were served, or more: at least twice what can be hashed came.
        let more =
            (waiting.saturating_sub(self.waited)).min(connected.saturating_sub(self.connected));
        let has_grown = more > self.served;
        // Of a time in which nothing happened nothing is known.
        if has_grown && lasted < INTERVAL * 2 {
            self.grown += 1;
        } else {
            self.grown = 0;
        }
        self.is_flood |= self.grown >= INTERVALS;
        (self.began, self.waited, self.served) = (now, waiting, 0);
        self.connected = connected;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue that serves one every 7.5 ms.
    struct Story {
        demand: Demand,
        now: Instant,
        waiting: usize,
        /// Beyond those who wait.
        connected: usize,
    }

    const SERVED_EACH: Duration = Duration::from_micros(7_500);

    impl Story {
        fn new() -> Self {
            let now = Instant::now();
            let demand = Demand::new(now);
            Self {
                demand,
                now,
                waiting: 0,
                connected: 0,
            }
        }

        fn come(&mut self, count: usize) {
            for _ in 0..count {
                let connected = self.waiting + self.connected;
                self.demand.came(self.waiting, connected, self.now);
                self.waiting += 1;
                self.connected = self.connected.saturating_sub(1);
            }
        }

        /// For so long, with so many who come whenever one is served.
        fn go_on(&mut self, duration: Duration, come: usize) {
            let end = self.now + duration;
            while self.now < end {
                self.now += SERVED_EACH;
                if self.waiting > 0 {
                    self.waiting -= 1;
                    let connected = self.waiting + self.connected;
                    self.demand.left(self.waiting, connected, self.now);
                }
                self.come(come);
            }
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn those_who_come_back_once_they_are_served_are_no_flood() {
        let mut story = Story::new();
        story.come(256);
        story.go_on(SECOND * 60, 1);
        assert!(!story.demand.is_flood());
        assert_eq!(story.waiting, 256);
    }

    #[test]
    fn a_burst_that_takes_a_while_to_arrive_is_no_flood() {
        let mut story = Story::new();
        for _ in 0..3 {
            story.come(85);
            story.go_on(INTERVAL, 0);
        }
        story.go_on(SECOND * 60, 1);
        assert!(!story.demand.is_flood());
    }

    #[test]
    fn those_who_are_connected_at_once_are_no_flood_however_slowly_they_come() {
        let mut story = Story::new();
        story.connected = 256;
        story.go_on(SERVED_EACH * 84, 3);
        assert_eq!(story.connected, 4);
        assert!(!story.demand.is_flood());
        story.go_on(INTERVAL * 5, 4);
        assert!(story.demand.is_flood(), "others follow");
    }

    #[test]
    fn those_who_only_read_are_no_flood() {
        let mut story = Story::new();
        story.come(20);
        for _ in 0..100 {
            story.connected += 40;
            story.go_on(INTERVAL, 1);
        }
        assert!(!story.demand.is_flood());
    }

    #[test]
    fn more_than_twice_what_can_be_served_is_a_flood_soon_and_until_nobody_waits() {
        let mut story = Story::new();
        story.go_on(INTERVAL * 3, 4);
        assert!(!story.demand.is_flood());
        story.go_on(INTERVAL * 2, 4);
        assert!(story.demand.is_flood());
        let longest = story.waiting;
        story.go_on(SECOND, 1);
        assert!(story.demand.is_flood(), "it is not over");
        let rest = SERVED_EACH * u32::try_from(longest).unwrap();
        story.go_on(rest, 0);
        assert_eq!(story.waiting, 0);
        assert!(!story.demand.is_flood());
    }

    #[test]
    fn what_came_long_ago_does_not_count() {
        let mut story = Story::new();
        for _ in 0..8 {
            story.come(20);
            story.go_on(INTERVAL, 0);
            story.waiting = 0;
            story.now += SECOND;
        }
        assert!(!story.demand.is_flood());
    }
}
