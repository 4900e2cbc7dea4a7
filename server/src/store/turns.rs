//! Turns: statements about one address, one after the other.
//!
//! Of two transactions that write the same record one is refused and has to begin anew; that is how
//! instances stay out of each other's way. Within one process waiting is cheaper: whoever reads their
//! mail at once has it verified while its being taken is still written down.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use tokio::sync::{Mutex, MutexGuard};

/// Addresses that share a line wait for each other without need, which with so many is rare.
const LINES: usize = 256;

pub(super) struct Turns {
    lines: Vec<Mutex<()>>,
    /// Keyed, so that nobody can choose addresses that share a line.
    hasher: RandomState,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            lines: (0..LINES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until nobody else has the turn of this address, and has it until the guard is dropped.
    ///
    /// Take it before the clock is read, and one at a time: who holds a turn and waits for another
    /// may wait for ever.
    pub(super) async fn of(&self, address: &str) -> MutexGuard<'_, ()> {
        #[expect(clippy::cast_possible_truncation, reason = "any line will do")]
        let line = self.hasher.hash_one(address) as usize % LINES;
        self.lines[line].lock().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_who_comes_for_the_same_address_waits() {
        let turns = Turns::new();
        let soon = |address| tokio::time::timeout(Duration::from_millis(20), turns.of(address));
        let others: Vec<String> = (0..20).map(|number| format!("{number}@bar.com")).collect();
        let turn = turns.of("foo@bar.com").await;
        assert!(soon("foo@bar.com").await.is_err());
        let mut free = 0;
        for other in &others {
            free += usize::from(soon(other).await.is_ok());
        }
        assert!(free > 10, "{free}");
        drop(turn);
        assert!(soon("foo@bar.com").await.is_ok());
    }
}
