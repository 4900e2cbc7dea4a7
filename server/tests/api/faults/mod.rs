//! Faults on purpose: whatever is done to the server, what it acknowledged holds.
//!
//! Each fault runs a few times here, and as often as docs/RELIABILITY.md says in `make faults`.

mod clock;
mod cluster;
mod disk;
mod kill;
mod ledger;
mod scarce;
mod store;
mod sweep;
mod sync;
mod torn;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::child::{Ended, Folder, Server};
use crate::smtp::SmtpServer;
use ledger::{Ledger, Load};

/// How long a start may take.
const START: Duration = Duration::from_secs(5);

/// How often a fault is done: as this variable says, or `short` times.
fn cycles(variable: &str, short: usize) -> usize {
    let cycles = std::env::var(variable);
    cycles.map_or(short, |cycles| cycles.parse().expect("a number"))
}

/// Says that a fault cannot be done here, and why.
fn skip(fault: &str, why: &str) {
    tell(&format!("| {fault} | skipped: {why} | | | |"));
}

/// The first of these programs that is not there, as something to say.
fn missing(programs: &[(&str, &str)]) -> Option<String> {
    let is_there = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/sbin", "/usr/sbin"].map(PathBuf::from))
            .any(|folder| folder.join(program).is_file())
    };
    let (program, package) = programs.iter().find(|(program, _)| !is_there(program))?;
    Some(format!(
        "{program} is missing (Debian: apt-get install {package})"
    ))
}

/// A server that things are done to, and what it acknowledged.
struct Victim {
    fault: &'static str,
    cycles: usize,
    folder: Folder,
    relay: SmtpServer,
    ledger: Ledger,
    worst_start: Duration,
}

impl Victim {
    async fn of(fault: &'static str, cycles: usize) -> Self {
        Self {
            fault,
            cycles,
            folder: Folder::new(),
            relay: SmtpServer::start().await,
            ledger: Ledger::default(),
            worst_start: Duration::ZERO,
        }
    }

    /// Starts it; or how it ended instead.
    async fn try_start(&mut self, adjust: impl FnOnce(&mut Command)) -> Result<Server, Ended> {
        let relay = self.relay.host();
        let began = Instant::now();
        let server = self.folder.try_server(|command| {
            command
                .arg("--set=tls.mode=off")
                .arg("--set=code.expose=true")
                // Whatever the cycles take, and the clock says, a code is good in the end.
                .arg("--set=code.ttl_seconds=86400")
                .arg(format!("--set=smtp.url=smtp://{relay}"));
            adjust(command);
        });
        let server = server.await?;
        self.worst_start = self.worst_start.max(began.elapsed());
        Ok(server)
    }

    async fn start(&mut self) -> Server {
        let server = self.try_start(|_| {}).await;
        server.unwrap_or_else(|ended| panic!("it did not start: {ended:?}"))
    }

    /// Until it has ended by itself, as it must once its store is lost: while it still answers, it
    /// says why, and it is gone five seconds after the first refusal.
    async fn gives_up(&mut self, mut server: Server, load: Load, words: &str) {
        let mut told = false;
        while let Ok(answer) = server.get("/readyz").send().await {
            told |=
                answer.status() == 503 && answer.text().await.unwrap_or_default().contains(words);
        }
        let ended = server.child.ended().await;
        let at = Instant::now();
        let refused = load.ended(false, &mut self.ledger).await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(told, "/readyz does not say why: {ended:?}");
        let since = refused.since.expect("nobody was refused");
        assert!(at - since < Duration::from_secs(5), "{:?}", at - since);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("latchkey: the store failed: "), "{last}");
    }

    /// Checks everything once more, mail and store too, and tells the row of the table.
    async fn done(mut self) {
        let server = self.start().await;
        self.ledger.check(&server, 0).await;
        if self.ledger.lost.is_empty() {
            self.ledger.settle(&server, &self.relay).await;
        }
        server.stop().await;
        let faulty = store::inspect(&self.folder.data(), self.ledger.accounts()).await;
        let row = format!(
            "| {} | {} | {} | {} | {:.2} s |",
            self.fault,
            self.cycles,
            self.ledger.acknowledged,
            self.ledger.lost.len(),
            self.worst_start.as_secs_f64()
        );
        tell(&row);
        assert!(self.ledger.lost.is_empty(), "{:#?}", self.ledger.lost);
        assert!(faulty.is_empty(), "{faulty:#?}");
        assert!(self.ledger.acknowledged > 0, "nothing was acknowledged");
        if table().is_some() {
            assert!(self.worst_start < START, "{:?}", self.worst_start);
        }
    }
}

/// Where the rows of the table go, when somebody wants one.
fn table() -> Option<PathBuf> {
    std::env::var_os("FAULTS_TABLE").map(PathBuf::from)
}

fn tell(row: &str) {
    println!("{row}");
    if let Some(table) = table() {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(table).unwrap();
        writeln!(file, "{row}").unwrap();
    }
}

/// Somewhere in this time.
fn moment(time: Duration) -> Duration {
    time.mul_f64(latchkey::entropy::jitter(1.0) / 2.0)
}
