//! What an attacker gets: how often guesses hit in a day, what answers tell by the time they take,
//! how much memory a flood takes. `make bench` runs it in release.
//!
//! `--part guesser|latency|memory` runs one of them; `--claims`, `--guesses` and `--requests`
//! change the counts.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod running;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use reqwest::{Client, Response};
use running::{Server, UNLIMITED, argument, client, median, milliseconds, parts};

const PASSWORD: &str = "testpassword";
const STRANGERS: &str = "stranger's password";

/// Behind a proxy on this machine, so that every request can come from another network. Nobody is
/// told anything but by mail, and a day's codes live for the whole of it.
const HIDING: [&str; 4] = [
    "trusted_proxies=127.0.0.0/8",
    "code.expose=false",
    "code.ttl_seconds=86400",
    "limits.all_sign_ups_per_hour=1000000",
];

#[tokio::main]
async fn main() {
    let Some(wanted) = parts() else { return };
    let folder = tempfile::tempdir().unwrap();
    if wanted("memory") {
        memory(&folder.path().join("memory")).await;
    }
    if wanted("latency") {
        latency(&folder.path().join("latency"), count("--requests", 2_000)).await;
    }
    if wanted("guesser") {
        let claims = count("--claims", 2_000);
        guesser(
            &folder.path().join("guesser"),
            claims,
            count("--guesses", 1_000),
        )
        .await;
    }
}

fn count(flag: &str, default: usize) -> usize {
    argument(flag).map_or(default, |count| count.parse().unwrap())
}

/// A network for each number, of the block for benchmarks (RFC 2544).
fn network(number: usize) -> String {
    let number = number % (1 << 17);
    let [_, high, middle, low] = u32::try_from(number).unwrap().to_be_bytes();
    format!("198.{}.{middle}.{low}", 18 + high)
}

