//! A handler that panics, and a store that is lost: a clean answer, and the process lives.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use latchkey::entropy::{Entropy, EntropyError, SystemEntropy};
use reqwest::header::ACCEPT;

use super::assert_protected;
use crate::app::{Answer, App, EMAIL, PASSWORD, fields, other_than, send};
use crate::process::child::{Folder, Server, behind};

/// Randomness that makes whoever asks for it panic, when told to.
#[derive(Default)]
struct Treacherous {
    panics: AtomicBool,
    fails: AtomicBool,
}

impl Entropy for Treacherous {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        assert!(
            !self.panics.load(Ordering::SeqCst),
            "a word that no answer may hold"
        );
        if self.fails.load(Ordering::SeqCst) {
            return Err(EntropyError);
        }
        SystemEntropy.fill(bytes)
    }
}

#[tokio::test]
async fn a_handler_that_panics_or_fails_is_a_clean_500_and_the_process_lives() {
    let entropy = Arc::new(Treacherous::default());
    let app = App::start_in(|_| {}, |world| world.entropy = entropy.clone()).await;
    for fault in [&entropy.panics, &entropy.fails] {
        fault.store(true, Ordering::SeqCst);
        for _ in 0..20 {
            let answer = app.register(EMAIL, PASSWORD).await;
            answer.assert_is(500, "internal");
            assert_protected(&answer);
            assert!(!answer.body.contains("a word"), "{answer:?}");
        }
        let page = app.submit("/register", &form(EMAIL)).await;
        assert_eq!(page.status, 500);
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.body.contains("Something went wrong"), "{page:?}");
        assert!(!page.body.contains("a word"), "{page:?}");
        assert!(!page.sets_cookie(), "{page:?}");
        assert_protected(&page);
        for (kept, is_kept) in [(EMAIL, true), (PASSWORD, false)] {
            assert_eq!(page.body.contains(kept), is_kept, "{kept}: {page:?}");
        }
        app.get("/healthz").await.assert_is(200, "");
        fault.store(false, Ordering::SeqCst);
    }
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
}

/// What every application of this process has logged since the first test that asks for it. One
/// for all: a subscriber of one thread would depend on which thread logs a line first.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn of_all() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_env_filter("latchkey=info")
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            log
        })
    }

    fn lines_with(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_broken_is_told_with_a_reference_that_is_in_the_log() {
    let log = Log::of_all();
    let entropy = Arc::new(Treacherous::default());
    let app = App::start_in(|_| {}, |world| world.entropy = entropy.clone()).await;
    for (fault, told) in [
        (&entropy.panics, "a handler panicked"),
        (&entropy.fails, "a request failed"),
    ] {
        fault.store(true, Ordering::SeqCst);
        let page = app.submit("/register", &form(EMAIL)).await;
        let script = app.fetch("/register", &form(EMAIL)).await;
        let program = app.register(EMAIL, PASSWORD).await;
        fault.store(false, Ordering::SeqCst);
        for answer in [&page, &script] {
            let reference = answer.header("x-request-id");
            assert!(answer.body.contains(reference), "{answer:?}");
            let lines = log.lines_with(reference);
            assert!(lines.iter().any(|line| line.contains(told)), "{lines:?}");
        }
        script.assert_is(500, "internal");
        program.assert_is(500, "internal");
        assert!(!program.body.contains(program.header("x-request-id")));
    }
}

#[tokio::test]
async fn what_was_typed_survives_a_handler_that_panics_wherever_its_page_needs_the_handler() {
    let entropy = Arc::new(Treacherous::default());
    let app = App::start_in(|_| {}, |world| world.entropy = entropy.clone()).await;
    app.submit("/register", &form("typo@bar.com")).await;
    entropy.panics.store(true, Ordering::SeqCst);
    let correction = fields(&[("email", EMAIL)]);
    let page = app.submit("/correct", &correction).await;
    entropy.panics.store(false, Ordering::SeqCst);
    assert_eq!(page.status, 500);
    for part in [
        r#"<form method="post" action="/correct">"#.to_owned(),
        format!(r#"<input type="hidden" name="email" value="{EMAIL}">"#),
        page.header("x-request-id").to_owned(),
    ] {
        assert!(page.body.contains(&part), "{part}: {page:?}");
    }
    let answer = app.submit("/correct", &correction).await;
    assert_eq!(answer.location(), "/verify");
    app.mailed_code("typo@bar.com").await;
    app.mailed_code(EMAIL).await;
}

/// The same command, once no file that it writes may grow beyond this.
fn with_files_of_at_most(bytes: u64, command: &Command) -> Command {
    // A write beyond it fails, as on a full disk, instead of ending the process.
    let limit = format!(r#"trap "" XFSZ; ulimit -f {}; exec "$@""#, bytes / 512);
    behind(&["sh", "-c", &limit, "sh"], command)
}

fn largest_file(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    let sizes = entries.map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            largest_file(&path)
        } else {
            path.metadata().unwrap().len()
        }
    });
    sizes.max().unwrap_or(0)
}

