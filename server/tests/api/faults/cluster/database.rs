//! A SurrealDB server as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::app;
use crate::process::child::{Child, Port};

pub const USERNAME: &str = "root";
pub const PASSWORD: &str = "the password of the database";

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Database {
    program: PathBuf,
    port: Port,
    /// Where its certificate and key are, when it uses TLS.
    tls: Option<PathBuf>,
    child: Option<Child>,
}

impl Database {
    /// The program, where there is one; it is not started yet.
    pub fn find() -> Option<Self> {
        Some(Self {
            program: std::env::var_os("CLUSTER_SURREAL")?.into(),
            port: Port::free(),
            tls: None,
            child: None,
        })
    }

    pub fn url(&self) -> String {
        match self.tls {
            None => format!("ws://127.0.0.1:{}", self.port.number),
            Some(_) => format!("wss://localhost:{}", self.port.number),
        }
    }

    /// From its next start on it uses TLS, with a certificate made in this folder, which is
    /// returned.
    pub fn secure(&mut self, folder: &Path) -> PathBuf {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = folder.join("database.pem");
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(
            folder.join("database.key"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        self.tls = Some(folder.to_owned());
        certificate
    }

    /// Serves what is in this folder, with every commit synced.
    pub async fn start(&mut self, store: &Path) {
        let mut command = Command::new(&self.program);
        command
            .args(["start", "--no-banner", "--log=warn"])
            .args(["--user", USERNAME, "--pass", PASSWORD])
            .arg(format!("--bind=127.0.0.1:{}", self.port.number))
            .arg(format!("surrealkv://{}?sync=every", store.display()));
        if let Some(folder) = &self.tls {
            command
                .arg("--web-crt")
                .arg(folder.join("database.pem"))
                .arg("--web-key")
                .arg(folder.join("database.key"));
        }
        self.child = Some(Child::start(command));
        let began = Instant::now();
        let client = app::client();
        while client
            .get(format!("{}/health", self.url().replacen("ws", "http", 1)))
            .send()
            .await
            .is_err()
        {
            assert!(began.elapsed() < PATIENCE, "the database does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal that does not end it: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        self.child.as_ref().expect("it runs").signal(name);
    }

    /// Ends it by this signal, and waits until it has.
    pub async fn end(&mut self, signal: &str) {
        let mut child = self.child.take().expect("it runs");
        child.signal(signal);
        child.ended().await;
    }
}
