//! Whether many are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// From so many on who wait for their hash, others will come before long.
const MANY: usize = 4;

/// How many wait for their hash. Whoever does not need one can tell whether it is worth while to wait
/// for others.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<AtomicUsize>);

impl Crowd {
    /// So many wait now.
    pub fn counts(&self, waiting: usize) {
        self.0.store(waiting, Ordering::Relaxed);
    }

    /// Whether many do.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MANY
    }
}
