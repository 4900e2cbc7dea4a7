//! A whole Latchkey: a real store on disk, real sockets, a real SMTP conversation, and a clock
//! in the test's hand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use latchkey::clock::{Clock, SystemClock};
use latchkey::config::Config;
use latchkey::entropy::SystemEntropy;
use latchkey::http::TimeLimits;
use latchkey::mail::{MailCounters, MailFigures, Pace};
use latchkey::startup::{self, World};
use latchkey::store::Store;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::smtp::SmtpServer;

pub const EMAIL: &str = "foo@bar.com";
pub const PASSWORD: &str = "testpassword";
pub const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

struct ManualClock(Mutex<DateTime<Utc>>);

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// A running application, its relay, and a client.
pub struct App {
    pub smtp: SmtpServer,
    pub https: SocketAddr,
    pub http: SocketAddr,
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    counters: Arc<MailCounters>,
    client: Client,
    /// Stops it when dropped.
    _stop: oneshot::Sender<()>,
    folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl App {
    /// How many are connected, as the queue in front of hashing sees it.
    pub fn connected(&self) -> usize {
        self.store.crowd().connected()
    }

    /// As in development, but with a relay; so nothing is exposed unless `adjust` says so.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Answers to a sign-up hold the code, as in development without a relay.
    pub async fn exposing_codes() -> Self {
        Self::start_with(|config| config.code.expose = Some(true)).await
    }

    pub async fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(adjust, |_| {}).await
    }

    /// In a world that `change` has made worse.
    pub async fn start_in(
        adjust: impl FnOnce(&mut Config),
        change: impl FnOnce(&mut World),
    ) -> Self {
        let smtp = SmtpServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        std::fs::create_dir(&site).unwrap();
        std::fs::write(site.join("robots.txt"), "User-agent: *\n").unwrap();
        let mut config = Config {
            https_addr: "127.0.0.1:0".parse().unwrap(),
            http_addr: "127.0.0.1:0".parse().unwrap(),
            data_dir: folder.path().join("data"),
            site_dir: Some(site),
            ..Config::default()
        };
        config.smtp.url = Some(format!("smtp://{}", smtp.host()).into());
        config.hash.memory_kib = 8;
        config.hash.iterations = 1;
        adjust(&mut config);
        config.validate().unwrap();
        // From now on, for tower-sessions and browsers go by their own clocks.
        let clock = Arc::new(ManualClock(Mutex::new(SystemClock.now())));
        let mut world = World {
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            time_limits: TimeLimits::default(),
            // The test's clock may run faster than leases are kept.
            pace: Pace {
                lease: TimeDelta::minutes(2),
                ..Pace::default()
            },
        };
        change(&mut world);
        let application = startup::build_in(config, world).await.unwrap();
        let http = application.http_addr().unwrap();
        let https = application.https_addr().unwrap().unwrap_or(http);
        let store = application.store();
        let counters = application.mail_counters();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(application.run_until_stopped(async {
            let _ = stopped.await;
        }));
        Self {
            smtp,
            https,
            http,
            clock,
            store,
            counters,
            client: client(),
            _stop: stop,
            folder,
        }
    }

    pub fn pass(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }

    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// What has become of mail so far.
    pub async fn mail_figures(&self) -> MailFigures {
        self.counters
            .read(&self.store, self.clock.now())
            .await
            .unwrap()
    }

    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Another browser: no cookies.
    pub fn forget_cookies(&mut self) {
        self.client = client();
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(
            method,
            format!("https://localhost:{}{path}", self.https.port()),
        )
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// As `curl -d` does it.
    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        send(self.form(path, body)).await
    }

    /// As a browser without JavaScript does it.
    pub async fn submit(&self, path: &str, body: &str) -> Answer {
        send(self.form(path, body).header(ACCEPT, HTML)).await
    }

    /// As a hydrated page does it.
    pub async fn fetch(&self, path: &str, body: &str) -> Answer {
        let request = self
            .form(path, body)
            .header(ACCEPT, "application/json")
            .header("sec-fetch-site", "same-origin");
        send(request).await
    }

