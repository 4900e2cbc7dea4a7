//! The binary as an operator meets it: command line, signals, exit codes, files, logs.

pub mod child;
mod log;
mod mail;
mod operator;
mod schema;
mod supervisor;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, COOKIE};
use reqwest::redirect;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::app::{EMAIL, PASSWORD, fields, other_than, send};
use child::{Child, Ended, Folder, Port, Server, behind, latchkey};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_says_where_it_is_and_answers_there() {
    let folder = Folder::new();
    let server = folder.server(|_| {}).await;
    let url = format!("https://localhost:{}", server.https.number);
    for line in [
        format!("{url}/register"),
        format!("{url}/dev/mailbox"),
        format!(
            "curl --insecure -d \"password=testpassword&email=foo@bar.com\" -X POST {url}/register"
        ),
    ] {
        assert!(server.greeting.contains(&line), "{}", server.greeting);
    }
    let answer = send(server.get("/healthz")).await;
    answer.assert_is(200, "");
    let plain = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let answer = send(plain.get(format!("http://127.0.0.1:{}/a?b", server.http.number))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (308, format!("{url}/a?b").as_str())
    );
    assert_eq!(mode(&folder.data()), 0o700);
    for file in ["self-signed.pem", "secret.key"] {
        assert_eq!(mode(&folder.data().join(file)), 0o600, "{file}");
    }
    let log = server.stop().await.stderr;
    assert!(log.contains("every commit, before it is answered"), "{log}");
}

