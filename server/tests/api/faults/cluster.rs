//! Two instances on one SurrealDB server, nginx in front: what was acknowledged holds, whichever
//! of them goes away.
//!
//! Needs `CLUSTER_SURREAL`, the path of a SurrealDB server; `make cluster` sets it.

mod database;
mod proxy;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, ORIGIN};
use tokio::task::JoinSet;

use super::ledger::{Ledger, Load, Served};
use super::{START, cycles, missing, moment, skip, store, table, tell};
use crate::app::{Answer, HTML, PASSWORD, client, fields, other_than, send};
use crate::process::child::{Child, Ended, Folder, Port, latchkey};
use crate::smtp::{At, Fault, SmtpServer};
use database::Database;
use proxy::Proxy;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY: &str = "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE=";

const NO_DATABASE: &str = "no SurrealDB server (make cluster finds or builds one)";

/// How long a statement may take to fail when the database is away.
const NOTICED: Duration = Duration::from_secs(12);

/// How long it may take to be used again once it is back.
const BACK: Duration = Duration::from_secs(10);

/// A dead instance's mail has gone out by then.
const TAKEN_OVER: Duration = Duration::from_secs(10);

/// `latchkey serve`, on ports that stay its own.
struct Instance {
    folder: Folder,
    https: Port,
    http: Port,
    url: String,
    child: Option<Child>,
}

impl Served for Instance {
    fn url(&self) -> &str {
        &self.url
    }

    fn client(&self) -> reqwest::Client {
        client()
    }
}

impl Instance {
    fn new() -> Self {
        let (https, http) = (Port::free(), Port::free());
        Self {
            folder: Folder::new(),
            url: format!("http://127.0.0.1:{}", http.number),
            https,
            http,
            child: None,
        }
    }

    /// How long it took until it served; or how it ended instead.
    async fn try_start(&mut self, flags: &[String]) -> Result<Duration, Ended> {
        let mut command = self.folder.serve(&self.https, &self.http);
        command.args(flags).arg("--set=tls.mode=off");
        at(&mut command);
        let began = Instant::now();
        let mut child = Child::start(command);
        child.serves().await?;
        self.child = Some(child);
        Ok(began.elapsed())
    }

    /// It does not start, and says why at once and in one line.
    async fn is_refused(&mut self, flags: &[String], words: &str) {
        let began = Instant::now();
        let ended = self.try_start(flags).await.expect_err("it joined");
        assert!(began.elapsed() < START, "{:?}", began.elapsed());
        assert_refused(&ended, words);
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it runs")
    }

    async fn end(&mut self, signal: &str) -> Ended {
        let mut child = self.child.take().expect("it runs");
        child.signal(signal);
        child.ended().await
    }

    async fn ready(&self) -> Answer {
        send(client().get(format!("{}/readyz", self.url))).await
    }

    fn post(&self, path: &str, body: String) -> RequestBuilder {
        form(client().post(format!("{}{path}", self.url)), body)
    }

    async fn register(&self, email: &str) -> Answer {
        let body = fields(&[("email", email), ("password", PASSWORD)]);
        send(self.post("/register", body)).await
    }

    fn verify(&self, email: &str, code: &str) -> RequestBuilder {
        self.post("/verify", fields(&[("verification_code", code)]))
            .basic_auth(email, Some(PASSWORD))
    }
}

fn form(request: RequestBuilder, body: String) -> RequestBuilder {
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

fn assert_refused(ended: &Ended, words: &str) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let lines = ended.stderr.lines();
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with('{')).collect();
    assert!(lines.len() == 1 && lines[0].contains(words), "{ended:?}");
}

/// The secrets that every command needs.
fn at(command: &mut Command) {
    command
        .env("LATCHKEY_SECRET_KEY", KEY)
        .env("LATCHKEY_DATABASE__PASSWORD", database::PASSWORD);
}

/// Everything together, and what it acknowledged.
struct Cluster {
    database: Database,
    proxy: Proxy,
    relay: SmtpServer,
    instances: [Instance; 2],
    flags: Vec<String>,
    folder: Folder,
    ledger: Ledger,
    /// The worst of each, in all cycles.
    start: Duration,
    noticed: Duration,
    back: Duration,
}

