//! What a sign-up costs beside its password hash, and how long a start takes.
//!
//! Everything is measured in one run on one machine, so the ratios and differences hold even
//! where the absolute figures do not. `make bench` runs it in release.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod running;

use std::path::Path;
use std::time::Instant;

use running::{Server, client, hash, median, milliseconds, parts, percentile};

/// Enough for a median that stays put; bounded, for a benchmark must end by itself.
const ROUNDS: usize = 200;
const STARTS: usize = 10;

#[tokio::main]
async fn main() {
    if parts().is_none() {
        return;
    }
    let hash = hash::times(ROUNDS);
    let folder = tempfile::tempdir().unwrap();
    let mut rows = vec![("one bare hash", median(&hash), percentile(&hash, 99))];
    for (name, tls, connections) in [
        ("POST /register, plain HTTP, new connection", "off", 0),
        ("POST /register, plain HTTP, kept connection", "off", 1),
        ("POST /register, HTTPS, new connection", "self-signed", 0),
        ("POST /register, HTTPS, kept connection", "self-signed", 1),
    ] {
        let data = folder.path().join(format!("{tls}-{connections}"));
        let mut server = Server::start(&data, tls, &[]);
        let times = sign_ups(connections, &server.url).await;
        rows.push((name, median(&times), percentile(&times, 99)));
        if connections == 0 && tls != "off" {
            let times = handshakes(&server.url).await;
            rows.push((
                "GET /healthz, HTTPS, new connection",
                median(&times),
                percentile(&times, 99),
            ));
        }
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

/// One after the other.
async fn sign_ups(connections: usize, url: &str) -> Vec<f64> {
    let mut times = Vec::new();
    let mut kept = client(connections);
    for round in 0..ROUNDS {
        // One that has asked before would go on with its HTTP/2 connection.
        if connections == 0 {
            kept = client(0);
        }
        let body = format!("email=somebody{round}@example.com&password=testpassword");
        let request = kept
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

/// What a connection alone costs, the client's half included.
async fn handshakes(url: &str) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let client = client(0);
        let started = Instant::now();
        let response = client.get(format!("{url}/healthz")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap();
        times.push(milliseconds(started.elapsed()));
    }
    times
}

/// From `exec` to the first answer, with a store that is there already.
async fn starts(data: &Path) -> Vec<f64> {
    Server::start(data, "off", &[]).stop();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let mut server = Server::start(data, "off", &[]);
        let answer = client(0)
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
