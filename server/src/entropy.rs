//! Where randomness comes from, so that a test can own it.

use std::sync::Arc;

use rand::rngs::SysRng;
use rand::{RngExt, TryRng};
use thiserror::Error;

/// A source of bytes that nobody can predict.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// When the source gives none; then nothing that needs to be secret may go on.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// A source that all parts of one application share.
pub type SharedEntropy = Arc<dyn Entropy>;

/// The operating system gave no random bytes.
#[derive(Debug, Error)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError;

/// The operating system's generator.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        SysRng.try_fill_bytes(bytes).map_err(|_| EntropyError)
    }
}

/// A factor between `1 - spread` and `1 + spread`, so that those who wait do not all come back
/// at once. Nothing else depends on it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "no outcome depends on when something is retried"
)]
pub fn jitter(spread: f64) -> f64 {
    1.0 + rand::rng().random_range(-spread..=spread)
}
