//! The bare arithmetic with the default parameters, in memory that is there already. Not through
//! the server's library, which would be linked, and so optimised as a whole, a second time.

use std::sync::{Barrier, Mutex, mpsc};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::milliseconds;

pub struct Hash {
    argon2: Argon2<'static>,
    memory: Vec<Block>,
}

impl Hash {
    pub fn new() -> Self {
        let params = Params::new(19_456, 2, 1, Some(32)).unwrap();
        Self {
            memory: vec![Block::new(); params.block_count()],
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
        }
    }

    pub fn once(&mut self) {
        let mut hash = [0; 32];
        self.argon2
            .hash_password_into_with_memory(b"testpassword", &[7; 16], &mut hash, &mut self.memory)
            .unwrap();
    }
}

/// How long each of so many hashes takes, one after the other, in milliseconds.
pub fn times(rounds: usize) -> Vec<f64> {
    let mut hash = Hash::new();
    let time = |_| {
        let started = Instant::now();
        hash.once();
        milliseconds(started.elapsed())
    };
    (0..rounds).map(time).collect()
}

/// How many hashes so many workers do in a second, with nothing else running.
pub fn per_second(workers: usize, duration: Duration) -> f64 {
    let begin = Barrier::new(workers);
    let work = || {
        let mut hash = Hash::new();
        // Has its memory from then on.
        hash.once();
        begin.wait();
        let (began, mut count) = (Instant::now(), 0.0);
        while began.elapsed() < duration {
            hash.once();
            count += 1.0;
        }
        count / began.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let each = workers.into_iter().map(|worker| worker.join().unwrap());
        each.sum()
    })
}

/// How long each takes, in milliseconds, that comes at its tick and waits for one of so many workers:
/// what a machine that others have a share of does to a load that it could carry.
pub fn under_load(workers: usize, per_second: f64, duration: Duration) -> Vec<f64> {
    let (send, receive) = mpsc::channel();
    let receive = Mutex::new(receive);
    let begin = Barrier::new(workers + 1);
    std::thread::scope(|scope| {
        let work = || {
            let (mut hash, mut times) = (Hash::new(), Vec::new());
            hash.once();
            begin.wait();
            // Taken under the lock, hashed without it.
            let next = || receive.lock().unwrap().recv();
            while let Ok(came) = next() {
                hash.once();
                times.push(milliseconds(Instant::elapsed(&came)));
            }
            times
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        begin.wait();
        let (began, tick) = (Instant::now(), Duration::from_secs_f64(1.0 / per_second));
        let mut next = began;
        while next < began + duration {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            send.send(Instant::now()).unwrap();
            next += tick;
        }
        drop(send);
        let times = workers.into_iter().map(|worker| worker.join().unwrap());
        times.flatten().collect()
    })
}
