//! What a sign-up costs beside its password hash, and how long a start takes.
//!
//! Everything is measured in one run on one machine, so the ratios and differences hold even
//! where the absolute figures do not. `make bench` runs it in release.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use reqwest::Client;

/// Enough for a median that stays put; bounded, for a benchmark must end by itself.
const ROUNDS: usize = 200;
const STARTS: usize = 10;

#[tokio::main]
async fn main() {
    // cargo test runs benches too, to see that they start; there is nothing to see then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hash = hashes();
    let folder = tempfile::tempdir().unwrap();
    let mut rows = vec![("one bare hash", median(&hash), percentile(&hash, 99))];
    for (name, tls) in [
        ("POST /register, plain HTTP", "off"),
        ("POST /register, HTTPS", "self-signed"),
    ] {
        let data = folder.path().join(tls);
        let mut server = Server::start(&data, tls);
        let times = sign_ups(&server.url).await;
        rows.push((name, median(&times), percentile(&times, 99)));
        server.stop();
    }
    let starts = starts(&folder.path().join("starts")).await;
    println!("| what | p50 ms | p99 ms | p50 beyond one hash, ms |");
    println!("| --- | --- | --- | --- |");
    for (name, p50, p99) in &rows {
        let beyond = (*p50 - rows[0].1).max(0.0);
        println!("| {name} | {p50:.1} | {p99:.1} | {beyond:.1} |");
    }
    println!(
        "| start to first answer | {:.0} | {:.0} | |",
        median(&starts),
        percentile(&starts, 99)
    );
}

/// The bare arithmetic with the default parameters, in memory that is there already. Not through
/// the server's library, which would be linked, and so optimised as a whole, a second time.
fn hashes() -> Vec<f64> {
    let params = Params::new(19_456, 2, 1, Some(32)).unwrap();
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; 32];
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        argon2
            .hash_password_into_with_memory(b"testpassword", &[7; 16], &mut hash, &mut memory)
            .unwrap();
        times.push(milliseconds(started.elapsed()));
    }
    times
}

/// One after the other, each on a connection of its own, as programs do it.
async fn sign_ups(url: &str) -> Vec<f64> {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let client = client();
        let body = format!("email=somebody{round}@example.com&password=testpassword");
        let request = client
            .post(format!("{url}/register"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let started = Instant::now();
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap();
        times.push(milliseconds(started.elapsed()));
    }
    times
}

/// From `exec` to the first answer, with a store that is there already.
async fn starts(data: &Path) -> Vec<f64> {
    Server::start(data, "off").stop();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let mut server = Server::start(data, "off");
        let answer = client()
            .get(format!("{}/healthz", server.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        times.push(milliseconds(started.elapsed()));
        server.stop();
    }
    times
}

fn client() -> Client {
    Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

/// The real program, on a free port, with a store on disk and its own mailbox.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Comes back when it says that it serves.
    fn start(data: &Path, tls: &str) -> Self {
        let site = data.with_extension("site");
        std::fs::create_dir_all(&site).unwrap();
        let [https, http] = [free_port(), free_port()];
        let (scheme, port) = if tls == "off" {
            ("http", http)
        } else {
            ("https", https)
        };
        let url = format!("{scheme}://localhost:{port}");
        let mut process = Command::new(binary())
            .args(["serve", "--data-dir", &data.display().to_string()])
            .args(["--https-addr", &format!("127.0.0.1:{https}")])
            .args(["--http-addr", &format!("127.0.0.1:{http}")])
            .args(["--public-url", &url])
            .args(["--set", &format!("tls.mode={tls}")])
            .args(["--set", &format!("site_dir={}", site.display())])
            .args(["--set", "log.level=error"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let greeting = BufReader::new(process.stdout.take().unwrap());
        assert!(
            greeting.lines().any(|line| line.unwrap().contains("curl")),
            "no greeting"
        );
        Self { process, url }
    }

    fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The program built with this benchmark, or the one named after `--binary`.
fn binary() -> String {
    std::env::args()
        .skip_while(|argument| argument != "--binary")
        .nth(1)
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_latchkey").to_owned())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn median(times: &[f64]) -> f64 {
    percentile(times, 50)
}

fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
