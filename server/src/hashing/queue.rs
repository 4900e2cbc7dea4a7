//! The queue in front of the workers: bounded, and fair between client networks.
//!
//! A burst is taken in whole: the last one waits for two seconds at 15 ms a hash and two workers, and
//! turning people away who come back at once would cost more than it earns. A flood, which does not end
//! by being served, gets fewer places, so that whoever is let in is answered within a second.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use latchkey_app::domain::Password;
use tokio::sync::oneshot;

use super::demand::Demand;
use super::{HashSettings, HashingError};
use crate::crowd::Crowd;
use crate::network::{ClientNetwork, Site};

/// Who waits longer than this has probably gone: their place is better used for somebody else. More
/// than what the last one of a burst should have to wait.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(6);

/// When whoever was turned away is to come back.
const COME_BACK_AFTER: Duration = Duration::from_secs(2);

/// Places for a burst, whatever the number of workers: what waits takes memory.
const PLACES_FOR_BURST: usize = 256;

/// Places for each worker in a flood, and for a burst where that is more: who takes the last one waits
/// for about 0.5 s at 15 ms a hash, and gets an answer within a second.
const PLACES_IN_FLOOD: usize = 32;

/// Where hashes are slow there are fewer places: a burst is hashed within this, if each takes what the
/// quickest of late took. While a crowd arrives each takes longer, which is no reason to send the rest
/// of it away, and has what is left of [`MAX_WAIT`].
const LONGEST_BURST: Duration = Duration::from_secs(5);

/// The same in a flood, if each takes what they take on average: a processor that others have a share
/// of is slower now and then, and whoever is let in is to be answered within a second all the same.
const LONGEST_FLOOD: Duration = Duration::from_millis(600);

/// Places for each worker, however slow hashes are.
const LEAST_PLACES: usize = 2;

/// What a hash is expected to take before there was one.
const FIRST_HASH: Duration = Duration::from_millis(20);

/// How many hashes are looked at to tell what one takes; at most twice as many.
const PACE_OF: u32 = 32;

/// How many hashes that are done are held back at most.
const MAX_HELD: usize = 7;

/// How many have to wait for each that is held back: so holding takes at most half of the time that
/// the last of them waits anyway.
const WAITING_FOR_EACH_HELD: usize = 2;

/// How long all workers have to have been at work before anything is held back: what has queued up
/// while a processor that others have a share of stood still is soon hashed, and would only wait
/// longer.
const HOLD_AFTER: Duration = Duration::from_millis(500);

/// How long hashes are held back at most, by what the last one took. Where hashes take so long
/// themselves, what follows them is nothing beside it, and they are told at once.
const LONGEST_HOLD: Duration = Duration::from_millis(150);

/// A password on its way to a worker.
pub(super) struct Job {
    pub password: Password,
    pub settings: HashSettings,
    pub deadline: Instant,
    pub answer: oneshot::Sender<Result<String, HashingError>>,
}

/// A hash, and who waits for it.
pub(super) struct Finished {
    pub answer: oneshot::Sender<Result<String, HashingError>>,
    pub result: Result<String, HashingError>,
}

/// What a worker hears when it asks for work.
pub(super) enum Next {
    Job(Job),
    /// Somebody waits for these, which are not held back any longer.
    Finished(Vec<Finished>),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

/// What hashes take, of late.
#[derive(Default)]
struct Pace {
    /// The [`PACE_OF`] before these.
    before: Hashes,
    these: Hashes,
}

/// What some of them took.
#[derive(Default)]
struct Hashes {
    least: Option<Duration>,
    all: Duration,
    count: u32,
}

impl Pace {
    /// What the quickest took.
    fn least(&self) -> Duration {
        let both = self.before.least.into_iter().chain(self.these.least);
        both.min().unwrap_or(FIRST_HASH)
    }

    /// What they took on average.
    fn mean(&self) -> Duration {
        let all = self.before.all + self.these.all;
        all.checked_div(self.before.count + self.these.count)
            .unwrap_or(FIRST_HASH)
    }

