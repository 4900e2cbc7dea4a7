//! How fast mail leaves: from a sign-up to the relay's 250, and a queue that has piled up.
//!
//! The relay is a small one in this process, so the figures are Latchkey's own. `make bench` runs
//! it in release. `--sign-ups N` and `--queued N` ask for fewer, `--binary FILE` for another
//! program than the one built with this benchmark.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use reqwest::Client;

/// Nothing here waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    // cargo test runs benches too, to see that they start; there is nothing to see then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (sign_ups, queued) = (count("--sign-ups", 200), count("--queued", 1_000));
    let folder = tempfile::tempdir().unwrap();
    let hash = one_hash();
    println!("one bare hash: {hash:.1} ms");
    println!();

    let relay = Relay::start();
    let mut server = Server::start(&folder.path().join("idle"), &relay, &[]);
    let times = to_the_relay(&server.url, &relay, sign_ups).await;
    server.stop();
    println!(
        "| {sign_ups} sign-ups, one after the other, to the relay's 250 | ms | beyond one hash, ms |"
    );
    println!("| --- | --- | --- |");
    for percent in [50, 99] {
        let time = percentile(&times, percent);
        println!("| p{percent} | {time:.1} | {:.1} |", (time - hash).max(0.0));
    }
    println!();

    // Hashes as cheap as they may be: the queue is what is measured.
    let cheap = ["--set", "hash.memory_kib=8", "--set", "hash.iterations=1"];
    let relay = Relay::start();
    relay.refuse(true);
    let mut server = Server::start(&folder.path().join("queue"), &relay, &cheap);
    let client = client();
    for number in 0..queued {
        sign_up(&client, &server.url, number).await;
    }
    let before = server.resident_kib();
    let mut most = before;
    relay.refuse(false);
    let started = Instant::now();
    let mut first = None;
    for _ in 0..queued {
        relay.next();
        first.get_or_insert_with(Instant::now);
        most = most.max(server.resident_kib());
    }
    let took = first.unwrap_or(started).elapsed().as_secs_f64();
    println!("| {queued} mails queued while the relay was away | |");
    println!("| --- | --- |");
    println!(
        "| until the first left, once the relay was back, s | {:.1} |",
        started.elapsed().as_secs_f64() - took
    );
    println!("| from the first to the last, s | {took:.2} |");
    println!("| mails a second | {:.0} |", queued as f64 / took.max(1e-3));
    println!("| most connections at once | {} |", relay.most_open());
    println!("| memory before, MiB | {:.0} |", before as f64 / 1024.0);
    println!("| memory at most, MiB | {:.0} |", most as f64 / 1024.0);
    server.stop();
}

/// From the first byte of the sign-up to the moment in which the relay says 250.
async fn to_the_relay(url: &str, relay: &Relay, rounds: usize) -> Vec<f64> {
    let client = client();
    let mut times = Vec::new();
    for round in 0..rounds {
        let started = Instant::now();
        sign_up(&client, url, round).await;
        times.push((relay.next() - started).as_secs_f64() * 1e3);
    }
    times
}

async fn sign_up(client: &Client, url: &str, number: usize) {
    let body = format!("email=somebody{number}@example.com&password=testpassword");
    let request = client
        .post(format!("{url}/register"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap();
}

/// The median of the bare arithmetic with the default parameters, in milliseconds.
fn one_hash() -> f64 {
    let params = Params::new(19_456, 2, 1, Some(32)).unwrap();
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; 32];
    let mut times = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        argon2
            .hash_password_into_with_memory(b"testpassword", &[7; 16], &mut hash, &mut memory)
            .unwrap();
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    percentile(&times, 50)
}

/// Takes every mail at once, or hangs up on everybody. Its threads end with the process.
struct Relay {
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
    most_open: Arc<AtomicUsize>,
    taken: Mutex<Receiver<Instant>>,
}

impl Relay {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refuses = Arc::new(AtomicBool::new(false));
        let (open, most_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tell, taken) = channel();
        let (refusing, most) = (refuses.clone(), most_open.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if refusing.load(Ordering::SeqCst) {
                    continue;
                }
                let (open, tell) = (open.clone(), tell.clone());
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::spawn(move || {
                    // A client that hangs up has had what it wanted.
                    let _ = converse(stream, &tell);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            refuses,
            most_open,
            taken: Mutex::new(taken),
        }
    }

    fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }

    /// When the next mail was taken.
    fn next(&self) -> Instant {
        let taken = self.taken.lock().unwrap();
        taken.recv_timeout(PATIENCE).expect("no mail came")
    }
}

fn converse(stream: TcpStream, taken: &Sender<Instant>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    answers.write_all(b"220 relay.test ESMTP\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next().transpose()? {
        let answer: &[u8] = match line.get(..4) {
            Some("EHLO") => b"250 relay.test\r\n",
            Some("DATA") => {
                answers.write_all(b"354 Go on\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                let _ = taken.send(Instant::now());
                b"250 Taken\r\n"
            }
            _ => b"250 Yes\r\n",
        };
        answers.write_all(answer)?;
    }
    Ok(())
}

/// The real program, on a free port, with a store on disk.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Comes back when it says that it serves.
    fn start(data: &Path, relay: &Relay, flags: &[&str]) -> Self {
        let site = data.with_extension("site");
        std::fs::create_dir_all(&site).unwrap();
        let [https, http] = [free_port(), free_port()];
        let url = format!("http://localhost:{http}");
        let mut process = Command::new(binary())
            .args(["serve", "--data-dir", &data.display().to_string()])
            .args(["--https-addr", &format!("127.0.0.1:{https}")])
            .args(["--http-addr", &format!("127.0.0.1:{http}")])
            .args(["--public-url", &url])
            .args(["--set", "tls.mode=off"])
            .args(["--set", &format!("smtp.url=smtp://{}", relay.address)])
            .args(["--set", &format!("site_dir={}", site.display())])
            .args(["--set", "log.level=off"])
            .args(flags)
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

    /// What it holds in memory; 0 where the system does not say.
    fn resident_kib(&self) -> u64 {
        std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .ok()
            .and_then(|status| {
                let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
                line.split_whitespace().nth(1)?.parse().ok()
            })
            .unwrap_or(0)
    }

    fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn client() -> Client {
    Client::new()
}

/// The program built with this benchmark, or the one named after `--binary`.
fn binary() -> String {
    option("--binary").unwrap_or_else(|| env!("CARGO_BIN_EXE_latchkey").to_owned())
}

fn count(name: &str, default: usize) -> usize {
    option(name).map_or(default, |count| count.parse().expect("a number"))
}

fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
