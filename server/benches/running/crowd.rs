//! People who sign up: what they do, and how long it takes them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::exchange::{Answer, Connection, Target, posting};
use super::milliseconds;
use super::relay::Relay;

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who waits for a mail, by address.
#[derive(Clone, Default)]
pub struct Postbox(Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>);

impl Postbox {
    /// A relay that hands each code to whoever waits for it.
    pub fn relay(&self) -> Relay {
        let waiting = self.clone();
        Relay::start(move |mail| {
            if let Some(waiter) = waiting.0.lock().unwrap().remove(&mail.to) {
                // Whoever has given up misses nothing.
                let _ = waiter.send(mail.code);
            }
        })
    }

    fn wait_for(&self, email: &str) -> oneshot::Receiver<String> {
        let (tell, told) = oneshot::channel();
        self.0.lock().unwrap().insert(email.to_owned(), tell);
        told
    }
}

/// What a client does again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    SignUp,
    Verified,
    VerifiedByPages,
}

/// How long a client keeps a connection. For the next deed it makes another one in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// For all of a deed, as browsers do.
    Deed,
    Request,
}

/// What a client that is told to come back does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Comes back at once.
    Nought,
    /// Comes back when it is told to.
    AsTold,
}

/// The answer that a deed ended with. `200` means that all of it succeeded.
#[derive(Clone, Copy)]
pub struct End {
    pub status: u16,
    retry_after: Option<Duration>,
}

impl From<Answer> for End {
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            retry_after: answer.retry_after(),
        }
    }
}

/// Somebody new each time.
pub struct Crowd {
    pub target: Target,
    postbox: Postbox,
    connections: Connections,
    next: AtomicU64,
}

/// One of them, with their connection.
struct Person<'a> {
    crowd: &'a Crowd,
    email: String,
    connection: Option<Connection>,
}

impl Person<'_> {
    async fn ask(&mut self, head: &str, body: &str) -> std::io::Result<Answer> {
        let target = &self.crowd.target;
        if self.crowd.connections == Connections::Request {
            return target.ask(head, body).await;
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(target.connect().await?),
        };
        connection.ask(head, body).await
    }

    async fn post(&mut self, path: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        self.ask(&posting(path, headers), body).await
    }

    async fn sign_up(&mut self) -> std::io::Result<Answer> {
        let body = format!("email={}&password=testpassword", self.email);
        self.post("/register", "", &body).await
    }

    async fn verify(&mut self, code: &str) -> std::io::Result<Answer> {
        let credentials = base64(format!("{}:testpassword", self.email).as_bytes());
        let header = format!("\r\nAuthorization: Basic {credentials}");
        let body = format!("verification_code={code}");
        self.post("/verify", &header, &body).await
    }
}

impl Crowd {
    pub fn new(url: &str, postbox: &Postbox, connections: Connections) -> Arc<Self> {
        Arc::new(Self {
            target: Target::of(url),
            postbox: postbox.clone(),
            connections,
            next: AtomicU64::new(0),
        })
    }