    fn took(&mut self, took: Duration) {
        let these = &mut self.these;
        these.least = Some(these.least.map_or(took, |least| least.min(took)));
        these.all += took;
        these.count += 1;
        if these.count == PACE_OF {
            self.before = mem::take(these);
        }
    }
}

struct Waiting {
    /// One line a site: a customer who has 65,536 networks stands in one all the same.
    lines: HashMap<Site, VecDeque<Job>>,
    /// Whose turn it is: each site that waits stands here once.
    turns: VecDeque<Site>,
    count: usize,
    /// Hashes that are done, and held back until there are more.
    held: Vec<Finished>,
    /// When a worker that had nothing to do last looked for work. While one waits nobody else does, so
    /// nothing is held back anyway.
    last_idle: Instant,
    pace: Pace,
    demand: Demand,
    closed: bool,
}

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    workers: usize,
    crowd: Crowd,
}

impl Queue {
    /// The queue of so many workers, which says to others how many wait.
    pub(super) fn new(workers: usize, crowd: Crowd) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                lines: HashMap::new(),
                turns: VecDeque::new(),
                count: 0,
                held: Vec::new(),
                last_idle: Instant::now(),
                pace: Pace::default(),
                demand: Demand::new(Instant::now()),
                closed: false,
            }),
            filled: Condvar::new(),
            workers,
            crowd,
        }
    }

    /// How many may wait.
    fn places(&self, waiting: &Waiting) -> usize {
        let in_flood = PLACES_IN_FLOOD * self.workers;
        let pace = &waiting.pace;
        let (longest, takes, most) = if waiting.demand.is_flood() {
            (LONGEST_FLOOD, pace.mean(), in_flood)
        } else {
            (LONGEST_BURST, pace.least(), in_flood.max(PLACES_FOR_BURST))
        };
        let hashed = longest.as_nanos() * self.workers as u128 / takes.as_nanos().max(1);
        usize::try_from(hashed)
            .unwrap_or(usize::MAX)
            .clamp(LEAST_PLACES * self.workers, most)
    }

    /// Whether [`Self::push`] would find a place now. Whoever hears that it would not goes away, and
    /// is one of those who came.
    pub(super) fn admits(&self, network: ClientNetwork) -> bool {
        let mut waiting = self.lock();
        let is_full = self.come(&mut waiting);
        !is_full || waiting.gives_way_to(network.site()).is_some()
    }

    /// Somebody comes; says whether all places are taken.
    fn come(&self, waiting: &mut Waiting) -> bool {
        let count = waiting.count;
        let connected = self.crowd.connected();
        waiting.demand.came(count, connected, Instant::now());
        let is_full = count >= self.places(waiting);
        if is_full {
            waiting.demand.overflowed();
        }
        is_full
    }

    /// Lets the workers go once nothing waits any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// When there is no place left for this network.
    pub(super) fn push(&self, network: ClientNetwork, job: Job) -> Result<(), HashingError> {
        let site = network.site();
        let mut waiting = self.lock();
        if self.come(&mut waiting) {
            waiting.make_room(site)?;
        }
        waiting.count += 1;
        let line = waiting.lines.entry(site).or_default();
        line.push_back(job);
        if line.len() == 1 {
            waiting.turns.push_back(site);
        }
        self.crowd.counts(waiting.count);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// The next job in turn, for which it waits for `patience`; nothing is held back meanwhile.
    pub(super) fn pop(&self, patience: Duration) -> Next {
        let deadline = Instant::now() + patience;
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.next(self.crowd.connected()) {
                self.crowd.counts(waiting.count);
                return Next::Job(job);
            }
            if !waiting.held.is_empty() {
                return Next::Finished(mem::take(&mut waiting.held));
            }
            if waiting.closed {
                return Next::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Nothing;
            }
            let woken = self.filled.wait_timeout(waiting, left);
            (waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
            waiting.last_idle = Instant::now();
        }
    }

    /// A hash with the parameters of new passwords took so long.
    pub(super) fn took(&self, took: Duration) {
        self.lock().pace.took(took);
    }

    /// Takes a hash that is done, which `took` so long, and gives back those that are to be told now.
    ///
    /// What follows a hash costs less for several at once than for each between two hashes, which
    /// leave nothing of it in the processor's caches (docs/PERFORMANCE.md). So a few are held back
    /// while many wait, once no worker has had nothing to do for a while.
    pub(super) fn finish(&self, finished: Finished, took: Duration) -> Vec<Finished> {
        let mut waiting = self.lock();
        waiting.held.push(finished);
        if waiting.last_idle.elapsed() < HOLD_AFTER {
            return mem::take(&mut waiting.held);
        }
        let in_time = LONGEST_HOLD.as_nanos() / took.as_nanos().max(1);
        let held_back = usize::try_from(in_time)
            .unwrap_or(usize::MAX)
            .min(MAX_HELD)
            .min(waiting.count / WAITING_FOR_EACH_HELD);
        if waiting.held.len() > held_back {
            mem::take(&mut waiting.held)
        } else {
            Vec::new()
        }
    }
}