impl Cluster {
    /// A new one, which exposes codes; none when something that it needs is missing, which is
    /// told.
    async fn start(what: &str) -> Option<Self> {
        let exposing = [
            "--set=code.expose=true",
            // Whatever the cycles take, a code is good in the end.
            "--set=code.ttl_seconds=86400",
        ];
        Self::start_with(what, &exposing).await
    }

    async fn start_with(what: &str, flags: &[&str]) -> Option<Self> {
        if let Some(missing) = missing(&[("nginx", "nginx-light")]) {
            skip(what, &missing);
            return None;
        }
        let Some(mut database) = Database::find() else {
            skip(what, NO_DATABASE);
            return None;
        };
        let folder = Folder::new();
        database.start(&folder.data().join("store")).await;
        let mut instances = [Instance::new(), Instance::new()];
        let relay = SmtpServer::start().await;
        let port = Port::free();
        let mut flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend([
            format!("--set=database.url={}", database.url()),
            format!("--set=database.username={}", database::USERNAME),
            format!("--set=smtp.url=smtp://{}", relay.host()),
            format!("--public-url={}", Proxy::url(&port)),
            "--set=trusted_proxies=127.0.0.1".to_owned(),
        ]);
        let proxy = Proxy::start(&port, [&instances[0].http, &instances[1].http]).await;
        // Both at once, on a database that has never seen either.
        let [one, other] = &mut instances;
        let (one, other) = tokio::join!(one.try_start(&flags), other.try_start(&flags));
        Some(Self {
            database,
            proxy,
            relay,
            instances,
            flags,
            folder,
            ledger: Ledger::default(),
            start: one.unwrap().max(other.unwrap()),
            noticed: Duration::ZERO,
            back: Duration::ZERO,
        })
    }

    fn store(&self) -> PathBuf {
        self.folder.data().join("store")
    }

    async fn start_instance(&mut self, number: usize) {
        let started = self.instances[number].try_start(&self.flags).await;
        self.start = self.start.max(started.unwrap());
    }

    /// Until each instance says that the database is away, and refuses what needs it.
    async fn notices(&mut self, words: &str) {
        let began = Instant::now();
        for instance in &self.instances {
            loop {
                let answer = instance.ready().await;
                if answer.status == 503 && answer.body.contains(words) {
                    break;
                }
                assert!(began.elapsed() < NOTICED, "{answer:?}");
            }
            let asked = Instant::now();
            let answer = instance.register("nobody@bar.com").await;
            answer.assert_is(503, "unavailable");
            assert!(!answer.header("retry-after").is_empty());
            assert!(asked.elapsed() < Duration::from_secs(1));
        }
        self.noticed = self.noticed.max(began.elapsed());
    }

