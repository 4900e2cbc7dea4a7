//! What a large store costs: starts, memory, sign-ups, and a great deal that has expired at once.
//!
//! `make bench` runs it in release, everything in one run on one machine, so that the ratios to an
//! empty store hold where absolute figures do not.
//!
//! `--part sizes|sweep` runs one part; `--rows 100000,1000000` are the sizes, each with as many
//! accounts as sign-ups under way; `--expired N` is how much is swept; `--json FILE` also writes
//! every figure there.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod running;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use running::crowd::{Connections, Crowd, Deed, Postbox};
use running::figures::Figures;
use running::stock::Stock;
use running::{Server, UNLIMITED, argument, client, median, milliseconds, parts, percentile};

/// Enough for a median that stays put.
const ROUNDS: usize = 200;
const STARTS: usize = 5;

const DEEDS: [&str; 2] = ["sign-up", "verification"];

#[tokio::main]
async fn main() {
    let Some(wanted) = parts() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench {
        stock: Stock::new(folder.path()).await,
        folder,
        figures: Figures::default(),
    };
    if wanted("sizes") {
        let rows = argument("--rows").unwrap_or_else(|| "100000,1000000".to_owned());
        let mut before = bench.size(0, "an empty store").await;
        for rows in rows.split(',') {
            let full = format!("{rows} accounts, {rows} sign-ups under way");
            let full = bench.size(rows.parse().unwrap(), &full).await;
            let after = bench
                .size(0, &format!("an empty store, after {rows}"))
                .await;
            bench.figures.title(&format!(
                "{rows} of each against the empty stores around them"
            ));
            for (number, deed) in DEEDS.into_iter().enumerate() {
                let empty = f64::midpoint(before[number], after[number]);
                bench.figures.add(
                    &format!("{deed}, p50 × that of an empty store"),
                    full[number] / empty,
                );
            }
            before = after;
        }
    }
    if wanted("sweep") {
        let expired = argument("--expired").map_or(100_000, |rows| rows.parse().unwrap());
        bench.sweep(expired).await;
    }
    bench.figures.save();
}

struct Bench {
    folder: tempfile::TempDir,
    stock: Stock,
    figures: Figures,
}

impl Bench {
    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The medians of a sign-up and of a verification beside so many accounts and claims.
    async fn size(&mut self, rows: usize, title: &str) -> [f64; 2] {
        self.figures.title(title);
        let data = self.data(title);
        if rows > 0 {
            let began = Instant::now();
            self.stock.fill(&data, rows, rows, None);
            self.figures
                .add("restored in, s", began.elapsed().as_secs_f64());
            self.figures.add("on disk, MiB", mebibytes(&data));
        }
        let postbox = Postbox::default();
        let relay = postbox.relay();
        let settings = [UNLIMITED, &relay.setting()];
        let (visitor, mut starts) = (client(0), Vec::new());
        for _ in 0..STARTS {
            let began = Instant::now();
            let mut server = Server::start(&data, "off", &settings);
            let answer = visitor.get(format!("{}/healthz", server.url)).send();
            assert_eq!(answer.await.unwrap().status(), 200);
            starts.push(milliseconds(began.elapsed()));
            server.stop();
        }
        self.figures
            .add("start to first answer, ms", median(&starts));
        let mut server = Server::start(&data, "off", &settings);
        self.figures
            .add("memory after the start, MiB", server.memory("VmRSS"));
        let crowd = Crowd::new(&server.url, &postbox, Connections::Request);
        // Whatever is read for the first time is.
        crowd.one_by_one(ROUNDS / 10).await;
        let times = crowd.one_by_one(ROUNDS).await;
        let mut medians = [0.0; 2];
        for (number, deed) in DEEDS.into_iter().enumerate() {
            medians[number] = median(&times[number]);
            self.figures
                .add(&format!("{deed}, p50 ms"), medians[number]);
            self.figures
                .add(&format!("{deed}, p99 ms"), percentile(&times[number], 99));
        }
        self.figures.add(
            "memory after 440 more requests, MiB",
            server.memory("VmRSS"),
        );
        server.stop();
        medians
    }

    /// Sign-ups one after the other while a great deal that has expired goes.
    async fn sweep(&mut self, expired: usize) {
        self.figures
            .title(&format!("{expired} expired sign-ups go in the background"));
        let postbox = Postbox::default();
        let relay = postbox.relay();
        let settings = [UNLIMITED, &relay.setting()];
        let mut server = Server::start(&self.data("swept"), "off", &settings);
        let crowd = Crowd::new(&server.url, &postbox, Connections::Request);
        crowd.one_by_one(ROUNDS / 10).await;
        let [before, _] = crowd.one_by_one(5 * ROUNDS).await;
        server.stop();

        let data = self.data("expired");
        let long_ago = DateTime::UNIX_EPOCH + TimeDelta::days(19_000);
        self.stock.fill(&data, 0, expired, Some(long_ago));
        let full = mebibytes(&data);
        let mut server = Server::start(&data, "off", &settings);
        let began = Instant::now();
        let crowd = Crowd::new(&server.url, &postbox, Connections::Request);
        let mut during = Vec::new();
        let mut sizes = vec![full];
        while !server.has_logged("expired rows removed") {
            let began = Instant::now();
            assert_eq!(crowd.act(Deed::SignUp).await.status, 200);
            during.push(milliseconds(began.elapsed()));
            if during.len() % 100 == 0 {
                sizes.push(mebibytes(&data));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        let memory = server.memory("VmHWM");
        server.stop();
        // A start writes what is in the log to tables, and merges them.
        for _ in 0..STARTS {
            Server::start(&data, "off", &settings).stop();
        }
        for (what, figure) in [
            ("gone in, s", seconds),
            ("sign-ups before, p50 ms", median(&before)),
            ("sign-ups before, p99 ms", percentile(&before, 99)),
            ("sign-ups meanwhile, p50 ms", median(&during)),
            ("sign-ups meanwhile, p99 ms", percentile(&during, 99)),
            (
                "p99 meanwhile × p99 before",
                percentile(&during, 99) / percentile(&before, 99),
            ),
            ("memory at most, MiB", memory),
            ("on disk with them, MiB", full),
            (
                "on disk meanwhile, at most, MiB",
                sizes.iter().copied().fold(0.0, f64::max),
            ),
            ("on disk after five starts, MiB", mebibytes(&data)),
        ] {
            self.figures.add(what, figure);
        }
    }
}

/// What a folder holds.
#[expect(clippy::cast_precision_loss, reason = "sizes of a benchmark")]
fn mebibytes(folder: &Path) -> f64 {
    fn bytes(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            // The engine removes files while they are counted.
            .filter_map(|entry| Some((entry.as_ref().ok()?.path(), entry.ok()?.metadata().ok()?)))
            .map(|(path, found)| {
                if found.is_dir() {
                    bytes(&path)
                } else {
                    found.len()
                }
            })
            .sum()
    }
    bytes(folder) as f64 / f64::from(1 << 20)
}
