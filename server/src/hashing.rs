//! Argon2id on a fixed set of workers.
//!
//! Each worker owns its memory for good, so the memory of hashing is bounded whatever comes in.
//! The queue is bounded and fair: networks take turns, so one that sends a thousand passwords
//! waits for itself. What cannot be hashed soon is refused at once rather than late.

use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use latchkey_app::domain::Password;
use thiserror::Error;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::network::ClientNetwork;

/// In bytes: 256 bits, as RFC 9106 §3.1 recommends.
const HASH_LENGTH: usize = 32;

/// Who waits longer than this has probably gone: their place is better used for somebody else.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Places in the queue for each worker: at 20 ms a hash, a full queue is about MAX_WAIT / 2 long.
const QUEUE_PER_WORKER: usize = 48;

/// Parameters and salt under which a password is hashed: everything of a PHC string but the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSettings {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    pub salt: [u8; 16],
}

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
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

struct Job {
    password: Password,
    settings: HashSettings,
    deadline: Instant,
    answer: oneshot::Sender<Result<String, HashingError>>,
}

#[derive(Default)]
struct Waiting {
    /// One line a network.
    lines: HashMap<ClientNetwork, VecDeque<Job>>,
    /// Whose turn it is: each network that waits stands here once.
    turns: VecDeque<ClientNetwork>,
    count: usize,
    closed: bool,
}

struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    capacity: usize,
}

impl HashingPool {
    /// Starts `workers` threads, each with memory for the given parameters.
    ///
    /// # Errors
    /// When the parameters are not Argon2's, or a thread or its memory cannot be had.
    pub fn start(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
        workers: usize,
    ) -> anyhow::Result<Self> {
        let params = Params::new(memory_kib, iterations, parallelism, Some(HASH_LENGTH))
            .map_err(|error| anyhow::anyhow!("hash.*: {error}"))?;
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            capacity: workers * QUEUE_PER_WORKER,
        });
        for number in 0..workers {
            let queue = Arc::clone(&queue);
            let memory = vec![Block::new(); params.block_count()];
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work(&queue, memory))
                .context("Failed to start a hashing worker")?;
        }
        Ok(Self {
            queue,
            memory_kib,
            iterations,
            parallelism,
        })
    }

    /// The parameters for new passwords, with this salt.
    #[must_use]
    pub fn settings(&self, salt: [u8; 16]) -> HashSettings {
        HashSettings {
            memory_kib: self.memory_kib,
            iterations: self.iterations,
            parallelism: self.parallelism,
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
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_all();
    }
}

impl Queue {
    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, network: ClientNetwork, job: Job) -> Result<(), HashingError> {
        let mut waiting = self.lock();
        if waiting.count >= self.capacity {
            waiting.make_room(network)?;
        }
        waiting.count += 1;
        let line = waiting.lines.entry(network).or_default();
        line.push_back(job);
        if line.len() == 1 {
            waiting.turns.push_back(network);
        }
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// The next job in turn; `None` once the pool is closed and nothing waits.
    fn pop(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.next() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self
                .filled
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Waiting {
    /// The longest line gives up its last place to a network that has fewer.
    fn make_room(&mut self, network: ClientNetwork) -> Result<(), HashingError> {
        let length = |line: Option<&VecDeque<Job>>| line.map_or(0, VecDeque::len);
        let own = length(self.lines.get(&network));
        let longest = self.lines.values_mut().max_by_key(|line| line.len());
        let refused = longest
            .filter(|line| line.len() > own + 1)
            .and_then(VecDeque::pop_back)
            .ok_or_else(busy)?;
        self.count -= 1;
        // Whoever gave up waiting need not be told.
        let _ = refused.answer.send(Err(busy()));
        Ok(())
    }

    fn next(&mut self) -> Option<Job> {
        let network = self.turns.pop_front()?;
        let line = self.lines.get_mut(&network)?;
        let job = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&network);
        } else {
            self.turns.push_back(network);
        }
        self.count -= usize::from(job.is_some());
        job
    }
}

fn busy() -> HashingError {
    HashingError::Busy {
        retry_after: MAX_WAIT,
    }
}

fn work(queue: &Queue, mut memory: Vec<Block>) {
    while let Some(job) = queue.pop() {
        if job.answer.is_closed() {
            continue;
        }
        let result = if Instant::now() > job.deadline {
            Err(busy())
        } else {
            // A worker that panicked would be missing for good.
            let hashed = panic::catch_unwind(AssertUnwindSafe(|| {
                compute(&job.password, job.settings, &mut memory)
            }));
            hashed.unwrap_or(Err(HashingError::Panicked))
        };
        // Nobody waits any more when the request was given up: then the hash is of no use.
        let _ = job.answer.send(result);
    }
}

