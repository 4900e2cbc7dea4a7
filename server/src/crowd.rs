//! Whether many are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// From so many on who wait for their hash, others will come before long.
const MANY: usize = 4;

/// How many are connected, and how many wait for their hash. Whoever does not need one can
/// tell whether it is worth while to wait for others.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    connected: AtomicUsize,
    waiting: AtomicUsize,
}

impl Crowd {
    /// So many wait now.
    pub fn counts(&self, waiting: usize) {
        self.0.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Whether many do.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) >= MANY
    }

    /// So many are connected now.
    pub fn connects(&self, connected: usize) {
        self.0.connected.store(connected, Ordering::Relaxed);
    }

    /// How many are.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }
}
