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
        let cores = std::thread::available_parallelism().ok();
        let workers = self.workers.or(cores).map_or(1, NonZeroUsize::get) as u64;
        let needed_kib = workers * u64::from(self.memory_kib);
        if let Some(machine_kib) = machine_memory_kib()
            && problems.0.is_empty()
            && needed_kib > machine_kib
        {
            let allowed = format!(
                "at most what this machine has ({machine_kib} KiB) divided by hash.workers \
                 ({workers})"
            );
            problems.refuse("hash.memory_kib", self.memory_kib, allowed);
        }
        let least = self.parallelism.saturating_mul(8);
        if self.memory_kib >= 8 && self.memory_kib < least {
            let allowed = format!("at least {least}, which is 8 for each lane of hash.parallelism");
            problems.refuse("hash.memory_kib", self.memory_kib, allowed);
        }
    }
}

/// What the system says it has; `None` where it does not say it the way Linux does.
fn machine_memory_kib() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse().ok()
}