#[tokio::test]
async fn behind_a_proxy_it_serves_plain_http() {
    let folder = Folder::new();
    let server = folder
        .server(|command| {
            command.arg("--set=tls.mode=off");
        })
        .await;
    let url = format!("http://localhost:{}", server.http.number);
    assert_eq!(server.url, url);
    server.code_for(EMAIL, PASSWORD).await;
    let https = TcpStream::connect(("127.0.0.1", server.https.number)).await;
    assert!(https.is_err(), "nobody listens for HTTPS");
    assert!(!folder.data().join("self-signed.pem").exists());
    server.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_sigterm_ends_it() {
    plain_stopping("TERM").await;
}

/// What a terminal sends when it is closed.
#[tokio::test]
async fn a_request_under_way_is_answered_before_sighup_ends_it() {
    plain_stopping("HUP").await;
}

async fn plain_stopping(signal: &str) {
    let folder = Folder::new();
    let server = folder
        .server(|command| {
            command.arg("--set=tls.mode=off");
        })
        .await;
    let port = server.http.number;
    let connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stopping_finishes_a_request(server, connection, port, signal).await;
}

#[tokio::test]
async fn whoever_is_to_outlive_the_terminal_does() {
    let folder = Folder::new();
    let server = folder
        .server(|command| *command = behind(&["nohup"], command))
        .await;
    server.child.signal("HUP");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = send(server.get("/register")).await;
    assert_eq!(answer.status, 200);
    let ended = server.stop().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[tokio::test]
async fn of_a_table_that_is_damaged_it_is_told_what_to_do() {
    let folder = Folder::new();
    let server = folder.server(|_| {}).await;
    server.code_for(EMAIL, PASSWORD).await;
    server.stop().await;
    let tables = std::fs::read_dir(folder.data().join("store/sstables")).unwrap();
    for table in tables {
        let table = table.unwrap().path();
        let mut bytes = std::fs::read(&table).unwrap();
        let middle = bytes.len() / 2;
        bytes[16..middle].fill(0x5a);
        std::fs::write(table, bytes).unwrap();
    }

    let mut list = latchkey();
    list.current_dir(folder.path()).args(["accounts", "list"]);
    let serve = folder.serve(&Port::free(), &Port::free());
    // What serves has something to put in order before it ends.
    for (command, code) in [(serve, Some(0)), (list, None)] {
        let mut child = Child::start(command);
        child.has_logged("checksum").await;
        child.has_logged("restore a backup").await;
        child.signal("TERM");
        let ended = child.ended().await;
        assert_eq!(ended.status.code(), code, "{ended:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_told_of() {
    let folder = Folder::new();
    folder.server(|_| {}).await.stop().await;
    let pem = folder.data().join("self-signed.pem").display().to_string();
    for (host, told) in [("localhost", false), ("sign-up.example", true)] {
        let server = folder.server(|command| {
            command.args(["--set=tls.mode=files", "--public-url"]);
            command.arg(format!("https://{host}"));
            command.args(["cert", "key"].map(|part| format!("--set=tls.{part}={pem}")));
        });
        let ended = server.await.stop().await;
        let warned = ended.stderr.contains("not for public_url's host");
        assert_eq!(warned, told, "{ended:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_taken_away_is_served_no_more() {
    let folder = Folder::new();
    let mut server = folder.server(|_| {}).await;
    server.code_for(EMAIL, PASSWORD).await;
    std::fs::rename(folder.data().join("store"), folder.path().join("away")).unwrap();
    let ended = server.child.ended().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let complaint = ended.stderr.lines().last().unwrap();
    assert!(complaint.contains("is gone"), "{complaint}");
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_sigint_ends_it() {
    let folder = Folder::new();
    let server = folder.server(|_| {}).await;
    let port = server.https.number;
    let pem = std::fs::read(folder.data().join("self-signed.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = TlsConnector::from(Arc::new(client))
        .connect(name, connection)
        .await
        .unwrap();
    stopping_finishes_a_request(server, connection, port, "INT").await;
}

/// Half a form is there when the signal comes, the other half when the port is closed.
async fn stopping_finishes_a_request(
    mut server: Server,
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    port: u16,
    signal: &str,
) {
    let (half, rest) = ("email=foo@bar.com&passw", "ord=testpassword");
    let head = format!(
        "POST /register HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        half.len() + rest.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // Who is told to go on has been understood: the request is under way.
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(half.as_bytes()).await.unwrap();

    server.child.signal(signal);
    server.child.has_logged("running requests may finish").await;
    let closed = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed)
        .await
        .expect("new connections are still taken");

    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, connection.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""code":""#), "{answer}");
    let ended = server.child.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains(r#""message":"stopped""#), "{ended:?}");
    let since = ended.stderr.find("running requests may finish").unwrap();
    for alarm in [r#""level":"WARN""#, r#""level":"ERROR""#] {
        assert!(!ended.stderr[since..].contains(alarm), "{ended:?}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let folder = Folder::new();
    let patient = |command: &mut std::process::Command| {
        command.arg("--set=code.ttl_seconds=600");
    };
    let server = folder.server(patient).await;
    let verified = "verified@bar.com";
    let code = server.code_for(verified, PASSWORD).await;
    let request = server
        .post("/verify", fields(&[("verification_code", &code)]))
        .basic_auth(verified, Some(PASSWORD))
        .header(ACCEPT, "text/html");
    let answer = send(request).await;
    assert_eq!(answer.location(), "/welcome");
    let session = cookie(answer.header("set-cookie"));
    let code = server.code_for(EMAIL, PASSWORD).await;
    let answer = server.verify(EMAIL, PASSWORD, &other_than(&code)).await;
    assert_eq!(answer.json()["attempts_left"], 2);
    server.kill().await;

    let server = folder.server(patient).await;
    server
        .verify(verified, PASSWORD, "1234")
        .await
        .assert_is(409, "already_verified");
    let page = send(server.get("/welcome").header(COOKIE, session)).await;
    assert!(page.body.contains(verified), "{page:?}");
    let answer = server.verify(EMAIL, PASSWORD, &other_than(&code)).await;
    assert_eq!(answer.json()["attempts_left"], 1);
    server
        .verify(EMAIL, PASSWORD, &code)
        .await
        .assert_is(200, "");
    server.stop().await;
}

#[tokio::test]
async fn another_secret_key_is_refused_by_a_store_that_was_used() {
    const KEY: &str = "--set=secret_key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let folder = Folder::new();
    folder.server(|_| {}).await.stop().await;
    let other = folder.try_server(|command| {
        command.arg(KEY);
    });
    let ended = other.await.err().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("latchkey: The store is used with another secret key"),
        "{last}"
    );
    folder.server(|_| {}).await.stop().await;
}

#[tokio::test]
async fn killing_it_gives_no_attempt_back() {
    let folder = Folder::new();
    let patient = |command: &mut std::process::Command| {
        command.arg("--set=code.ttl_seconds=600");
    };
    let mut code = None;
    for left in [2, 1, 0] {
        let server = folder.server(patient).await;
        let code = match &code {
            Some(code) => code,
            None => code.insert(server.code_for(EMAIL, PASSWORD).await),
        };
        let answer = server.verify(EMAIL, PASSWORD, &other_than(code)).await;
        assert_eq!(answer.json()["attempts_left"], left);
        server.kill().await;
    }
    let server = folder.server(patient).await;
    server
        .verify(EMAIL, PASSWORD, &code.unwrap())
        .await
        .assert_is(410, "code_stale");
    server.stop().await;
}

#[tokio::test]
async fn neither_store_nor_log_holds_a_code_or_a_password() {
    let folder = Folder::new();
    let server = folder
        .server(|command| {
            command
                .env("LATCHKEY_LOG__LEVEL", "trace")
                // Long enough not to stand anywhere by chance.
                .env("LATCHKEY_CODE__DIGITS", "8");
        })
        .await;
    let verified = server.code_for("verified@bar.com", PASSWORD).await;
    server
        .verify("verified@bar.com", PASSWORD, &verified)
        .await
        .assert_is(200, "");
    let pending = server.code_for(EMAIL, PASSWORD).await;
    server
        .verify(EMAIL, "not-the-password", &pending)
        .await
        .assert_is(401, "unauthorized");
    server
        .verify(
            EMAIL,
            PASSWORD,
            &format!("{:08}", (pending.parse::<u64>().unwrap() + 1) % 100_000_000),
        )
        .await
        .assert_is(403, "code_wrong");
    let ended = server.stop().await;
    for secret in [PASSWORD, "not-the-password", &verified, &pending] {
        let found = crate::app::grep(&folder.data(), secret.as_bytes());
        assert!(found.is_empty(), "{secret} is in {found:?}");
        assert!(!ended.stderr.contains(secret), "{secret} is in the log");
    }
    // It looked in the right place.
    assert!(!crate::app::grep(&folder.data(), EMAIL.as_bytes()).is_empty());
}

#[tokio::test]
async fn a_bad_configuration_is_one_line_and_exit_code_2() {
    let folder = Folder::new();
    for (flags, variables, line) in [
        (
            &["--set=code.digits=12"][..],
            &[][..],
            "configuration: code.digits = 12: a whole number from 4 to 8 (set by the command line)",
        ),
        (
            &[],
            &[("LATCHKEY_CODE__DIGITS", "12")],
            "configuration: code.digits = 12: a whole number from 4 to 8 (set by LATCHKEY_CODE__DIGITS)",
        ),
        (
            &["--set=smpt.url=hunter2"],
            &[],
            "configuration: smpt.url: unknown key; did you mean smtp.url? (set by the command line)",
        ),
        (
            &["--config=nothing.toml"],
            &[],
            "configuration: nothing.toml: cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let ended = run(&folder, flags, variables).await;
        assert_eq!(
            (ended.status.code(), ended.stderr.as_str()),
            (Some(2), line)
        );
        assert_eq!(ended.stdout, "");
    }
    // Of a number, of an address, of two sections and of the top: all at once.
    let wrong = [
        "code.digits=12",
        "trusted_proxies=1.2.3.4/33",
        "log.format=xml",
        "mail.from=foo",
        "public_url=nowhere",
        "smtp.url_file=nothing",
    ];
    let flags = wrong.map(|setting| format!("--set={setting}"));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let ended = run(&folder, &flags, &[]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.stderr.lines().count(), wrong.len(), "{ended:?}");
    for setting in wrong {
        let (key, value) = setting.split_once('=').unwrap();
        let line = format!("configuration: {key} = {value}: ");
        assert!(ended.stderr.contains(&line), "{line}: {ended:?}");
    }
    let ended = run(&folder, &["--mode=production"], &[]).await;
    assert_eq!(ended.status.code(), Some(2));
    for key in ["public_url", "mail.from", "smtp.url", "tls.mode"] {
        let line = format!("configuration: {key} = ");
        assert!(ended.stderr.lines().any(|found| found.starts_with(&line)));
    }
    let ended = run(&folder, &["--set=smtp.url=x://me:hunter2@host"], &[]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    assert!(!folder.data().exists(), "nothing was begun");
}

#[tokio::test]
async fn a_port_in_use_is_one_line_and_exit_code_1() {
    let folder = Folder::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, free) = (other.local_addr().unwrap().port(), Port::free());
    for (key, https, http) in [
        ("https_addr", taken, free.number),
        ("http_addr", free.number, taken),
    ] {
        let flags = [
            format!("--https-addr=127.0.0.1:{https}"),
            format!("--http-addr=127.0.0.1:{http}"),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let ended = run(&folder, &flags, &[]).await;
        assert_eq!(ended.status.code(), Some(1));
        let complaints: Vec<_> = ended
            .stderr
            .lines()
            .filter(|line| !line.starts_with('{'))
            .collect();
        assert_eq!(complaints.len(), 1, "{ended:?}");
        let expected =
            format!("latchkey: Failed to listen on {key} = 127.0.0.1:{taken}: is another");
        assert!(complaints[0].starts_with(&expected), "{ended:?}");
    }
}

#[tokio::test]
async fn the_command_line_explains_itself() {
    for (arguments, words) in [
        (&["--help"][..], &["Usage:", "serve", "Exit codes:"][..]),
        (
            &["serve", "--help"],
            &[
                "--config",
                "--mode",
                "--https-addr",
                "--http-addr",
                "--public-url",
                "--data-dir",
                "--set",
                "docs/CONFIGURATION.md",
            ],
        ),
        (
            &["--version"],
            &[concat!("latchkey ", env!("CARGO_PKG_VERSION"))],
        ),
    ] {
        let mut command = latchkey();
        command.args(arguments);
        let ended = Child::start(command).ended().await;
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
        for word in words {
            assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
        }
    }
}

/// Runs until it ends by itself, with these flags and variables.
async fn run(folder: &Folder, flags: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = latchkey();
    command
        .current_dir(folder.path())
        .args(["serve", "--data-dir=data", "--set=site_dir=site"])
        .args(flags)
        .envs(variables.iter().copied());
    Child::start(command).ended().await
}

/// The pair that a browser would send back.
fn cookie(set_cookie: &str) -> String {
    set_cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_memory_of_hashing_goes_back_while_nobody_signs_up() {
    const HASH_MIB: u64 = 128;
    let folder = Folder::new();
    let server = folder
        .server(|command| {
            let memory = format!("hash.memory_kib={}", HASH_MIB << 10);
            command.args(["--set", &memory, "--set", "hash.iterations=1"]);
            command.args(["--set", "hash.workers=1"]);
        })
        .await;
    let at_first = resident_mib(&server);
    server.code_for(EMAIL, PASSWORD).await;
    let busy = resident_mib(&server);
    assert!(busy >= at_first + HASH_MIB / 2, "{at_first} and {busy} MiB");
    let given_back = timeout(PATIENCE, async {
        while resident_mib(&server) > busy - HASH_MIB / 2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    given_back.await.expect("its memory is kept");
    server.stop().await;
}

fn resident_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() >> 10
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
