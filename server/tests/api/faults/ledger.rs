//! What was acknowledged to whom, and whether it still holds.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::{Answer, PASSWORD, fields};
use crate::process::child::Server;
use crate::smtp::SmtpServer;

/// No request takes longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever is refused waits for so long before the next request.
const PAUSE: Duration = Duration::from_millis(10);

/// Somebody who was told that the sign-up is recorded.
#[derive(Clone, Debug)]
pub struct Person {
    email: String,
    /// As the answer to the sign-up had it.
    code: String,
    account: Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    /// Was not asked for; the mail is still to come.
    Later,
    /// Was not asked for.
    None,
    /// Was asked for, and no answer came.
    Unknown,
    /// Was acknowledged.
    Made,
}

/// Where people sign up.
pub trait Served {
    fn url(&self) -> &str;
    fn client(&self) -> reqwest::Client;
}

impl Served for Server {
    fn url(&self) -> &str {
        &self.url
    }

    fn client(&self) -> reqwest::Client {
        self.client()
    }
}

/// Everything that was acknowledged.
#[derive(Default)]
pub struct Ledger {
    people: Vec<Person>,
    /// Answers that acknowledged something.
    pub acknowledged: usize,
    /// Those that do not hold.
    pub lost: Vec<String>,
}

/// Sign-ups and verifications that go on until the server is gone or they are told to stop.
pub struct Load {
    workers: JoinSet<Done>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Notify>,
    dark: Arc<AtomicBool>,
}

/// What one worker saw.
#[derive(Default)]
struct Done {
    people: Vec<Person>,
    acknowledged: usize,
    refused: usize,
    refused_at: Option<Instant>,
}

/// What the server refused with 503.
#[derive(Default)]
pub struct Refused {
    pub requests: usize,
    /// When the first of them was.
    pub since: Option<Instant>,
}

impl Load {
    pub fn start(server: &impl Served, name: &str, workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Notify::new());
        let dark = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        // More than there are places for take turns.
        let client = if workers > 16 {
            reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap()
        } else {
            server.client()
        };
        for worker in 0..workers {
            let client = client.clone();
            let url = server.url().to_owned();
            let name = format!("{name}.{worker}");
            let (stop, acknowledged, dark) = (stop.clone(), acknowledged.clone(), dark.clone());
            running.spawn(
                async move { work(&client, &url, &name, &stop, &acknowledged, &dark).await },
            );
        }
        Self {
            workers: running,
            stop,
            acknowledged,
            dark,
        }
    }

    /// From now on no answer counts: with the power, the machine that sends it is gone.
    pub fn is_in_the_dark(&self) {
        self.dark.store(true, Ordering::SeqCst);
    }

    /// Until something is acknowledged from now on, and then so much longer.
    pub async fn goes_on(&self, longer: Duration) {
        // What was acknowledged before does not count.
        pin!(self.acknowledged.notified()).enable();
        let begun = timeout(PATIENCE, self.acknowledged.notified()).await;
        begun.expect("nothing is acknowledged");
        tokio::time::sleep(longer).await;
    }

    /// Adds to the ledger what was acknowledged, once the server has ended or, when `stop`, what
    /// is under way is answered.
    pub async fn ended(self, stop: bool, ledger: &mut Ledger) -> Refused {
        if stop {
            self.stop.store(true, Ordering::SeqCst);
        }
        let mut refused = Refused::default();
        for done in self.workers.join_all().await {
            ledger.people.extend(done.people);
            ledger.acknowledged += done.acknowledged;
            refused.requests += done.refused;
            refused.since = refused.since.into_iter().chain(done.refused_at).min();
        }
        refused
    }
}

impl Done {
    async fn refuse(&mut self) {
        self.refused += 1;
        self.refused_at.get_or_insert_with(Instant::now);
        // Refusing takes no time: without a pause nothing else would be done.
        tokio::time::sleep(PAUSE).await;
    }
}