fn patient(command: &mut Command) {
    command.arg("--set=code.ttl_seconds=600");
}

fn form(email: &str) -> String {
    fields(&[("email", email), ("password", PASSWORD)])
}

#[tokio::test]
async fn a_lost_store_is_503_and_nothing_is_let_through() {
    let folder = Folder::new();
    let server = folder.server(patient).await;
    let code = server.code_for(EMAIL, PASSWORD).await;
    server.stop().await;

    // Enough for a start and a few sign-ups.
    let most = largest_file(&folder.data()) + 32 * 1024;
    let mut server = folder
        .server(|command| {
            patient(command);
            *command = with_files_of_at_most(most, command);
        })
        .await;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let email = format!("number-{}@bar.com", acknowledged.len());
        let answer = send(server.post("/register", form(&email))).await;
        if answer.status != 200 {
            break answer;
        }
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        acknowledged.push((email, code));
        assert!(acknowledged.len() < 200, "the store takes everything");
    };
    let refused_at = Instant::now();
    refused.assert_is(503, "unavailable");

    nothing_is_let_through(&server, &code).await;
    let answer = send(server.get("/readyz")).await;
    answer.assert_is(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
    assert!(answer.body.contains("File too large"), "{answer:?}");
    send(server.get("/healthz")).await.assert_is(200, "");
    for path in ["/", "/register", "/verify"] {
        let page = send(server.get(path).header(ACCEPT, "text/html")).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_protected(&page);
    }
    // The engine cannot go on, so the process ends by itself, and the limit with it.
    let ended = server.child.ended().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(refused_at.elapsed() < Duration::from_secs(5));
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("latchkey: the store failed: "), "{last}");

    let server = folder.server(patient).await;
    send(server.get("/readyz")).await.assert_is(200, "");
    acknowledged.push((EMAIL.to_owned(), code));
    for (email, code) in acknowledged {
        let answer = server.verify(&email, PASSWORD, &code).await;
        answer.assert_is(200, "");
    }
    server.stop().await;
}

async fn nothing_is_let_through(server: &Server, code: &str) {
    let is_refused = |answer: Answer| {
        answer.assert_is(503, "unavailable");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        assert_protected(&answer);
        assert!(answer.json().get("code").is_none(), "{answer:?}");
    };
    is_refused(server.verify(EMAIL, PASSWORD, code).await);
    for _ in 0..3 {
        is_refused(send(server.post("/register", form("new@bar.com"))).await);
        is_refused(send(server.post("/register", form(EMAIL))).await);
        is_refused(server.verify(EMAIL, PASSWORD, &other_than(code)).await);
        let page = server.post("/register", form("new@bar.com"));
        let page = send(page.header(ACCEPT, "text/html")).await;
        assert_eq!(page.status, 503, "{page:?}");
        assert!(!page.sets_cookie(), "{page:?}");
        assert_protected(&page);
        // Who does not know the password learns nothing from it.
        is_refused(server.verify(EMAIL, "another password", code).await);
    }
}
