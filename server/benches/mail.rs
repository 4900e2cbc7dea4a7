//! How fast mail leaves: from a sign-up to the relay's 250, and a queue that has piled up.
//!
//! The relay is a small one in this process, so the figures are Latchkey's own. `make bench` runs
//! it in release. `--sign-ups N` and `--queued N` ask for fewer, `--binary FILE` for another
//! program than the one built with this benchmark.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod running;

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use reqwest::Client;
use running::relay::Relay;
use running::{Server, argument, client, hash, median, milliseconds, parts, percentile};

/// Nothing here waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    if parts().is_none() {
        return;
    }
    let (sign_ups, queued) = (count("--sign-ups", 200), count("--queued", 1_000));
    let folder = tempfile::tempdir().unwrap();
    let hash = median(&hash::times(50));
    println!("one bare hash: {hash:.1} ms");
    println!();

    let (relay, taken) = relay();
    let mut server = Server::start(&folder.path().join("idle"), "off", &[&relay.setting()]);
    let times = to_the_relay(&server.url, &taken, sign_ups).await;
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
    let (relay, taken) = self::relay();
    relay.refuse(true);
    let settings = [&relay.setting(), "hash.memory_kib=8", "hash.iterations=1"];
    let mut server = Server::start(&folder.path().join("queue"), "off", &settings);
    let client = client(1);
    for number in 0..queued {
        sign_up(&client, &server.url, number).await;
    }
    let before = server.memory("VmRSS");
    let mut most = before;
    relay.refuse(false);
    let started = Instant::now();
    let mut first = None;
    for _ in 0..queued {
        taken.recv_timeout(PATIENCE).expect("no mail came");
        first.get_or_insert_with(Instant::now);
        most = most.max(server.memory("VmRSS"));
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
    println!("| memory before, MiB | {before:.0} |");
    println!("| memory at most, MiB | {most:.0} |");
    server.stop();
}

/// A relay, and when it took each mail.
fn relay() -> (Relay, Receiver<Instant>) {
    let (tell, taken) = channel();
    // Nobody listens any more once the benchmark is over.
    let relay = Relay::start(move |mail| {
        let _ = tell.send(mail.at);
    });
    (relay, taken)
}

/// From the first byte of the sign-up to the moment in which the relay says 250.
async fn to_the_relay(url: &str, taken: &Receiver<Instant>, rounds: usize) -> Vec<f64> {
    let client = client(1);
    let mut times = Vec::new();
    for round in 0..rounds {
        let started = Instant::now();
        sign_up(&client, url, round).await;
        let taken = taken.recv_timeout(PATIENCE).expect("no mail came");
        times.push(milliseconds(taken - started));
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

fn count(name: &str, default: usize) -> usize {
    argument(name).map_or(default, |count| count.parse().expect("a number"))
}
