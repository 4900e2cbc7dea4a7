//! A handler that panics, and a store that is lost: a clean answer, and the process lives.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
        let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
        let page = app.submit("/register", &body).await;
        assert_eq!(page.status, 500);
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.body.contains("Something went wrong"), "{page:?}");
        assert!(!page.body.contains("a word"), "{page:?}");
        assert!(!page.sets_cookie(), "{page:?}");
        assert_protected(&page);
        app.get("/healthz").await.assert_is(200, "");
        fault.store(false, Ordering::SeqCst);
    }
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
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
