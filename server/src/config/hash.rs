use std::num::NonZeroUsize;

use serde::Deserialize;

use super::error::Problems;

/// `[hash]`: Argon2id (RFC 9106), which makes a stolen store expensive to search.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashConfig {
    /// Memory of one hash, KiB; at least 8 for each lane. All workers together hold
    /// `workers × memory_kib`, whatever the load.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes of one hash.
    pub parallelism: u32,
    /// Hashes computed at the same time; unset: one per core.
    pub workers: Option<NonZeroUsize>,
}

impl Default for HashConfig {
    // OWASP's password storage cheat sheet: m=19456, t=2, p=1.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            workers: None,
        }
    }
}

impl HashConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.number("hash.memory_kib", self.memory_kib);
        problems.number("hash.iterations", self.iterations);
        problems.number("hash.parallelism", self.parallelism);
        if let Some(workers) = self.workers {
            problems.number("hash.workers", workers.get());
        }
        let least = self.parallelism.saturating_mul(8);
        if self.memory_kib >= 8 && self.memory_kib < least {
            let allowed = format!("at least {least}, which is 8 for each lane of hash.parallelism");
            problems.refuse("hash.memory_kib", self.memory_kib, allowed);
        }
    }
}