async fn register(
    client: &Client,
    url: &str,
    email: &str,
    password: &str,
    from: usize,
) -> Response {
    client
        .post(format!("{url}/register"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-forwarded-for", network(from))
        .body(format!("email={email}&password={password}"))
        .send()
        .await
        .unwrap()
}

async fn verify(
    client: &Client,
    url: &str,
    (email, password): (&str, &str),
    code: &str,
    from: usize,
) -> Response {
    client
        .post(format!("{url}/verify"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-forwarded-for", network(from))
        .basic_auth(email, Some(password))
        .body(format!("verification_code={code}"))
        .send()
        .await
        .unwrap()
}

/// A day of guessing, all of it at once: a tenth as many addresses as claims, each with as many
/// claims as its mails allow, and many guesses at each.
async fn guesser(data: &Path, claims: usize, guesses: usize) {
    const MAILS: usize = 10;
    let mut server = Server::start(data, "off", &HIDING);
    let url = Arc::new(server.url.clone());
    let client = client(16);
    let addresses = (claims / MAILS).max(1);
    let [mut made, mut refused] = [0_u64; 2];
    for address in 0..addresses {
        // Two more than there are mails: those are refused.
        for number in 0..MAILS + 2 {
            let email = format!("victim{address}@example.com");
            let password = format!("guesser's {number}");
            let from = address * MAILS + number;
            match register(&client, &url, &email, &password, from)
                .await
                .status()
                .as_u16()
            {
                200 => made += 1,
                429 => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    let counted: Arc<[AtomicU64; 3]> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    let started = Instant::now();
    for worker in 0..16 {
        let (client, url, counted) = (client.clone(), url.clone(), counted.clone());
        workers.spawn(async move {
            for address in (worker..addresses).step_by(16) {
                let email = format!("victim{address}@example.com");
                for guess in 0..guesses {
                    for number in 0..MAILS {
                        let password = format!("guesser's {number}");
                        let code = format!("{:04}", (guess * 7 + number) % 10_000);
                        let credentials = (email.as_str(), password.as_str());
                        let from = address * MAILS + number;
                        let answer = verify(&client, &url, credentials, &code, from).await;
                        let outcome = match answer.status().as_u16() {
                            200 => 0,
                            403 => 1,
                            // Of an address that was hit, the other claims are decoys.
                            410 | 409 => 2,
                            other => panic!("{other}"),
                        };
                        counted[outcome].fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
    }
    workers.join_all().await;
    let seconds = started.elapsed().as_secs_f64();
    server.stop();
    let [hits, wrong, stale] = [0, 1, 2].map(|outcome| counted[outcome].load(Ordering::Relaxed));
    let total = hits + wrong + stale;
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    let per_address = (hits + wrong) as f64 / addresses as f64;
    println!("\nA guesser's day, whatever the number of networks ({addresses} addresses)\n");
    println!("| what | figure |\n| --- | --- |");
    println!(
        "| sign-ups tried, accepted, refused | {}, {made}, {refused} |",
        made + refused
    );
    println!(
        "| guesses tried ({:.0} a second) | {total} |",
        total as f64 / seconds
    );
    println!(
        "| answered as right or wrong | {} ({per_address:.1} an address) |",
        hits + wrong
    );
    println!("| answered as stale | {stale} |");
    println!("| hits | {hits} |");
    // Nine at four digits, the rest at eight.
    let a_month = 9.0 / 1e4 + 30.0 * 30.0 / 1e8;
    println!(
        "| an address's chance to be hit in 30 days, by the arithmetic | {:.4} % |",
        a_month * 100.0
    );
}

/// Whether the time that an answer takes tells what state an address is in.
async fn latency(data: &Path, requests: usize) {
    const STATES: [&str; 3] = ["new", "pending", "verified"];
    prepare(data, requests).await;
    let mut server = Server::start(data, "off", &HIDING);
    let client = client(1);
    let mut order: Vec<(usize, usize)> = (0..requests)
        .flat_map(|number| (0..STATES.len()).map(move |state| (state, number)))
        .collect();
    println!("\nTime by state of the address, {requests} requests each in random order\n");
    println!("| request | state | p50 ms | p99 ms | against new: P(slower) | z | p |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut shuffling = StdRng::seed_from_u64(1);
    // The wrong code is for the claims that the sign-ups before have made, decoys among them.
    for (deed, expected) in [
        ("verify, wrong password", 401),
        ("register", 200),
        ("verify, wrong code", 403),
    ] {
        order.shuffle(&mut shuffling);
        let mut times: [Vec<f64>; 3] = Default::default();
        for &(state, number) in &order {
            let email = format!("{}{number}@example.com", STATES[state]);
            let from = state * requests + number;
            let started = Instant::now();
            let answer = if deed == "register" {
                register(&client, &server.url, &email, STRANGERS, from).await
            } else {
                let password = if expected == 403 {
                    STRANGERS
                } else {
                    "not the password"
                };
                // Five digits are never right.
                let credentials = (email.as_str(), password);
                verify(&client, &server.url, credentials, "12345", from).await
            };
            let status = answer.status().as_u16();
            answer.bytes().await.unwrap();
            times[state].push(milliseconds(started.elapsed()));
            assert_eq!(status, expected);
        }
        for (state, name) in STATES.iter().enumerate() {
            let (p50, p99) = (
                median(&times[state]),
                running::percentile(&times[state], 99),
            );
            let test = if state == 0 {
                "| |".to_owned()
            } else {
                let rank = rank_test(&times[state], &times[0]);
                format!("{:.3} | {:+.2} | {:.3}", rank.slower, rank.z, rank.p)
            };
            println!("| {deed} | {name} | {p50:.2} | {p99:.2} | {test} |");
        }
    }
    server.stop();
}

/// A store with so many pending and so many verified addresses.
async fn prepare(data: &Path, requests: usize) {
    let settings = ["trusted_proxies=127.0.0.0/8", UNLIMITED, "hash.workers=2"];
    let mut server = Server::start(data, "off", &settings);
    let url = Arc::new(server.url.clone());
    let client = client(16);
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let (client, url) = (client.clone(), url.clone());
        workers.spawn(async move {
            for number in (worker..requests).step_by(16) {
                let email = format!("pending{number}@example.com");
                let answer = register(&client, &url, &email, PASSWORD, number).await;
                assert_eq!(answer.status(), 200);
                let email = format!("verified{number}@example.com");
                let answer = register(&client, &url, &email, PASSWORD, number).await;
                let answer: serde_json::Value = answer.json().await.unwrap();
                let code = answer["code"].as_str().unwrap();
                let answer = verify(&client, &url, (&email, PASSWORD), code, number).await;
                assert_eq!(answer.status(), 200);
            }
        });
    }
    workers.join_all().await;
    server.stop();
}

struct Rank {
    /// The probability that one of the first is slower than one of the second; even is 0.5.
    slower: f64,
    z: f64,
    /// Two-sided.
    p: f64,
}

/// Mann and Whitney's test with the normal approximation, without ties, which clocks of
/// nanoseconds do not have.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn rank_test(one: &[f64], other: &[f64]) -> Rank {
    let mut all: Vec<(f64, bool)> = one
        .iter()
        .map(|&time| (time, true))
        .chain(other.iter().map(|&time| (time, false)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 = all
        .iter()
        .zip(1..)
        .filter(|((_, is_one), _)| *is_one)
        .map(|(_, rank)| f64::from(rank))
        .sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    let z = (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    Rank {
        slower: u / (n * m),
        z,
        p: two_sided(z),
    }
}

/// Abramowitz and Stegun 7.1.26 for the error function; good to seven digits.
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let polynomial = series.iter().fold(0.0, |sum, term| (sum + term) * t);
    polynomial * (-x * x).exp()
}

/// What a flood of sign-ups takes beside what the server has at the start.
async fn memory(data: &Path) {
    const PARALLEL: usize = 256;
    const SECONDS: f64 = 10.0;
    let settings = ["trusted_proxies=127.0.0.0/8", UNLIMITED];
    let mut server = Server::start(data, "off", &settings);
    let url = Arc::new(server.url.clone());
    let client = client(PARALLEL);
    register(&client, &url, "first@example.com", PASSWORD, 0).await;
    let before = server.memory("VmRSS");
    let answered: Arc<[AtomicU64; 2]> = Arc::default();
    let started = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..PARALLEL {
        let (client, url, answered) = (client.clone(), url.clone(), answered.clone());
        workers.spawn(async move {
            let mut number = 0;
            while started.elapsed().as_secs_f64() < SECONDS {
                let email = format!("somebody{worker}-{number}@example.com");
                let answer = register(&client, &url, &email, PASSWORD, worker).await;
                let outcome = match answer.status().as_u16() {
                    200 => 0,
                    503 => 1,
                    other => panic!("{other}"),
                };
                answered[outcome].fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
        });
    }
    workers.join_all().await;
    let peak = server.memory("VmHWM");
    server.stop();
    let workers = std::thread::available_parallelism().unwrap().get();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let bound = before + workers as f64 * 19.0 + 64.0;
    let [accepted, busy] = [0, 1].map(|outcome| answered[outcome].load(Ordering::Relaxed));
    println!("\nMemory, {PARALLEL} sign-ups at a time for {SECONDS} seconds\n");
    println!("| what | figure |\n| --- | --- |");
    println!("| accepted, told to come back | {accepted}, {busy} |");
    println!("| resident before | {before:.0} MiB |");
    println!("| peak | {peak:.0} MiB |");
    println!("| bound: before + {workers} workers × 19 MiB + 64 MiB | {bound:.0} MiB |");
}