    pub fn form(&self, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.request(Method::POST, path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into())
    }

    pub async fn register(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/register",
            fields(&[("email", email), ("password", password)]),
        )
        .await
    }

    pub async fn verify(&self, email: &str, password: &str, code: &str) -> Answer {
        let request = self
            .form("/verify", fields(&[("verification_code", code)]))
            .basic_auth(email, Some(password));
        send(request).await
    }

    pub async fn verify_with_header(&self, authorization: &str, code: &str) -> Answer {
        let request = self
            .form("/verify", fields(&[("verification_code", code)]))
            .header(AUTHORIZATION, authorization);
        send(request).await
    }

    /// Signs up and reads the code from the mail.
    pub async fn code_for(&self, email: &str, password: &str) -> String {
        let answer = self.register(email, password).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        self.mailed_code(email).await
    }

    /// The code of the next mail to this address, once its life has begun.
    pub async fn mailed_code(&self, email: &str) -> String {
        let mail = self.smtp.mail_to(email).await;
        self.mail_settled().await;
        mail.code()
    }

    /// The same while the test's clock runs, for retries fall due by it.
    pub async fn mailed_code_in_time(&self, email: &str) -> String {
        self.while_time_passes(self.mailed_code(email)).await
    }

    /// Waits for something while the test's clock runs.
    pub async fn while_time_passes<T>(&self, something: impl Future<Output = T>) -> T {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(200));
        let time_passes = async {
            loop {
                ticks.tick().await;
                self.pass(1);
            }
        };
        tokio::select! {
            came = something => came,
            () = time_passes => unreachable!("time does not end"),
        }
    }

    /// Until no claim lies in the store any more, whatever it is to anybody.
    pub async fn claims_gone(&self) {
        let gone = async {
            loop {
                let snapshot = self.store.snapshot().await.unwrap();
                let claims = snapshot.count("claim").await.unwrap();
                snapshot.close().await.unwrap();
                if claims == 0 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), gone)
            .await
            .expect("claims are still there");
    }

    /// Until the server has recorded what became of all mail: the relay knows a moment earlier.
    pub async fn mail_settled(&self) {
        let settled = async {
            while !self.store.outbox_is_empty().await.unwrap() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), settled)
            .await
            .expect("mail is still under way");
    }
}

impl Drop for App {
    /// A mail that no test looked at is a mail that nobody expected.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.smtp.unread(), 0, "mails that nobody read");
        }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The session's cookie that comes with it.
    #[track_caller]
    pub fn session(&self) -> String {
        let cookie = self.header("set-cookie");
        assert!(cookie.starts_with("__Host-latchkey="), "{self:?}");
        cookie.split(';').next().unwrap().to_owned()
    }

    pub fn sets_cookie(&self) -> bool {
        self.headers.contains_key(SET_COOKIE)
    }

    /// Status and reason in one.
    #[track_caller]
    pub fn assert_is(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status.as_u16(), self.error().as_str()),
            (status, error),
            "{self:?}"
        );
        let json = self.json();
        assert_eq!(
            json["status"],
            if error.is_empty() {
                "success"
            } else {
                "failed"
            }
        );
        assert!(
            json["message"]
                .as_str()
                .is_some_and(|message| message.len() > 5)
        );
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("content-type"), "application/json");
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

/// A form body, percent-encoded.
pub fn fields(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Some code that is not this one.
pub fn other_than(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:04}", (number + 1) % 10_000)
}

pub fn client() -> Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .redirect(redirect::Policy::none())
        .cookie_store(true)
        // Well before the server gives up a connection, as clients should: else a request can meet its
        // end.
        .pool_idle_timeout(std::time::Duration::from_secs(5))
        .build()
        .unwrap()
}

/// The files below a folder that hold these bytes.
pub fn grep(folder: &std::path::Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(grep(&path, needle));
        } else if std::fs::read(&path)
            .unwrap()
            .windows(needle.len())
            .any(|window| window == needle)
        {
            found.push(path);
        }
    }
    found
}
