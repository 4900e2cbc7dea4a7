//! Argon2id on a fixed set of workers.
//!
//! Each worker reuses memory of its own, so the memory of hashing is bounded whatever comes in; one
//! that has had nothing to do for a while gives it back.
//! The queue is bounded and fair: networks take turns, so one that sends a thousand passwords
//! waits for itself. What cannot be hashed soon is refused at once rather than late.

mod demand;
mod phc;
mod queue;
mod recent;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use latchkey_app::domain::Password;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use self::queue::{Finished, Job, MAX_WAIT, Next, Queue, busy};
use self::recent::RecentHashes;
use crate::crowd::Crowd;
use crate::entropy::Entropy;
use crate::network::ClientNetwork;

pub use phc::{HashParameters, HashSettings};

/// In bytes: 256 bits, as RFC 9106 §3.1 recommends.
const HASH_LENGTH: usize = 32;

/// How long a worker keeps its memory while nothing comes. Taking it anew costs a third of a hash.
const REST_AFTER: Duration = Duration::from_secs(10);

/// Why a password was not hashed.
#[derive(Debug, Error)]
pub enum HashingError {
    /// Too many passwords wait already.
    #[error("too many passwords wait to be hashed")]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The stored parameters are not Argon2's, or the memory for them cannot be had.
    #[error("the password could not be hashed: {0}")]
    Failed(argon2::Error),
    /// A fault of this program.
    #[error("the password could not be hashed: the worker panicked")]
    Panicked,
}

/// The pool. Dropping it ends the workers once the queue is empty.
pub struct HashingPool {
    queue: Arc<Queue>,
    recent: RecentHashes,
    parameters: HashParameters,
}

