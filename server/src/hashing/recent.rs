//! What was hashed moments ago, so that who signs up and then verifies pays for one hash.
//!
//! Kept are digests under a key that never leaves the process, for passwords that have proven
//! something: that made a claim, or were right. It changes how fast somebody who knows such a
//! password is answered, and nothing else.

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use latchkey_app::domain::Password;
use quick_cache::sync::Cache;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::HashSettings;
use crate::entropy::{Entropy, EntropyError};

/// Long enough to fetch a code and type it in, and to ask for another one.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// About 2 MiB when it is full; the least useful entries go first.
const CAPACITY: usize = 8_192;

pub(super) struct RecentHashes {
    key: Zeroizing<[u8; 64]>,
    hashes: Cache<[u8; 32], Recent>,
}

#[derive(Clone)]
struct Recent {
    phc: String,
    since: Instant,
}

impl RecentHashes {
    pub(super) fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = Zeroizing::new([0; 64]);
        entropy.fill(&mut *key)?;
        Ok(Self {
            key,
            hashes: Cache::new(CAPACITY),
        })
    }

    pub(super) fn recall(&self, password: &Password, settings: HashSettings) -> Option<String> {
        let digest = self.digest(password, settings);
        let recent = self.hashes.get(&digest)?;
        if recent.since.elapsed() > KEPT_FOR {
            self.hashes.remove(&digest);
            return None;
        }
        Some(recent.phc)
    }

    pub(super) fn keep(&self, password: &Password, settings: HashSettings, phc: &str) {
        let recent = Recent {
            phc: phc.to_owned(),
            since: Instant::now(),
        };
        self.hashes.insert(self.digest(password, settings), recent);
    }

    /// The settings hold the salt, which belongs to one address.
    fn digest(&self, password: &Password, settings: HashSettings) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*self.key).into());
        let parameters = settings.parameters;
        for number in [
            parameters.memory_kib,
            parameters.iterations,
            parameters.parallelism,
        ] {
            mac.update(&number.to_be_bytes());
        }
        mac.update(&settings.salt);
        mac.update(password.expose().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::hashing::HashParameters;

    #[test]
    fn only_the_same_password_for_the_same_address_is_recalled() {
        let recent = RecentHashes::new(&SystemEntropy).unwrap();
        let password = |text: &str| Password::presented(text).unwrap();
        let settings = |salt: u8, memory_kib: u32| HashSettings {
            parameters: HashParameters {
                memory_kib,
                iterations: 1,
                parallelism: 1,
            },
            salt: [salt; 16],
        };
        recent.keep(&password("testpassword"), settings(1, 8), "$phc");
        let recalled = |text: &str, settings| recent.recall(&password(text), settings);
        assert_eq!(
            recalled("testpassword", settings(1, 8)).as_deref(),
            Some("$phc")
        );
        assert_eq!(recalled("testpasswore", settings(1, 8)), None);
        assert_eq!(recalled("testpassword", settings(2, 8)), None);
        assert_eq!(recalled("testpassword", settings(1, 16)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let recent = RecentHashes::new(&SystemEntropy).unwrap();
        let settings = HashSettings {
            parameters: HashParameters {
                memory_kib: 8,
                iterations: 1,
                parallelism: 1,
            },
            salt: [0; 16],
        };
        for number in 0..3 * CAPACITY {
            let password = Password::presented(&number.to_string()).unwrap();
            recent.keep(&password, settings, "$phc");
        }
        assert!(recent.hashes.len() <= CAPACITY);
    }
}