fn compute(
    password: &Password,
    settings: HashSettings,
    memory: &mut [Block],
) -> Result<String, HashingError> {
    let HashSettings {
        memory_kib,
        iterations,
        parallelism,
        salt,
    } = settings;
    let params = Params::new(memory_kib, iterations, parallelism, Some(HASH_LENGTH))
        .map_err(HashingError::Failed)?;
    let blocks = params.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = Zeroizing::new([0; HASH_LENGTH]);
    // Parameters of an older configuration may ask for more than this worker owns.
    let mut larger = Vec::new();
    let memory = if blocks <= memory.len() {
        &mut memory[..blocks]
    } else {
        larger.resize(blocks, Block::new());
        &mut larger[..]
    };
    argon2
        .hash_password_into_with_memory(password.expose().as_bytes(), &salt, &mut *hash, memory)
        .map_err(HashingError::Failed)?;
    Ok(format!(
        "$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(*hash)
    ))
}

/// The settings that a PHC string was made with; `None` when it is not one of ours.
#[must_use]
pub fn settings_of(phc: &str) -> Option<HashSettings> {
    let mut parts = phc.strip_prefix("$argon2id$v=19$")?.split('$');
    let mut parameters = parts.next()?.split(',');
    let mut parameter = |name: &str| parameters.next()?.strip_prefix(name)?.parse().ok();
    let (memory_kib, iterations, parallelism) =
        (parameter("m=")?, parameter("t=")?, parameter("p=")?);
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    Some(HashSettings {
        memory_kib,
        iterations,
        parallelism,
        salt: salt.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn network(last: u8) -> ClientNetwork {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn password(text: &str) -> Password {
        Password::presented(text).unwrap()
    }

    fn job(text: &str) -> (Job, oneshot::Receiver<Result<String, HashingError>>) {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            password: password(text),
            settings: HashSettings {
                memory_kib: 8,
                iterations: 1,
                parallelism: 1,
                salt: [0; 16],
            },
            deadline: Instant::now() + MAX_WAIT,
            answer,
        };
        (job, answered)
    }

    fn queue(capacity: usize) -> Queue {
        Queue {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            capacity,
        }
    }

    #[tokio::test]
    async fn a_hash_is_what_the_reference_says() {
        // RFC 9106 has no vector without a secret; this one is the reference program's:
        // echo -n password | argon2 somesaltsomesalt -id -t 2 -k 256 -p 1 -l 32
        let pool = HashingPool::start(256, 2, 1, 1).unwrap();
        let settings = pool.settings(*b"somesaltsomesalt");
        let phc = pool
            .hash(password("password"), settings, network(1))
            .await
            .unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"));
        assert_eq!(settings_of(&phc), Some(settings));
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
        let pool = HashingPool::start(64, 1, 1, 1).unwrap();
        let mut settings = pool.settings([7; 16]);
        settings.memory_kib = 512;
        let larger = pool
            .hash(password("x"), settings, network(1))
            .await
            .unwrap();
        assert_eq!(settings_of(&larger), Some(settings));
        settings.memory_kib = 8;
        let smaller = pool
            .hash(password("x"), settings, network(1))
            .await
            .unwrap();
        assert_ne!(larger, smaller);
    }

    #[test]
    fn networks_take_turns() {
        let queue = queue(8);
        let mut receivers = Vec::new();
        for (from, text) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1")] {
            let (job, receiver) = job(text);
            receivers.push(receiver);
            queue.push(network(from), job).unwrap();
        }
        let order: Vec<_> = (0..5)
            .map(|_| queue.pop().unwrap().password.expose().to_owned())
            .collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "a3"]);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let queue = queue(1);
        queue.push(network(1), job("a").0).unwrap();
        let refused = queue.push(network(2), job("b").0);
        assert!(matches!(refused, Err(HashingError::Busy { .. })));
        assert!(queue.pop().is_some());
        assert!(queue.push(network(2), job("b").0).is_ok());
    }

    #[tokio::test]
    async fn a_full_queue_takes_a_place_from_whoever_has_most() {
        let queue = queue(3);
        let mut receivers = Vec::new();
        for text in ["a1", "a2", "a3"] {
            let (job, receiver) = job(text);
            receivers.push(receiver);
            queue.push(network(1), job).unwrap();
        }
        queue.push(network(2), job("b1").0).unwrap();
        let given_up = receivers.pop().unwrap().await.unwrap();
        assert!(matches!(given_up, Err(HashingError::Busy { .. })));
        assert!(queue.push(network(1), job("a4").0).is_err());
        assert!(
            queue.push(network(2), job("b2").0).is_err(),
            "two and one are even enough"
        );
    }

    #[test]
    fn nonsense_is_no_phc_string() {
        for text in [
            "",
            "$argon2id$v=19$",
            "$argon2i$v=19$m=8,t=1,p=1$AA$AA",
            "$argon2id$v=19$m=x,t=1,p=1$AA$AA",
        ] {
            assert_eq!(settings_of(text), None, "{text}");
        }
    }
}