    /// Until each instance works again, by itself.
    async fn recovers(&mut self) {
        let began = Instant::now();
        for instance in &self.instances {
            while instance.ready().await.status != 200 {
                assert!(began.elapsed() < BACK, "{:?}", instance.ready().await);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.back = self.back.max(began.elapsed());
    }

    /// Runs an operator's command against the same database.
    async fn operate(&self, arguments: &[&str]) -> Ended {
        let mut command = latchkey();
        let flags = self.flags.iter().filter(|flag| flag.contains("database."));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .args(flags);
        at(&mut command);
        Child::start(command).ended().await
    }

    /// Checks everything once more, mail and store too, and tells the row of the table.
    async fn done(mut self, what: &str, cycles: usize) {
        self.ledger.check(&self.proxy, 0).await;
        if self.ledger.lost.is_empty() {
            self.ledger.settle(&self.proxy, &self.relay).await;
        }
        for instance in &mut self.instances {
            let ended = instance.end("TERM").await;
            assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        }
        self.database.end("TERM").await;
        let faulty = store::inspect(&self.folder.data(), self.ledger.accounts()).await;
        let seconds = |time: Duration| match time {
            Duration::ZERO => "–".to_owned(),
            time => format!("{:.2} s", time.as_secs_f64()),
        };
        tell(&format!(
            "| {what} | {cycles} | {} | {} | {} | {} | {} |",
            self.ledger.acknowledged,
            self.ledger.lost.len(),
            seconds(self.noticed),
            seconds(self.back),
            seconds(self.start),
        ));
        assert!(self.ledger.lost.is_empty(), "{:#?}", self.ledger.lost);
        assert!(faulty.is_empty(), "{faulty:#?}");
        assert!(self.ledger.acknowledged > 0, "nothing was acknowledged");
        if table().is_some() {
            assert!(self.start < START, "{:?}", self.start);
        }
    }
}

#[tokio::test]
async fn an_instance_that_is_killed_takes_nothing_with_it() {
    let what = "one of two instances killed (`kill -9`)";
    instance_goes(what, "KILL", None).await;
}

#[tokio::test]
async fn an_instance_that_is_stopped_takes_nothing_with_it() {
    instance_goes("one of two instances stopped (SIGTERM)", "TERM", Some(0)).await;
}

async fn instance_goes(what: &str, signal: &str, exit_code: Option<i32>) {
    let cycles = cycles("CLUSTER_CYCLES", 1);
    let Some(mut cluster) = Cluster::start(what).await else {
        return;
    };
    let mut checked = 0;
    for cycle in 0..cycles {
        let load = Load::start(&cluster.proxy, &format!("instance{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(800))).await;
        let ended = cluster.instances[cycle % 2].end(signal).await;
        assert_eq!(ended.status.code(), exit_code, "{ended:?}");
        // The other one serves.
        load.goes_on(Duration::from_millis(500)).await;
        cluster.start_instance(cycle % 2).await;
        load.goes_on(moment(Duration::from_millis(400))).await;
        load.ended(true, &mut cluster.ledger).await;
        checked = cluster.ledger.check(&cluster.proxy, checked).await;
    }
    cluster.done(what, cycles).await;
}

#[tokio::test]
async fn a_database_that_is_killed_comes_back_with_everything() {
    database_goes("the database killed (`kill -9`)", "KILL").await;
}

#[tokio::test]
async fn a_database_that_is_stopped_comes_back_with_everything() {
    database_goes("the database stopped (SIGTERM)", "TERM").await;
}

/// A machine that hangs, or a network that swallows everything: no connection breaks.
#[tokio::test]
async fn a_database_that_hangs_is_given_up_until_it_answers() {
    database_goes("the database frozen (SIGSTOP)", "STOP").await;
}

async fn database_goes(what: &str, signal: &str) {
    let is_frozen = signal == "STOP";
    let cycles = cycles("CLUSTER_CYCLES", 1);
    let Some(mut cluster) = Cluster::start(what).await else {
        return;
    };
    let mut checked = 0;
    for cycle in 0..cycles {
        let load = Load::start(&cluster.proxy, &format!("database{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(800))).await;
        if is_frozen {
            cluster.database.signal(signal);
            cluster.notices("does not answer").await;
        } else {
            cluster.database.end(signal).await;
            cluster
                .notices("The database server cannot be reached")
                .await;
        }
        tokio::time::sleep(moment(Duration::from_secs(4))).await;
        if is_frozen {
            cluster.database.signal("CONT");
        } else {
            cluster.database.start(&cluster.store()).await;
        }
        cluster.recovers().await;
        load.goes_on(moment(Duration::from_millis(400))).await;
        load.ended(true, &mut cluster.ledger).await;
        checked = cluster.ledger.check(&cluster.proxy, checked).await;
    }
    cluster.done(what, cycles).await;
}

/// In production, as a browser: each step at the other instance, with an instance and the
/// database going away in between.
#[tokio::test]
async fn the_whole_journey_leads_through_both_instances() {
    const EMAIL: &str = "ada@bar.com";
    let production = [
        "--mode=production",
        "--set=mail.from=Latchkey <no-reply@bar.com>",
        "--set=code.ttl_seconds=600",
    ];
    let Some(mut cluster) = Cluster::start_with("the whole journey", &production).await else {
        return;
    };
    let browser = cluster.proxy.client();
    let (url, origin) = (
        cluster.proxy.url().to_owned(),
        cluster.proxy.url().to_owned(),
    );
    let get =
        async |path: &str| send(browser.get(format!("{url}{path}")).header(ACCEPT, HTML)).await;
    let post = async |path: &str, pairs: &[(&str, &str)]| {
        let request = form(browser.post(format!("{url}{path}")), fields(pairs));
        send(request.header(ACCEPT, HTML).header(ORIGIN, &origin)).await
    };
    let plain = client().get(format!(
        "http://127.0.0.1:{}/register",
        cluster.proxy.plain.number
    ));
    assert_eq!(send(plain).await.status, 308);

    assert_eq!(get("/register").await.status, 200);
    let answer = post("/register", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(answer.location(), "/verify", "{answer:?}");
    let code = cluster.relay.mail_to(EMAIL).await.code();
    cluster.instances[0].end("KILL").await;
    for _ in 0..4 {
        assert!(get("/verify").await.body.contains(EMAIL));
    }
    cluster.start_instance(0).await;
    let answer = post("/verify", &[("verification_code", &other_than(&code))]).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    cluster.database.end("KILL").await;
    cluster
        .notices("The database server cannot be reached")
        .await;
    let answer = post("/verify", &[("verification_code", &code)]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    cluster.database.start(&cluster.store()).await;
    cluster.recovers().await;
    let answer = post("/verify", &[("verification_code", &code)]).await;
    assert_eq!(answer.location(), "/welcome", "{answer:?}");
    for _ in 0..4 {
        assert!(get("/welcome").await.body.contains(EMAIL));
    }
    // A second browser, and the first one's account is gone from nobody's memory.
    let answer = post("/logout", &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    for _ in 0..2 {
        assert!(!get("/welcome").await.body.contains(EMAIL));
    }
    let answer = post("/login", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(answer.location(), "/welcome", "{answer:?}");
    for _ in 0..2 {
        assert!(get("/welcome").await.body.contains(EMAIL));
    }
    for instance in &mut cluster.instances {
        instance.child().has_logged(r#""message":"answered""#).await;
        let ended = instance.end("TERM").await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn attempts_and_budgets_are_the_clusters() {
    let limited = [
        "--set=code.expose=true",
        "--set=code.ttl_seconds=600",
        "--set=limits.sign_ups_per_hour=5",
    ];
    let what = "attempts and budgets of both together";
    let Some(cluster) = Cluster::start_with(what, &limited).await else {
        return;
    };
    // The budget of one network, whichever instance it asks.
    let mut answered = JoinSet::new();
    for number in 0..20 {
        let email = format!("budget{number}@bar.com");
        let body = fields(&[("email", &email), ("password", PASSWORD)]);
        let request = cluster.instances[number % 2].post("/register", body);
        answered.spawn(send(request.header("x-forwarded-for", "203.0.113.7")));
    }
    let asked = statuses(answered).await;
    assert_eq!(count(&asked, 200), 5, "{asked:?}");
    assert_eq!(count(&asked, 429), 15, "{asked:?}");

    // Three guesses, however many come at once.
    let guessed = "guessed@bar.com";
    let answer = cluster.instances[0].register(guessed).await;
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    let mut answered = JoinSet::new();
    for number in 0..40 {
        let request = cluster.instances[number % 2].verify(guessed, &other_than(&code));
        answered.spawn(send(request));
    }
    let guesses = statuses(answered).await;
    assert_eq!(count(&guesses, 403), 3, "{guesses:?}");
    assert_eq!(count(&guesses, 410), 37, "{guesses:?}");

    // A right code works once.
    let right = "right@bar.com";
    let answer = cluster.instances[1].register(right).await;
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    let mut answered = JoinSet::new();
    for number in 0..20 {
        answered.spawn(send(cluster.instances[number % 2].verify(right, &code)));
    }
    let guesses = statuses(answered).await;
    assert_eq!(count(&guesses, 200), 1, "{guesses:?}");
    let late = count(&guesses, 409) + count(&guesses, 410);
    assert_eq!(late, 19, "{guesses:?}");
}

async fn statuses(answered: JoinSet<Answer>) -> Vec<u16> {
    let answers = answered.join_all().await;
    answers
        .into_iter()
        .map(|answer| answer.status.as_u16())
        .collect()
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

#[tokio::test]
async fn mail_of_an_instance_that_is_killed_is_taken_over() {
    const EMAIL: &str = "ada@bar.com";
    let Some(mut cluster) = Cluster::start("mail taken over").await else {
        return;
    };
    cluster.relay.fault(At::Data, Fault::Hang);
    cluster.instances[0]
        .register(EMAIL)
        .await
        .assert_is(200, "");
    while cluster.relay.connections() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The relay has been told of the mail, and has not taken it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cluster.relay.unread(), 0);
    cluster.instances[0].end("KILL").await;
    let killed = Instant::now();
    let mail = cluster.relay.mail_to(EMAIL).await;
    assert!(killed.elapsed() < TAKEN_OVER, "{:?}", killed.elapsed());
    let answer = send(cluster.instances[1].verify(EMAIL, &mail.code())).await;
    answer.assert_is(200, "");
    tell(&format!(
        "mail of a killed instance was taken over after {:.2} s",
        killed.elapsed().as_secs_f64()
    ));
}

#[tokio::test]
async fn an_instance_joins_only_where_it_belongs() {
    let Some(mut cluster) = Cluster::start("who may join").await else {
        return;
    };
    // Another key: neither as a server nor as an operator.
    let mut third = Instance::new();
    let with = |flag: &str| [&cluster.flags[..], &[flag.to_owned()]].concat();
    let other_key = format!("--set=secret_key={OTHER_KEY}");
    third
        .is_refused(&with(&other_key), "another secret key")
        .await;
    let backup = cluster.folder.path().join("wrong.latchkey");
    let path = backup.to_str().unwrap();
    let ended = cluster.operate(&["backup", path, &other_key]).await;
    assert_refused(&ended, "another secret key");
    assert!(!backup.exists());

    // A database that does not know it, and one that is away.
    let stranger = with("--set=database.username=nobody");
    third
        .is_refused(&stranger, "Failed to sign in to the database")
        .await;
    cluster.database.end("TERM").await;
    third
        .is_refused(&cluster.flags, "Failed to open the database ws://")
        .await;

    // One that comes back as another one, which has nothing in it.
    let elsewhere = cluster.folder.path().join("elsewhere");
    cluster.database.start(&elsewhere).await;
    cluster.notices("another store").await;
    cluster.database.end("TERM").await;
    cluster.database.start(&cluster.store()).await;
    cluster.recovers().await;
    let answer = cluster.instances[1].register("ada@bar.com").await;
    answer.assert_is(200, "");

    // One that hangs.
    cluster.database.signal("STOP");
    third.is_refused(&cluster.flags, "it does not answer").await;
    cluster.database.signal("CONT");
}

#[tokio::test]
async fn a_database_with_tls_has_to_be_one_that_the_system_trusts() {
    let Some(mut database) = Database::find() else {
        return skip("a database with TLS", NO_DATABASE);
    };
    let folder = Folder::new();
    let certificate = database.secure(folder.path());
    database.start(&folder.data().join("store")).await;
    let other = folder.path().join("other.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&other, made.cert.pem()).unwrap();
    let list = async |trusted: &Path| {
        let mut command = latchkey();
        command
            .env("SSL_CERT_FILE", trusted)
            .args(["accounts", "list"])
            .arg(format!("--set=database.url={}", database.url()))
            .arg(format!("--set=database.username={}", database::USERNAME));
        at(&mut command);
        Child::start(command).ended().await
    };
    let ended = list(&certificate).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_refused(&list(&other).await, "certificate");
}

#[tokio::test]
async fn operators_ask_the_database_itself() {
    let Some(mut cluster) = Cluster::start("operators").await else {
        return;
    };
    let load = Load::start(&cluster.proxy, "operated", 4);
    load.goes_on(Duration::from_millis(500)).await;
    let backup = cluster.folder.path().join("backup.latchkey");
    let path = backup.to_str().unwrap();
    let done = async |cluster: &Cluster, arguments: &[&str]| {
        let ended = cluster.operate(arguments).await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.stdout
    };
    // In the middle of it, so what it has is as of one moment.
    done(&cluster, &["backup", path]).await;
    load.ended(true, &mut cluster.ledger).await;
    cluster.ledger.check(&cluster.proxy, 0).await;
    let mut accounts = cluster.ledger.accounts().into_keys();
    let account = accounts.next().unwrap();
    let accounts = accounts.count() + 1;
    let listed = done(&cluster, &["accounts", "export"]).await;
    assert_eq!(listed.lines().count(), accounts);
    let shown = done(&cluster, &["query", "SELECT VALUE address FROM account"]).await;
    assert!(shown.contains(&account), "{shown}");
    done(&cluster, &["accounts", "delete", &account, "--yes"]).await;
    let listed = done(&cluster, &["accounts", "export"]).await;
    assert_eq!(listed.lines().count(), accounts - 1);

    // Into another database of the same server, by which an instance serves at once.
    let restored = "--set=database.database=restored";
    done(&cluster, &["restore", path, restored]).await;
    let mut third = Instance::new();
    let flags = [&cluster.flags[..], &[restored.to_owned()]].concat();
    third.try_start(&flags).await.unwrap();
    let answer = third.ready().await;
    answer.assert_is(200, "");
    let kept = done(&cluster, &["accounts", "export", restored]).await;
    assert!(kept.lines().count() <= accounts);
}