impl HashingPool {
    /// Starts `workers` threads, each of which takes memory for the given parameters, and for those
    /// of former days that proofs are tried with.
    ///
    /// # Errors
    /// When the parameters are not Argon2's, or a thread, its memory, or randomness cannot be had.
    pub fn start(
        parameters: HashParameters,
        former: &[HashParameters],
        workers: usize,
        crowd: Crowd,
        entropy: &dyn Entropy,
    ) -> anyhow::Result<Self> {
        let params =
            argon2_params(parameters).map_err(|error| anyhow::anyhow!("hash.*: {error}"))?;
        let blocks = former
            .iter()
            .filter_map(|&former| argon2_params(former).ok())
            .map(|former| former.block_count())
            .fold(params.block_count(), usize::max);
        // That there is not enough is better known now than when people sign up.
        let mut memory_of_all = Vec::new();
        memory_of_all
            .try_reserve_exact(blocks * workers)
            .context("hash.*: there is not enough memory")?;
        memory_of_all.resize(blocks * workers, Block::new());
        drop(memory_of_all);
        let queue = Arc::new(Queue::new(workers, crowd));
        let runtime = Handle::try_current().ok();
        for number in 0..workers {
            let queue = Arc::clone(&queue);
            let runtime = runtime.clone();
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work(&queue, parameters, blocks, runtime.as_ref()))
                .context("Failed to start a hashing worker")?;
        }
        Ok(Self {
            queue,
            recent: RecentHashes::new(entropy)?,
            parameters,
        })
    }

    /// The parameters for new passwords.
    #[must_use]
    pub fn parameters(&self) -> HashParameters {
        self.parameters
    }

    /// The parameters for new passwords, with this salt.
    #[must_use]
    pub fn settings(&self, salt: [u8; 16]) -> HashSettings {
        HashSettings {
            parameters: self.parameters,
            salt,
        }
    }

    /// Hashes a password; the result is in PHC form.
    ///
    /// # Errors
    /// [`HashingError::Busy`] at once when the queue is full, or when the wait became too long.
    pub async fn hash(
        &self,
        password: Password,
        settings: HashSettings,
        network: ClientNetwork,
    ) -> Result<String, HashingError> {
        let (answer, answered) = oneshot::channel();
        self.queue.push(
            network,
            Job {
                password,
                settings,
                deadline: Instant::now() + MAX_WAIT,
                answer,
            },
        )?;
        answered.await.unwrap_or_else(|_| Err(busy()))
    }

    /// The hash of a password that is to be proven: from memory when it was kept moments ago.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn hash_or_recall(
        &self,
        password: Password,
        settings: HashSettings,
        network: ClientNetwork,
    ) -> Result<String, HashingError> {
        match self.recall(&password, settings) {
            Some(phc) => Ok(phc),
            None => self.hash(password, settings, network).await,
        }
    }

    /// Whether there is a place in the queue now: worth asking before work that would be in vain.
    ///
    /// # Errors
    /// [`HashingError::Busy`] when there is none.
    pub fn admit(&self, network: ClientNetwork) -> Result<(), HashingError> {
        if self.queue.admits(network) {
            Ok(())
        } else {
            Err(busy())
        }
    }

    /// The hash of a password that was kept moments ago.
    #[must_use]
    pub fn recall(&self, password: &Password, settings: HashSettings) -> Option<String> {
        self.recent.recall(password, settings)
    }

    /// Whether [`Self::hash_or_recall`] would answer from memory.
    #[must_use]
    pub fn remembers(&self, password: &Password, settings: HashSettings) -> bool {
        self.recall(password, settings).is_some()
    }

    /// Keeps a hash for a few minutes: of a password that made a claim, or was right.
    pub fn keep(&self, password: &Password, settings: HashSettings, phc: &str) {
        self.recent.keep(password, settings, phc);
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// `parameters` are those of new passwords, for which most who come are hashed.
fn work(queue: &Queue, parameters: HashParameters, blocks: usize, runtime: Option<&Handle>) {
    let mut memory = Vec::new();
    loop {
        let job = match queue.pop(REST_AFTER) {
            Next::Job(job) => job,
            Next::Finished(finished) => {
                tell(finished, runtime);
                continue;
            }
            Next::Nothing => {
                memory = Vec::new();
                continue;
            }
            Next::Closed => return,
        };
        if job.answer.is_closed() {
            continue;
        }
        let began = Instant::now();
        let result = if began > job.deadline {
            Err(busy())
        } else {
            // A worker that panicked would be missing for good.
            let hashed = panic::catch_unwind(AssertUnwindSafe(|| {
                memory.resize(blocks, Block::new());
                compute(&job.password, job.settings, &mut memory)
            }));
            hashed.unwrap_or(Err(HashingError::Panicked))
        };
        let took = began.elapsed();
        if result.is_ok() && job.settings.parameters == parameters {
            queue.took(took);
        }
        let finished = Finished {
            answer: job.answer,
            result,
        };
        tell(queue.finish(finished, took), runtime);
    }
}

/// Several are told by a task of the runtime. This thread would have to leave the processor to the
/// first one right after telling them, and the others would come one by one, each too late for what is
/// done for several together.
fn tell(finished: Vec<Finished>, runtime: Option<&Handle>) {
    let are_several = finished.len() > 1;
    let tell = move || {
        for Finished { answer, result } in finished {
            // Nobody waits any more when the request was given up: then the hash is of no use.
            let _ = answer.send(result);
        }
    };
    match runtime {
        Some(runtime) if are_several => drop(runtime.spawn(async move { tell() })),
        _ => tell(),
    }
}

fn compute(
    password: &Password,
    settings: HashSettings,
    memory: &mut [Block],
) -> Result<String, HashingError> {
    let params = argon2_params(settings.parameters).map_err(HashingError::Failed)?;
    let blocks = params.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = Zeroizing::new([0; HASH_LENGTH]);
    // Those of another instance may ask for more than this worker owns.
    let mut larger = Vec::new();
    let memory = if blocks <= memory.len() {
        &mut memory[..blocks]
    } else {
        larger.resize(blocks, Block::new());
        &mut larger[..]
    };
    argon2
        .hash_password_into_with_memory(
            password.expose().as_bytes(),
            &settings.salt,
            &mut *hash,
            memory,
        )
        .map_err(HashingError::Failed)?;
    Ok(settings.phc(&*hash))
}

fn argon2_params(parameters: HashParameters) -> Result<Params, argon2::Error> {
    Params::new(
        parameters.memory_kib,
        parameters.iterations,
        parameters.parallelism,
        Some(HASH_LENGTH),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::net::{IpAddr, Ipv4Addr};

    fn network(last: u8) -> ClientNetwork {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn password(text: &str) -> Password {
        Password::presented(text).unwrap()
    }

    fn pool(memory_kib: u32, iterations: u32) -> HashingPool {
        let parameters = HashParameters {
            memory_kib,
            iterations,
            parallelism: 1,
        };
        HashingPool::start(parameters, &[], 1, Crowd::default(), &SystemEntropy).unwrap()
    }

    #[test]
    fn several_are_told_with_a_runtime_and_without() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for handle in [None, Some(runtime.handle())] {
            let (finished, told): (Vec<_>, Vec<_>) = (0..3)
                .map(|number: u32| {
                    let (answer, told) = oneshot::channel();
                    let result = Ok(number.to_string());
                    (Finished { answer, result }, told)
                })
                .unzip();
            tell(finished, handle);
            for (number, told) in told.into_iter().enumerate() {
                let told = told.blocking_recv().unwrap().unwrap();
                assert_eq!(told, number.to_string());
            }
        }
    }

    #[tokio::test]
    async fn a_hash_is_what_the_reference_says() {
        // RFC 9106 has no vector without a secret; this one is the reference program's:
        // echo -n password | argon2 somesaltsomesalt -id -t 2 -k 256 -p 1 -l 32
        let pool = pool(256, 2);
        let settings = pool.settings(*b"somesaltsomesalt");
        let phc = pool
            .hash(password("password"), settings, network(1))
            .await
            .unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"));
        assert_eq!(HashSettings::of(&phc), Some(settings));
        let parsed = argon2::password_hash::phc::PasswordHash::new(&phc).unwrap();
        use argon2::PasswordVerifier;
        assert!(
            Argon2::default()
                .verify_password(b"password", &parsed)
                .is_ok()
        );
        assert!(
            Argon2::default()
                .verify_password(b"passwort", &parsed)
                .is_err()
        );
    }

    #[tokio::test]
    async fn settings_of_another_configuration_still_hash() {
        let pool = pool(64, 1);
        let mut settings = pool.settings([7; 16]);
        settings.parameters.memory_kib = 512;
        let larger = pool
            .hash(password("x"), settings, network(1))
            .await
            .unwrap();
        assert_eq!(HashSettings::of(&larger), Some(settings));
        settings.parameters.memory_kib = 8;
        let smaller = pool
            .hash(password("x"), settings, network(1))
            .await
            .unwrap();
        assert_ne!(larger, smaller);
    }

    #[tokio::test]
    async fn what_was_kept_is_not_hashed_again() {
        let pool = pool(8, 1);
        let settings = pool.settings([1; 16]);
        // A hash that no worker would come to.
        pool.keep(&password("testpassword"), settings, "$kept");
        let recalled = pool
            .hash_or_recall(password("testpassword"), settings, network(1))
            .await;
        assert_eq!(recalled.unwrap(), "$kept");
        let other = pool
            .hash_or_recall(password("testpasswore"), settings, network(1))
            .await;
        assert!(other.unwrap().starts_with("$argon2id$"));
    }
}
