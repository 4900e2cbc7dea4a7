//! How much of what hashing allows is left to people: throughput, latency, overload, memory; and what
//! the server needs beside hashing.
//!
//! `make bench` runs it in release, with everything in one run on one machine, driver and relay
//! included; so ratios hold where absolute figures do not. docs/PERFORMANCE.md says how to read it.
//!
//! `--part throughput|latency|overload|pages|cost` runs one part, `--row NAME` of the throughput one
//! row, `--seconds N` changes how long each measurement takes (30), `--json FILE` also writes every
//! figure there.

// A benchmark that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod running;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use running::crowd::{Connections, Crowd, Deed, Patience, Postbox, closed_loop, open_loop};
use running::figures::Figures;
use running::relay::Relay;
use running::{
    Server, UNLIMITED, argument, client, hash, mean, median, milliseconds, parts, percentile,
    processor_time, standard_error,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// The server's own, with the same settings: bare hashes have their memory from where its hashes do.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The argument of a process that is to be a [`Hello`].
const HELLO: &str = "hello";

fn main() {
    let runtime = || Runtime::new().unwrap();
    if std::env::args().nth(1).as_deref() == Some(HELLO) {
        return runtime().block_on(serve_hello());
    }
    let Some(wanted) = parts() else { return };
    let seconds = argument("--seconds").map_or(30, |seconds| seconds.parse().unwrap());
    let mut bench = Bench {
        folder: tempfile::tempdir().unwrap(),
        duration: Duration::from_secs(seconds),
        figures: Figures::default(),
    };
    let bare = hash::per_second(workers(), bench.duration);
    let hash = median(&hash::times(50));
    bench.figures.title("Bare hashing, nothing else running");
    bench.figures.add("one hash, ms", hash);
    bench
        .figures
        .add(&format!("hashes a second, {} workers", workers()), bare);
    if wanted("throughput") {
        // The driver takes no more of the machine than it has to: 130 people a second are little.
        let mut frugal = Builder::new_multi_thread();
        let frugal = frugal.worker_threads(1).enable_all().build().unwrap();
        frugal.block_on(bench.throughput());
    }
    for (tls, suffix) in [("off", ""), ("self-signed", ", TLS")] {
        if wanted("latency") {
            runtime().block_on(bench.latency(tls, suffix));
        }
        if wanted("overload") {
            runtime().block_on(bench.overload(tls, suffix));
        }
    }
    if wanted("pages") {
        runtime().block_on(bench.pages());
    }
    if wanted("cost") {
        runtime().block_on(bench.cost());
    }
    bench.figures.save();
}

/// As many as the server has.
fn workers() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// What is measured is measured in slices, with bare hashing between them: a machine of which others
/// have a share wanders.
const SLICE: Duration = Duration::from_millis(2_500);

/// How long the overload lasts, as it was asked for.
const OVERLOAD: Duration = Duration::from_secs(60);

/// How long nothing happens before something is measured that is to be alone.
const BREATH: Duration = Duration::from_millis(50);

/// After this what a load has left to do is done: claims of the verified are removed in a second.
const AFTERMATH: Duration = Duration::from_millis(1_500);

/// After this hashing has given its memory back.
const REST: Duration = Duration::from_secs(12);

struct Bench {
    folder: tempfile::TempDir,
    /// Of each measurement.
    duration: Duration,
    figures: Figures,
}

impl Bench {
    fn data(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// How many hashes a second there are now, with nothing else running. A machine of which others
    /// have a share is not equally fast for minutes.
    async fn bare(&self, duration: Duration) -> f64 {
        tokio::time::sleep(AFTERMATH).await;
        hash::per_second(workers(), duration)
    }

    /// How many are as long as a measurement; at least one.
    fn slices(&self) -> u32 {
        let slices = self.duration.as_millis() / SLICE.as_millis();
        u32::try_from(slices).unwrap().max(1)
    }

    /// A server with a relay, and nobody limited.
    fn server(
        &self,
        name: &str,
        tls: &str,
        connections: Connections,
        settings: &[&str],
    ) -> (Server, Relay, Arc<Crowd>) {
        let postbox = Postbox::default();
        let relay = postbox.relay();
        let relay_setting = relay.setting();
        let mut all = vec![UNLIMITED, relay_setting.as_str()];
        all.extend(settings);
        let server = Server::start(&self.data(name), tls, &all);
        let crowd = Crowd::new(&server.url, &postbox, connections);
        (server, relay, crowd)
    }

    async fn throughput(&mut self) {
        use Connections::{Deed, Request};
        use Patience::{AsTold, Nought};
        use running::crowd::Deed::{SignUp, Verified, VerifiedByPages};
        let rows = [
            ("sign-ups", SignUp, Nought, Deed, "off", &[16, 64, 256][..]),
            (
                "sign-ups, coming back as told",
                SignUp,
                AsTold,
                Deed,
                "off",
                &[256],
            ),
            (
                "sign-ups, TLS",
                SignUp,
                Nought,
                Deed,
                "self-signed",
                &[16, 64, 256],
            ),
            (
                "verified over the API",
                Verified,
                Nought,
                Deed,
                "off",
                &[16],
            ),
            (
                "verified over the API, TLS",
                Verified,
                Nought,
                Deed,
                "self-signed",
                &[16],
            ),
            (
                "verified over the API, each request's connection",
                Verified,
                Nought,
                Request,
                "off",
                &[16],
            ),
            (
                "verified over the pages",
                VerifiedByPages,
                Nought,
                Deed,
                "off",
                &[16],
            ),
            (
                "verified over the pages, TLS",
                VerifiedByPages,
                Nought,
                Deed,
                "self-signed",
                &[16],
            ),
            (
                "verified over the pages, each request's connection",
                VerifiedByPages,
                Nought,
                Request,
                "off",
                &[16],
            ),
        ];
        self.figures
            .title("Throughput, a new connection for each sign-up");
        let row = argument("--row");
        for (name, deed, patience, connections, tls, clients) in rows {
            if row.as_ref().is_some_and(|row| row != name) {
                continue;
            }
            let (mut server, _relay, crowd) = self.server(name, tls, connections, &[]);
            for &clients in clients {
                let what = format!("{name}, {clients} clients");
                let (mut per_second, mut ratios, mut times) = (Vec::new(), Vec::new(), Vec::new());
                // Whoever waits for seconds, or is told to come back in two, is not through in a short
                // slice.
                let slices = if clients > 64 { 1 } else { self.slices() };
                let duration = self.duration / slices;
                let mut before = self.bare(duration).await;
                for _ in 0..slices {
                    let outcome = closed_loop(&crowd, deed, clients, patience, duration).await;
                    let after = self.bare(duration).await;
                    per_second.push(outcome.per_second);
                    ratios.push(outcome.per_second / f64::midpoint(before, after));
                    times.extend(outcome.times);
                    before = after;
                }
                self.figures
                    .add(&format!("{what}, a second"), mean(&per_second));
                self.figures
                    .add(&format!("{what}, × bare hashes"), mean(&ratios));
                if let Some(error) = standard_error(&ratios) {
                    self.figures
                        .add(&format!("{what}, × bare hashes, ±"), error);
                }
                self.figures
                    .add(&format!("{what}, p99 ms"), percentile(&times, 99));
            }
            self.figures.add(
                &format!("{name}, memory at most, MiB"),
                server.memory("VmHWM"),
            );
            server.stop();
        }
    }

    async fn latency(&mut self, tls: &str, suffix: &str) {
        self.figures.title(&format!("Latency of a sign-up{suffix}"));
        let name = format!("latency{suffix}");
        let (mut server, _relay, crowd) = self.server(&name, tls, Connections::Deed, &[]);
        self.figures
            .add("memory after the start, MiB", server.memory("VmRSS"));
        // In turns, and each after a while in which nothing happens: caches are cold for both.
        let (mut hashes, mut times) = (Vec::new(), Vec::new());
        let mut hash = hash::Hash::new();
        hash.once();
        for _ in 0..200 {
            tokio::time::sleep(BREATH).await;
            let began = Instant::now();
            hash.once();
            hashes.push(milliseconds(began.elapsed()));
            tokio::time::sleep(BREATH).await;
            let began = Instant::now();
            assert_eq!(crowd.act(Deed::SignUp).await.status, 200);
            times.push(milliseconds(began.elapsed()));
        }
        self.figures.add("idle, p50 ms", median(&times));
        self.figures.add(
            "idle, p50 beyond one hash, ms",
            median(&times) - median(&hashes),
        );
        self.figures.add("idle, p99 ms", percentile(&times, 99));
        self.figures
            .add("memory after 200 sign-ups, MiB", server.memory("VmRSS"));
        for of in ["peak", "bare hashing"] {
            let (mut in_hashes, mut refused) = (Vec::new(), 0.0);
            let mut alone_in_hashes = Vec::new();
            for _ in 0..self.slices() {
                let mut hashes = hash::times(30);
                let all = if of == "peak" {
                    let deed = Deed::SignUp;
                    closed_loop(&crowd, deed, 16, Patience::Nought, SLICE)
                        .await
                        .per_second
                } else {
                    self.bare(SLICE).await
                };
                let busy = open_loop(&crowd, 0.8 * all, SLICE * 3).await;
                hashes.extend(hash::times(30));
                let alone = hash::under_load(workers(), 0.8 * all, SLICE * 3);
                let hash = median(&hashes);
                alone_in_hashes.extend(alone.iter().map(|time| time / hash));
                in_hashes.extend(busy.times.iter().map(|time| time / hash));
                #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
                let count = busy.refused.len() as f64;
                refused += count;
            }
            self.figures.add(
                &format!("at 80 % of {of}, p50 × one hash"),
                median(&in_hashes),
            );
            self.figures.add(
                &format!("at 80 % of {of}, p99 × one hash"),
                percentile(&in_hashes, 99),
            );
            self.figures.add(
                &format!("bare hashes at the same rate, p99 × one hash, {of}"),
                percentile(&alone_in_hashes, 99),
            );
            self.figures
                .add(&format!("at 80 % of {of}, told to come back"), refused);
        }
        server.stop();
    }

    async fn overload(&mut self, tls: &str, suffix: &str) {
        self.figures
            .title(&format!("Overload: four times what hashing allows{suffix}"));
        let name = format!("overload{suffix}");
        let (mut server, _relay, crowd) = self.server(&name, tls, Connections::Deed, &[]);
        let (bare, hash) = (self.bare(SLICE).await, median(&hash::times(50)));
        let half = self.duration / 2;
        let peak = || closed_loop(&crowd, Deed::SignUp, 16, Patience::Nought, half);
        let before = peak().await.per_second;
        let (began, count) = (Instant::now(), crowd.count());
        let over = open_loop(&crowd, 4.0 * bare, OVERLOAD).await;
        #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
        let came = (crowd.count() - count) as f64 / OVERLOAD.as_secs_f64();
        let recovering = began + OVERLOAD;
        let mut back = None;
        let mut time = 0.0;
        while back.is_none() && recovering.elapsed() < Duration::from_secs(30) {
            let began = Instant::now();
            let status = crowd.act(Deed::SignUp).await.status;
            time = milliseconds(began.elapsed());
            if status == 200 && time < 2.0 * hash {
                back = Some(recovering.elapsed());
            }
        }
        let peak = f64::midpoint(before, peak().await.per_second);
        self.figures.add("came, × bare hashes", came / bare);
        self.figures.add("peak, sign-ups a second", peak);
        self.figures.add("accepted, × peak", over.per_second / peak);
        self.figures
            .add("accepted, p99 ms", percentile(&over.times, 99));
        if !over.refused.is_empty() {
            self.figures
                .add("told to come back, p50 ms", median(&over.refused));
            self.figures
                .add("told to come back, p99 ms", percentile(&over.refused, 99));
        }
        let back = back.map_or(f64::INFINITY, |back| back.as_secs_f64());
        self.figures
            .add("idle again (below two hashes) after, s", back);
        self.figures.add("a sign-up then, ms", time);
        self.figures
            .add("memory at most, MiB", server.memory("VmHWM"));
        tokio::time::sleep(REST).await;
        self.figures
            .add("memory at rest again, MiB", server.memory("VmRSS"));
        server.stop();
    }

    async fn pages(&mut self) {
        self.figures.title("The page of the sign-up");
        let (mut server, _relay, crowd) = self.server("pages", "off", Connections::Deed, &[]);
        let is_over = Arc::new(AtomicBool::new(false));
        let (reader, over) = (crowd.clone(), is_over.clone());
        let reading = tokio::spawn(async move {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let head = "GET /register HTTP/1.1\r\nAccept: text/html";
                assert_eq!(reader.target.ask(head, "").await.unwrap().status, 200);
                times.push(milliseconds(began.elapsed()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times
        });
        closed_loop(&crowd, Deed::SignUp, 64, Patience::Nought, self.duration).await;
        is_over.store(true, Ordering::Relaxed);
        let times = reading.await.unwrap();
        self.figures
            .add("GET /register while 64 sign up, p50 ms", median(&times));
        self.figures.add(
            "GET /register while 64 sign up, p99 ms",
            percentile(&times, 99),
        );
        server.stop();

        let (mut server, _relay, _) = self.server("alone", "self-signed", Connections::Deed, &[]);
        let page = format!("{}/register", server.url);
        let hello_process = Hello::start();
        let (mut pages, mut hellos) = (Vec::new(), Vec::new());
        for _ in 0..self.slices() {
            pages.push(requests(&page, SLICE).await);
            hellos.push(requests(&hello_process.url, SLICE).await);
        }
        let (page, hello) = (mean(&pages), mean(&hellos));
        // The driver takes as much for both, which counts for the page.
        let each = |time: Duration, per_second: f64| {
            milliseconds(time) / per_second / (SLICE * self.slices()).as_secs_f64()
        };
        let times = [
            each(server.processor_time(), page),
            each(processor_time(&hello_process.child), hello),
        ];
        server.stop();
        self.figures
            .add("GET /register alone over TLS, a second", page);
        self.figures
            .add("a bare axum's hello over TLS, a second", hello);
        self.figures.add("ratio", page / hello);
        self.figures
            .add("processor time of the server alone, the page, ms", times[0]);
        self.figures
            .add("processor time of the server alone, hello, ms", times[1]);
    }

    /// By the processor's clock, which wanders less than the one on the wall. Everything but hashing.
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    async fn cost(&mut self) {
        self.figures
            .title("Processor time of the server alone, with the cheapest hash");
        let cheapest = ["hash.memory_kib=8", "hash.iterations=1"];
        for (name, deed) in [
            ("a sign-up", Deed::SignUp),
            ("verified over the API", Deed::Verified),
            ("verified over the pages", Deed::VerifiedByPages),
        ] {
            let (mut server, _relay, crowd) = self.server(
                &format!("cost of {name}"),
                "off",
                Connections::Deed,
                &cheapest,
            );
            for clients in [1, 16] {
                let (before, done) = (server.processor_time(), crowd.count());
                closed_loop(&crowd, deed, clients, Patience::Nought, SLICE).await;
                let took = milliseconds(server.processor_time() - before);
                self.figures.add(
                    &format!("{name}, {clients} at once, ms"),
                    took / (crowd.count() - done) as f64,
                );
            }
            server.stop();
        }
    }
}

/// How many requests a second eight clients with kept connections get answered.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
async fn requests(url: &str, duration: Duration) -> f64 {
    let mut workers = JoinSet::new();
    let started = Instant::now();
    for _ in 0..8 {
        let (client, url) = (client(1), url.to_owned());
        workers.spawn(async move {
            let mut count = 0_u64;
            while started.elapsed() < duration {
                let request = client.get(&url).header("accept", "text/html");
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
                count += 1;
            }
            count
        });
    }
    let count: u64 = workers.join_all().await.into_iter().sum();
    count as f64 / started.elapsed().as_secs_f64()
}

/// The least that axum can do, over the same TLS, and in a process of its own as the server is.
struct Hello {
    child: Child,
    url: String,
}

impl Hello {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(HELLO)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut url).unwrap();
        url.truncate(url.trim_end().len());
        Self { child, url }
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed, and says where.
async fn serve_hello() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("hello.pem"), folder.join("hello.key"));
    std::fs::write(&cert, certificate.cert.pem()).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let config = RustlsConfig::from_pem_file(cert, key).await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/", get(|| async { "hello" }));
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    println!("https://localhost:{port}/");
    server.serve(router.into_make_service()).await.unwrap();
}
