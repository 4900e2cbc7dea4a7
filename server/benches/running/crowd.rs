//! People who sign up: what they do, and how long it takes them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::exchange::{Answer, Target};
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
    next: AtomicU64,
}

impl Crowd {
    pub fn new(url: &str, postbox: &Postbox) -> Arc<Self> {
        Arc::new(Self {
            target: Target::of(url),
            postbox: postbox.clone(),
            next: AtomicU64::new(0),
        })
    }

    fn somebody(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("somebody{number}@example.com")
    }

    pub async fn act(&self, deed: Deed) -> End {
        let outcome = match deed {
            Deed::SignUp => self.sign_up(&self.somebody()).await,
            Deed::Verified => self.verified().await,
            Deed::VerifiedByPages => self.verified_by_pages().await,
        };
        outcome.expect("the server answers")
    }

    pub async fn sign_up(&self, email: &str) -> std::io::Result<End> {
        let body = format!("email={email}&password=testpassword");
        Ok(self.target.post("/register", "", &body).await?.into())
    }

    async fn verified(&self) -> std::io::Result<End> {
        let email = self.somebody();
        let mail = self.postbox.wait_for(&email);
        let end = self.sign_up(&email).await?;
        if end.status != 200 {
            return Ok(end);
        }
        let code = tokio::time::timeout(PATIENCE, mail).await.unwrap().unwrap();
        self.verify(&email, &code).await
    }

    async fn verify(&self, email: &str, code: &str) -> std::io::Result<End> {
        let credentials = base64(format!("{email}:testpassword").as_bytes());
        let header = format!("\r\nAuthorization: Basic {credentials}");
        let body = format!("verification_code={code}");
        Ok(self.target.post("/verify", &header, &body).await?.into())
    }

    /// One after the other: how long so many sign-ups take, and their verifications.
    pub async fn one_by_one(&self, count: usize) -> [Vec<f64>; 2] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..count {
            let email = self.somebody();
            let mail = self.postbox.wait_for(&email);
            let began = Instant::now();
            assert_eq!(self.sign_up(&email).await.unwrap().status, 200);
            times[0].push(milliseconds(began.elapsed()));
            let code = tokio::time::timeout(PATIENCE, mail).await.unwrap().unwrap();
            let began = Instant::now();
            assert_eq!(self.verify(&email, &code).await.unwrap().status, 200);
            times[1].push(milliseconds(began.elapsed()));
        }
        times
    }

    /// As a browser without JavaScript does: three pages and two posts.
    async fn verified_by_pages(&self) -> std::io::Result<End> {
        let email = self.somebody();
        let page =
            |path: &str, cookie: &str| format!("GET {path} HTTP/1.1\r\nAccept: text/html{cookie}");
        self.target.ask(&page("/register", ""), "").await?;
        let mail = self.postbox.wait_for(&email);
        let posting = "\r\nAccept: text/html\r\nSec-Fetch-Site: same-origin";
        let body = format!("email={email}&password=testpassword");
        let answer = self.target.post("/register", posting, &body).await?;
        if answer.status != 303 {
            return Ok(answer.into());
        }
        let cookie = format!("\r\nCookie: {}", answer.cookie().expect("a session"));
        let answer = self.target.ask(&page("/verify", &cookie), "").await?;
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
        let answer = self.target.post("/verify", &posting, &body).await?;
        if answer.status != 303 {
            return Ok(answer.into());
        }
        let cookie = format!("\r\nCookie: {}", answer.cookie().expect("a session"));
        Ok(self
            .target
            .ask(&page("/welcome", &cookie), "")
            .await?
            .into())
    }
}

/// What came of many deeds.
#[derive(Default)]
pub struct Outcome {
    pub per_second: f64,
    /// Of those that succeeded, in milliseconds.
    pub times: Vec<f64>,
    /// Of those that were told to come back.
    pub refused: Vec<f64>,
}

/// So many clients, each with its next deed as soon as the last is done.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub async fn closed_loop(
    crowd: &Arc<Crowd>,
    deed: Deed,
    clients: usize,
    patience: Patience,
    duration: Duration,
) -> Outcome {
    let mut workers = JoinSet::new();
    let started = Instant::now();
    for _ in 0..clients {
        let crowd = crowd.clone();
        workers.spawn(async move {
            let mut outcome = Outcome::default();
            while started.elapsed() < duration {
                let began = Instant::now();
                let end = crowd.act(deed).await;
                outcome.count(end.status, began);
                if let (Patience::AsTold, Some(pause)) = (patience, end.retry_after) {
                    tokio::time::sleep(pause).await;
                }
            }
            outcome
        });
    }
    let mut all = Outcome::collect(workers).await;
    all.per_second = all.times.len() as f64 / started.elapsed().as_secs_f64();
    all
}

/// A sign-up at each tick, whatever became of the ones before.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub async fn open_loop(crowd: &Arc<Crowd>, per_second: f64, duration: Duration) -> Outcome {
    let mut workers = JoinSet::new();
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    while started.elapsed() < duration {
        ticks.tick().await;
        let crowd = crowd.clone();
        workers.spawn(async move {
            let (mut outcome, began) = (Outcome::default(), Instant::now());
            outcome.count(crowd.act(Deed::SignUp).await.status, began);
            outcome
        });
    }
    let took = started.elapsed().as_secs_f64();
    let mut all = Outcome::collect(workers).await;
    all.per_second = all.times.len() as f64 / took;
    all
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
