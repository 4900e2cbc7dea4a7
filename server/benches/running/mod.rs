//! The real program in a process of its own, and what is measured of it.

#![allow(dead_code, reason = "each benchmark takes what it needs")]

pub mod crowd;
pub mod exchange;
pub mod figures;
pub mod hash;
pub mod relay;
pub mod stock;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;

/// The real program, on free ports, with a store on disk and its own mailbox.
pub struct Server {
    process: Child,
    pub url: String,
    log: PathBuf,
}

impl Server {
    /// Comes back when it says that it serves. `settings` are `key=value`.
    pub fn start(data: &Path, tls: &str, settings: &[&str]) -> Self {
        let site = data.with_extension("site");
        std::fs::create_dir_all(&site).unwrap();
        let [https, http] = [free_port(), free_port()];
        let (scheme, port) = if tls == "off" {
            ("http", http)
        } else {
            ("https", https)
        };
        let url = format!("{scheme}://localhost:{port}");
        let mut command = Command::new(binary());
        command
            .args(["serve", "--data-dir", &data.display().to_string()])
            .args(["--https-addr", &format!("127.0.0.1:{https}")])
            .args(["--http-addr", &format!("127.0.0.1:{http}")])
            .args(["--public-url", &url])
            .args(["--set", &format!("tls.mode={tls}")])
            .args(["--set", &format!("site_dir={}", site.display())]);
        // Its own words, and of others only what is wrong.
        command.args([
            "--set",
            "log.level=error,latchkey::startup=info,latchkey::store::sweep=info",
        ]);
        let log = data.with_extension("log");
        command.stderr(File::create(&log).unwrap());
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let greeting = BufReader::new(process.stdout.take().unwrap());
        assert!(
            greeting.lines().any(|line| line.unwrap().contains("curl")),
            "no greeting"
        );
        Self { process, url, log }
    }

    /// A line of `/proc/…/status`, in MiB: `VmRSS`, `VmHWM`.
    pub fn memory(&self, name: &str) -> f64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }

    pub fn processor_time(&self) -> Duration {
        processor_time(&self.process)
    }

    pub fn has_logged(&self, words: &str) -> bool {
        std::fs::read_to_string(&self.log).unwrap().contains(words)
    }

    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What a process's threads have had of the processors.
pub fn processor_time(process: &Child) -> Duration {
    let path = format!("/proc/{}/stat", process.id());
    let stat = std::fs::read_to_string(path).unwrap();
    // After the name, which may hold anything, fields 3 and up of proc(5); 14 and 15 are ticks of a
    // hundredth of a second for programs, whatever the kernel's own are.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Nobody is told to come back because of what they did before: all come from one network.
pub const UNLIMITED: &str = "limits.mode=off";

/// Says which parts are wanted: each, or the one that `--part` names. `None` under `cargo test`,
/// which runs benches too, to see that they start; there is nothing to see then.
pub fn parts() -> Option<impl Fn(&str) -> bool> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return None;
    }
    let part = argument("--part");
    Some(move |name: &str| part.as_deref().is_none_or(|part| part == name))
}

/// The program built with this benchmark, or the one named after `--binary`.
pub fn binary() -> String {
    argument("--binary").unwrap_or_else(|| env!("CARGO_BIN_EXE_latchkey").to_owned())
}

/// What stands after a flag on the command line.
pub fn argument(flag: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != flag)
        .nth(1)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Keeps so many connections; none: each request has one of its own.
pub fn client(connections: usize) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(connections)
        .build()
        .unwrap()
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// How far the mean of so many may be from what it would be if there were many more; none of one.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub fn standard_error(numbers: &[f64]) -> Option<f64> {
    let (count, mean) = (numbers.len() as f64, mean(numbers));
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (numbers.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt())
}

pub fn median(times: &[f64]) -> f64 {
    percentile(times, 50)
}

pub fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