impl Waiting {
    /// Whose line is so much longer that a newcomer of another site has its last place.
    fn gives_way_to(&self, site: Site) -> Option<Site> {
        let own = self.lines.get(&site).map_or(0, VecDeque::len);
        let (longest, line) = self.lines.iter().max_by_key(|(_, line)| line.len())?;
        (line.len() > own + 1).then_some(*longest)
    }

    /// The longest line gives up its last place to a site that has fewer.
    fn make_room(&mut self, site: Site) -> Result<(), HashingError> {
        let refused = self
            .gives_way_to(site)
            .and_then(|longest| self.lines.get_mut(&longest))
            .and_then(VecDeque::pop_back)
            .ok_or_else(busy)?;
        self.count -= 1;
        // Whoever gave up waiting need not be told.
        let _ = refused.answer.send(Err(busy()));
        Ok(())
    }

    fn next(&mut self, connected: usize) -> Option<Job> {
        let site = self.turns.pop_front()?;
        let line = self.lines.get_mut(&site)?;
        let job = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&site);
        } else {
            self.turns.push_back(site);
        }
        self.count -= usize::from(job.is_some());
        self.demand.left(self.count, connected, Instant::now());
        job
    }
}

pub(super) fn busy() -> HashingError {
    HashingError::Busy {
        retry_after: COME_BACK_AFTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::HashParameters;
    use std::net::{IpAddr, Ipv4Addr};

    fn network(last: u8) -> ClientNetwork {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn job(text: &str) -> (Job, oneshot::Receiver<Result<String, HashingError>>) {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            password: Password::presented(text).unwrap(),
            settings: HashSettings {
                parameters: HashParameters {
                    memory_kib: 8,
                    iterations: 1,
                    parallelism: 1,
                },
                salt: [0; 16],
            },
            deadline: Instant::now() + MAX_WAIT,
            answer,
        };
        (job, answered)
    }

    /// One worker's, with so many places.
    fn queue(places: u32) -> Queue {
        let queue = Queue::new(1, Crowd::default());
        queue.took(LONGEST_BURST / places);
        queue
    }

    fn next(queue: &Queue) -> Option<String> {
        match queue.pop(Duration::ZERO) {
            Next::Job(job) => Some(job.password.expose().to_owned()),
            Next::Nothing | Next::Closed | Next::Finished(_) => None,
        }
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
        let order: Vec<_> = (0..5).map(|_| next(&queue).unwrap()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "a3"]);
    }

    #[test]
    fn others_are_told_how_many_wait() {
        let crowd = Crowd::default();
        let queue = Queue::new(1, crowd.clone());
        let mut receivers = Vec::new();
        for number in 1..=4 {
            assert!(!crowd.is_there());
            let (job, receiver) = job("a");
            receivers.push(receiver);
            queue.push(network(number), job).unwrap();
        }
        assert!(crowd.is_there());
        next(&queue).unwrap();
        assert!(!crowd.is_there());
    }

    #[test]
    fn all_networks_of_a_site_stand_in_one_line() {
        let queue = queue(3);
        let from = |address: &str| ClientNetwork::from(address.parse::<IpAddr>().unwrap());
        let mut receivers = Vec::new();
        for number in 0..3 {
            let (job, receiver) = job("a");
            receivers.push(receiver);
            let network = from(&format!("2001:db8:1:{number}::1"));
            queue.push(network, job).unwrap();
        }
        assert!(queue.push(from("2001:db8:2::1"), job("b").0).is_ok());
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let queue = queue(2);
        for _ in 0..2 {
            assert!(queue.admits(network(1)));
            queue.push(network(1), job("a").0).unwrap();
        }
        assert!(!queue.admits(network(1)));
        let refused = queue.push(network(1), job("b").0);
        assert!(matches!(refused, Err(HashingError::Busy { .. })));
        assert!(next(&queue).is_some());
        assert!(queue.admits(network(1)));
        assert!(queue.push(network(1), job("b").0).is_ok());
    }

    #[test]
    fn as_many_wait_as_can_be_hashed_soon() {
        let queue = Queue::new(2, Crowd::default());
        let places = || queue.places(&queue.lock());
        let hashes = |took: Duration| {
            for _ in 0..100 {
                queue.took(took);
            }
        };
        assert_eq!(places(), 256, "before the first hash");
        hashes(Duration::from_micros(20));
        assert_eq!(places(), 256, "memory is bounded");
        hashes(Duration::from_micros(49_900));
        assert_eq!(places(), 200);
        for _ in 0..PACE_OF - 2 {
            queue.took(Duration::from_millis(90));
        }
        assert_eq!(places(), 200, "a crowd arrives");
        hashes(Duration::from_secs(5));
        assert_eq!(places(), 4, "and each worker has its next");
    }

    #[test]
    fn a_flood_finds_fewer_places_until_nobody_waits() {
        let queue = Queue::new(2, Crowd::default());
        let hash = |took| queue.took(took);
        let hashes = |took| (0..100).for_each(|_| hash(took));
        hashes(Duration::from_micros(20));
        let mut receivers = Vec::new();
        let mut come = || {
            let (job, receiver) = job("a");
            receivers.push(receiver);
            queue.push(network(1), job)
        };
        for _ in 0..PLACES_FOR_BURST {
            come().unwrap();
        }
        assert!(!queue.admits(network(1)), "and it is a flood from here on");
        for _ in 0..PLACES_FOR_BURST - 64 {
            assert!(!queue.admits(network(1)) && come().is_err());
            next(&queue).unwrap();
        }
        assert!(come().is_err());
        next(&queue).unwrap();
        come().unwrap();
        hashes(Duration::from_micros(49_900));
        assert_eq!(queue.places(&queue.lock()), 24);
        for took in [20, 40].repeat(PACE_OF as usize) {
            hash(Duration::from_millis(took));
        }
        assert_eq!(queue.places(&queue.lock()), 40, "not all are that quick");
        hashes(Duration::from_micros(49_900));
        while next(&queue).is_some() {}
        assert_eq!(queue.places(&queue.lock()), 200, "it is over");
    }

    #[test]
    fn a_queue_that_grows_with_the_connections_is_a_flood() {
        let crowd = Crowd::default();
        let queue = Queue::new(2, crowd.clone());
        let mut receivers = Vec::new();
        // Not as many as fill the places of a burst, and time for it more than once.
        for connected in (0..240).step_by(2) {
            crowd.connects(connected);
            for _ in 0..2 {
                let (job, receiver) = job("a");
                receivers.push(receiver);
                queue.push(network(1), job).unwrap();
            }
            if queue.lock().demand.is_flood() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nobody was served, and ever more came");
    }

    #[test]
    fn who_finds_nothing_hears_whether_anything_can_come() {
        let queue = queue(2);
        let brief = Duration::from_millis(1);
        assert!(matches!(queue.pop(brief), Next::Nothing));
        queue.push(network(1), job("a").0).unwrap();
        queue.close();
        assert!(matches!(queue.pop(brief), Next::Job(_)), "the last one");
        assert!(matches!(queue.pop(brief), Next::Closed));
    }

    fn finished(text: &str) -> (Finished, oneshot::Receiver<Result<String, HashingError>>) {
        let (answer, answered) = oneshot::channel();
        let result = Ok(text.to_owned());
        (Finished { answer, result }, answered)
    }

    /// No worker has been idle for long enough to hold something back.
    fn busy_for_a_while(queue: &Queue) {
        let long_ago = Instant::now().checked_sub(HOLD_AFTER);
        queue.lock().last_idle = long_ago.unwrap();
    }

    #[test]
    fn a_hash_is_told_at_once_unless_many_wait() {
        let queue = Queue::new(2, Crowd::default());
        busy_for_a_while(&queue);
        let after = |took| {
            queue
                .finish(finished("$hash").0, Duration::from_millis(took))
                .len()
        };
        assert_eq!(after(15), 1, "nobody waits");
        queue.push(network(1), job("a").0).unwrap();
        assert_eq!(after(15), 1, "one waits");
        for _ in 0..3 {
            queue.push(network(1), job("a").0).unwrap();
        }
        assert_eq!([after(15), after(15), after(15)], [0, 0, 3]);
        for _ in 0..40 {
            queue.push(network(1), job("a").0).unwrap();
        }
        let told = |took: u64| (0..8).map(|_| after(took)).collect::<Vec<_>>();
        assert_eq!(told(15), [0, 0, 0, 0, 0, 0, 0, 8]);
        assert_eq!(told(60), [0, 0, 3, 0, 0, 3, 0, 0]);
        assert_eq!(after(60), 3);
        assert_eq!(told(151), [1; 8], "slow ones");
    }

    #[test]
    fn what_is_soon_hashed_is_told_at_once() {
        let queue = queue(8);
        for _ in 0..4 {
            queue.push(network(1), job("a").0).unwrap();
        }
        let told = || queue.finish(finished("$hash").0, Duration::ZERO).len();
        queue.lock().last_idle = Instant::now() + MAX_WAIT;
        assert_eq!(told(), 1, "work has only begun");
        busy_for_a_while(&queue);
        assert_eq!(told(), 0, "it goes on");
        while next(&queue).is_some() {}
        let before = Instant::now();
        let brief = Duration::from_millis(1);
        assert!(matches!(queue.pop(brief), Next::Nothing));
        assert!(queue.lock().last_idle > before, "it was all done");
    }

    #[test]
    fn nothing_is_held_back_while_a_worker_waits() {
        let queue = queue(8);
        busy_for_a_while(&queue);
        for _ in 0..2 {
            queue.push(network(1), job("a").0).unwrap();
        }
        let (finished, mut answered) = finished("$hash");
        assert!(queue.finish(finished, Duration::ZERO).is_empty());
        assert!(next(&queue).is_some() && next(&queue).is_some());
        assert!(answered.try_recv().is_err());
        queue.close();
        let Next::Finished(held) = queue.pop(Duration::from_secs(60)) else {
            panic!("what was held back comes before waiting, and before the end");
        };
        assert_eq!(held.len(), 1);
        assert!(matches!(queue.pop(Duration::ZERO), Next::Closed));
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
        assert!(!queue.admits(network(1)) && queue.admits(network(2)));
        queue.push(network(2), job("b1").0).unwrap();
        let given_up = receivers.pop().unwrap().await.unwrap();
        assert!(matches!(given_up, Err(HashingError::Busy { .. })));
        assert!(queue.push(network(1), job("a4").0).is_err());
        assert!(
            queue.push(network(2), job("b2").0).is_err(),
            "two and one are even enough"
        );
    }
}