async fn work(
    client: &reqwest::Client,
    url: &str,
    name: &str,
    stop: &AtomicBool,
    acknowledged: &Notify,
    dark: &AtomicBool,
) -> Done {
    let heard = |answer: Option<Answer>| answer.filter(|_| !dark.load(Ordering::SeqCst));
    let mut done = Done::default();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let email = format!("{name}.{number}@bar.com");
        let Some(answer) = heard(post(register(client, url, &email)).await) else {
            break;
        };
        match answer.status.as_u16() {
            200 => {}
            503 => {
                done.refuse().await;
                continue;
            }
            // A proxy: whether it was recorded is unknown.
            502 | 504 => continue,
            _ => panic!("{answer:?}"),
        }
        done.acknowledged += 1;
        acknowledged.notify_one();
        let mut person = Person {
            code: answer.json()["code"].as_str().unwrap().to_owned(),
            email,
            account: Account::None,
        };
        if number % 4 == 0 {
            person.account = Account::Later;
        } else if number % 4 != 1 {
            person.account = Account::Unknown;
            let answer = heard(post(verify(client, url, &person.email, &person.code)).await);
            match answer.as_ref().map(|answer| answer.status.as_u16()) {
                Some(200) => {
                    person.account = Account::Made;
                    done.acknowledged += 1;
                }
                Some(503) => done.refuse().await,
                Some(502 | 504) | None => {}
                Some(_) => panic!("{answer:?}"),
            }
        }
        done.people.push(person);
    }
    done
}

impl Ledger {
    /// Whether what was acknowledged still holds. Whoever has no account yet gets it, but for
    /// those whose mail is still to come.
    ///
    /// Only those from `since` on are asked; says how many people there are.
    pub async fn check(&mut self, server: &impl Served, since: usize) -> usize {
        let mut asked = JoinSet::new();
        for place in since..self.people.len() {
            let person = &self.people[place];
            if person.account != Account::Later {
                asked.spawn(ask(server, place, person, &person.code));
            }
            // As many at once as do not wait for each other.
            if asked.len() >= 16 {
                let asked = asked.join_next().await;
                self.judge(asked.unwrap().unwrap());
            }
        }
        while let Some(asked) = asked.join_next().await {
            self.judge(asked.unwrap());
        }
        self.people.len()
    }

    /// Waits for all mail that is owed, and verifies with the codes that it brings.
    pub async fn settle(&mut self, server: &impl Served, relay: &SmtpServer) {
        let later: Vec<usize> = (0..self.people.len())
            .filter(|place| self.people[*place].account == Account::Later)
            .collect();
        for place in later {
            let person = &self.people[place];
            let mail = relay.mail_to(&person.email).await;
            assert_eq!(mail.code(), person.code, "the code was repeated");
            let asked = ask(server, place, person, &mail.code()).await;
            self.judge(asked);
        }
    }

    fn judge(&mut self, (place, status): (usize, u16)) {
        let person = &mut self.people[place];
        let holds = match (person.account, status) {
            (Account::Made, 409) => true,
            (Account::Unknown, 200 | 409) | (Account::None | Account::Later, 200) => {
                self.acknowledged += usize::from(status == 200);
                person.account = Account::Made;
                true
            }
            _ => false,
        };
        if !holds {
            self.lost.push(format!("{person:?} was answered {status}"));
        }
    }

    /// The addresses that have an account.
    pub fn accounts(&self) -> HashMap<String, usize> {
        let made = self.people.iter();
        made.filter(|person| person.account == Account::Made)
            .map(|person| (person.email.clone(), 1))
            .collect()
    }

    /// These people were of another store.
    pub fn forget(&mut self) {
        self.people.clear();
    }
}

fn ask(
    server: &dyn Served,
    place: usize,
    person: &Person,
    code: &str,
) -> impl Future<Output = (usize, u16)> + Send + use<> {
    let request = verify(&server.client(), server.url(), &person.email, code);
    async move {
        let answer = post(request).await.expect("no answer");
        (place, answer.status.as_u16())
    }
}

fn register(client: &reqwest::Client, url: &str, email: &str) -> reqwest::RequestBuilder {
    form(client.post(format!("{url}/register")))
        .body(fields(&[("email", email), ("password", PASSWORD)]))
}

fn verify(client: &reqwest::Client, url: &str, email: &str, code: &str) -> reqwest::RequestBuilder {
    form(client.post(format!("{url}/verify")))
        .basic_auth(email, Some(PASSWORD))
        .body(fields(&[("verification_code", code)]))
}

fn form(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("content-type", "application/x-www-form-urlencoded")
}

/// The answer; `None` when the server went away first.
async fn post(request: reqwest::RequestBuilder) -> Option<Answer> {
    let answer = async {
        let response = request.send().await.ok()?;
        Some(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await.ok()?,
        })
    };
    timeout(PATIENCE, answer).await.expect("no answer in time")
}
