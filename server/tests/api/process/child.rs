//! The real binary as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use reqwest::{Client, RequestBuilder};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::app::{self, Answer, fields, send};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for a server's data, beside an empty one for the browser's files.
pub struct Folder(TempDir);

/// A process; it is killed when dropped.
pub struct Child {
    child: process::Child,
    stdout: UnboundedReceiver<String>,
    stderr: UnboundedReceiver<String>,
    /// The lines of standard error that were looked at.
    log: Vec<String>,
}

/// How a process ended, and everything that it printed.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A server that is ready.
pub struct Server {
    pub child: Child,
    pub greeting: String,
    pub url: String,
    pub https: Port,
    pub http: Port,
    client: Client,
}

/// A port that nobody else is given. A bound socket that never listens keeps it, and lets a
/// process that names it listen there.
#[derive(Clone)]
pub struct Port {
    pub number: u16,
    _kept: Arc<TcpSocket>,
}

impl Port {
    pub fn free() -> Self {
        let kept = TcpSocket::new_v4().unwrap();
        kept.set_reuseaddr(true).unwrap();
        kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            number: kept.local_addr().unwrap().port(),
            _kept: Arc::new(kept),
        }
    }
}

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("site")).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// `latchkey serve` on these ports, with this folder as its only surroundings.
    pub fn serve(&self, https: &Port, http: &Port) -> Command {
        let mut command = latchkey();
        command.current_dir(self.path()).args([
            "serve",
            "--https-addr",
            &format!("127.0.0.1:{}", https.number),
            "--http-addr",
            &format!("127.0.0.1:{}", http.number),
            "--data-dir=data",
            "--set=site_dir=site",
            "--set=log.format=json",
            "--set=hash.memory_kib=8",
            "--set=hash.iterations=1",
        ]);
        command
    }

    /// A server on ports of its own, once it is ready. `adjust` adds flags and variables.
    pub async fn server(&self, adjust: impl FnOnce(&mut Command)) -> Server {
        let server = self.try_server(adjust).await;
        server.unwrap_or_else(|ended| panic!("it did not start: {ended:?}"))
    }

    /// The same, or how it ended instead.
    pub async fn try_server(&self, adjust: impl FnOnce(&mut Command)) -> Result<Server, Ended> {
        let (https, http) = (Port::free(), Port::free());
        let mut command = self.serve(&https, &http);
        adjust(&mut command);
        let mut child = Child::start(command);
        let greeting = child.greeting().await?;
        let url = greeting
            .split_whitespace()
            .find_map(|word| word.strip_suffix("/register"))
            .expect("no URL in the greeting");
        Ok(Server {
            child,
            url: url.to_owned(),
            greeting,
            https,
            http,
            client: app::client(),
        })
    }
}

/// The binary, with nobody's settings.
pub fn latchkey() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("LATCHKEY_") || name.starts_with("LEPTOS_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// The same command, as what another program is told to run.
pub fn behind(program: &[&str], command: &Command) -> Command {
    let mut behind = Command::new(program[0]);
    behind
        .args(&program[1..])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        behind.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => behind.env(name, value),
            None => behind.env_remove(name),
        };
    }
    behind
}

impl Child {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout: ChildStdout = child.stdout.take().unwrap();
        let stderr: ChildStderr = child.stderr.take().unwrap();
        Self {
            child,
            stdout: lines(stdout),
            stderr: lines(stderr),
            log: Vec::new(),
        }
    }

    /// What it says once it serves, up to the curl line.
    async fn greeting(&mut self) -> Result<String, Ended> {
        let mut greeting = String::new();
        loop {
            let line = timeout(PATIENCE, self.stdout.recv()).await;
            match line.expect("it is not ready") {
                Some(line) => {
                    greeting += &line;
                    greeting.push('\n');
                    if line.contains("curl ") {
                        return Ok(greeting);
                    }
                }
                None => return Err(self.ended().await),
            }
        }
    }

    /// Waits until it serves; or how it ended instead.
    pub async fn serves(&mut self) -> Result<(), Ended> {
        loop {
            let line = timeout(PATIENCE, self.stderr.recv()).await;
            let Some(line) = line.expect("it does not serve") else {
                return Err(self.ended().await);
            };
            let serves = line.contains(r#""message":"serving""#);
            self.log.push(line);
            if serves {
                return Ok(());
            }
        }
    }

    /// Waits until the log has said this.
    pub async fn has_logged(&mut self, text: &str) {
        self.has_logged_in(text, PATIENCE).await;
    }

    /// The same, however long it says nothing else.
    pub async fn has_logged_in(&mut self, text: &str, patience: Duration) {
        while !self.log.iter().any(|line| line.contains(text)) {
            let line = timeout(patience, self.stderr.recv()).await;
            let line = line.expect("it is not in the log in time");
            self.log.push(line.expect("it ended before it said so"));
        }
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its number, for whoever does something to it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, as an init system does: `TERM`, `INT`, `KILL`.
    pub fn signal(&self, name: &str) {
        // It has not been waited for, so its number is still its own.
        let status = Command::new("sh")
            .args(["-c", r#"kill -s "$0" "$1""#, name])
            .arg(self.child.id().to_string())
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> Ended {
        let rest = timeout(PATIENCE, async {
            let mut stdout = Vec::new();
            while let Some(line) = self.stdout.recv().await {
                stdout.push(line);
            }
            while let Some(line) = self.stderr.recv().await {
                self.log.push(line);
            }
            stdout
        });
        let stdout = rest.await.expect("it does not end");
        Ended {
            // Its pipes are closed: it is as good as gone.
            status: self.child.wait().unwrap(),
            stdout: stdout.join("\n"),
            stderr: self.log.join("\n"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// What talks to it, to be used beside it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into())
    }

    /// Signs up; the code is in the answer.
    pub async fn code_for(&self, email: &str, password: &str) -> String {
        let body = fields(&[("email", email), ("password", password)]);
        let answer = send(self.post("/register", body)).await;
        answer.assert_is(200, "");
        answer.json()["code"].as_str().unwrap().to_owned()
    }

    pub async fn verify(&self, email: &str, password: &str, code: &str) -> Answer {
        let request = self.post("/verify", fields(&[("verification_code", code)]));
        send(request.basic_auth(email, Some(password))).await
    }

    /// Stops it as an init system does; anything but a clean stop is a failure.
    pub async fn stop(mut self) -> Ended {
        self.child.signal("TERM");
        let ended = self.child.ended().await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended
    }

    /// Ends it without a word, as a power cut does.
    pub async fn kill(mut self) {
        self.child.signal("KILL");
        let ended = self.child.ended().await;
        assert_eq!(ended.status.code(), None, "{ended:?}");
    }
}

/// Reads on whether or not anybody looks, so that the process never waits for us.
fn lines(pipe: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let line = line.expect("what it prints is UTF-8");
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