    fn somebody(&self) -> Person<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Person {
            crowd: self,
            email: format!("somebody{number}@example.com"),
            connection: None,
        }
    }

    /// How many there have been.
    pub fn count(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    pub async fn act(&self, deed: Deed) -> End {
        let outcome = match deed {
            Deed::SignUp => self.somebody().sign_up().await.map(End::from),
            Deed::Verified => self.verified().await,
            Deed::VerifiedByPages => self.verified_by_pages().await,
        };
        outcome.expect("the server answers")
    }

    async fn verified(&self) -> std::io::Result<End> {
        let mut person = self.somebody();
        let mail = self.postbox.wait_for(&person.email);
        let answer = person.sign_up().await?;
        if answer.status != 200 {
            return Ok(answer.into());
        }
        let code = tokio::time::timeout(PATIENCE, mail).await.unwrap().unwrap();
        Ok(person.verify(&code).await?.into())
    }

    /// One after the other: how long so many sign-ups take, and their verifications.
    pub async fn one_by_one(&self, count: usize) -> [Vec<f64>; 2] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..count {
            let mut person = self.somebody();
            let mail = self.postbox.wait_for(&person.email);
            let began = Instant::now();
            assert_eq!(person.sign_up().await.unwrap().status, 200);
            times[0].push(milliseconds(began.elapsed()));
            let code = tokio::time::timeout(PATIENCE, mail).await.unwrap().unwrap();
            let began = Instant::now();
            assert_eq!(person.verify(&code).await.unwrap().status, 200);
            times[1].push(milliseconds(began.elapsed()));
        }
        times
    }

    /// As a browser without JavaScript does: three pages and two posts.
    async fn verified_by_pages(&self) -> std::io::Result<End> {
        let mut person = self.somebody();
        let page =
            |path: &str, cookie: &str| format!("GET {path} HTTP/1.1\r\nAccept: text/html{cookie}");
        person.ask(&page("/register", ""), "").await?;
        let mail = self.postbox.wait_for(&person.email);
        let posting = "\r\nAccept: text/html\r\nSec-Fetch-Site: same-origin";
        let body = format!("email={}&password=testpassword", person.email);
        let answer = person.post("/register", posting, &body).await?;
        if answer.status != 303 {
            return Ok(answer.into());
        }
        let cookie = format!("\r\nCookie: {}", answer.cookie().expect("a session"));
        let answer = person.ask(&page("/verify", &cookie), "").await?;
        let reference = answer
            .body
            .split_once("name=\"reference\"")
            .map(|(before, after)| {
                let value = after
                    .split_once("value=\"")
                    .or(before.rsplit_once("value=\""));
                value
                    .and_then(|(_, rest)| rest.split('"').next())
                    .unwrap_or_default()
                    .to_owned()
            });
        let code = tokio::time::timeout(PATIENCE, mail).await.unwrap().unwrap();
        let mut body = format!("verification_code={code}");
        if let Some(reference) = reference {
            body.push_str(&format!("&reference={reference}"));
        }
        let posting = format!("{posting}{cookie}");
        let answer = person.post("/verify", &posting, &body).await?;
        if answer.status != 303 {
            return Ok(answer.into());
        }
        let cookie = format!("\r\nCookie: {}", answer.cookie().expect("a session"));
        Ok(person.ask(&page("/welcome", &cookie), "").await?.into())
    }
}

/// What came of many deeds.
#[derive(Default)]
pub struct Outcome {
    /// How many succeeded within the time that was measured, and not after it.
    pub per_second: f64,
    /// Of those that succeeded, in milliseconds.
    pub times: Vec<f64>,
    /// Of those that were told to come back.
    pub refused: Vec<f64>,
}

/// How long a closed loop runs before it is counted: until its clients are spread over what they do.
const WARMING_UP: Duration = Duration::from_millis(500);

/// So many clients, each with its next deed as soon as the last is done. Counted is what is done within
/// `duration`, while all of them are at it.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub async fn closed_loop(
    crowd: &Arc<Crowd>,
    deed: Deed,
    clients: usize,
    patience: Patience,
    duration: Duration,
) -> Outcome {
    let mut workers = JoinSet::new();
    let begin = Instant::now() + WARMING_UP;
    let end = begin + duration;
    for _ in 0..clients {
        let crowd = crowd.clone();
        workers.spawn(async move {
            let mut outcome = Outcome::default();
            while Instant::now() < end {
                let began = Instant::now();
                let end_of_deed = crowd.act(deed).await;
                if (begin..end).contains(&Instant::now()) {
                    outcome.count(end_of_deed.status, began);
                }
                if let (Patience::AsTold, Some(pause)) = (patience, end_of_deed.retry_after) {
                    tokio::time::sleep(pause).await;
                }
            }
            outcome
        });
    }
    let mut all = Outcome::collect(workers).await;
    all.per_second = all.times.len() as f64 / duration.as_secs_f64();
    all
}

/// A sign-up at each tick, whatever became of the ones before.
pub async fn open_loop(crowd: &Arc<Crowd>, per_second: f64, duration: Duration) -> Outcome {
    let mut workers = JoinSet::new();
    let started = Instant::now();
    let end = started + duration;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    while Instant::now() < end {
        ticks.tick().await;
        let crowd = crowd.clone();
        workers.spawn(async move {
            let (mut outcome, began) = (Outcome::default(), Instant::now());
            let status = crowd.act(Deed::SignUp).await.status;
            outcome.count(status, began);
            if status == 200 && Instant::now() < end {
                outcome.per_second = 1.0 / duration.as_secs_f64();
            }
            outcome
        });
    }
    Outcome::collect(workers).await
}

impl Outcome {
    fn count(&mut self, status: u16, began: Instant) {
        let time = milliseconds(began.elapsed());
        match status {
            200 => self.times.push(time),
            503 => self.refused.push(time),
            other => panic!("{other}"),
        }
    }

    async fn collect(mut workers: JoinSet<Self>) -> Self {
        let mut all = Self::default();
        while let Some(outcome) = workers.join_next().await {
            let outcome = outcome.unwrap();
            all.per_second += outcome.per_second;
            all.times.extend(outcome.times);
            all.refused.extend(outcome.refused);
        }
        all
    }
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
