//! What holds whoever asks, however they ask, and whatever breaks: headers, limits, TLS, faults.

mod connections;
mod faults;
mod headers;
mod limits;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use latchkey::config::TlsMode;
use latchkey::http::TimeLimits;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{Answer, App};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the test waits for.
const SHORT: Duration = Duration::from_secs(1);

/// An application that ends no TLS, so that a test can write what no HTTP client would.
async fn plain(limit: impl FnOnce(&mut TimeLimits)) -> App {
    App::start_in(
        |config| config.tls.mode = TlsMode::Off,
        |world| limit(&mut world.time_limits),
    )
    .await
}

async fn connect(address: SocketAddr) -> TcpStream {
    timeout(PATIENCE, TcpStream::connect(address))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn whoever_judges_a_flood_knows_how_many_are_connected() {
    let app = plain(|_| {}).await;
    let becomes = async |count| {
        let count_is = async {
            while app.connected() != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, count_is).await.unwrap();
    };
    becomes(0).await;
    let connections = [connect(app.http).await, connect(app.http).await];
    becomes(2).await;
    drop(connections);
    becomes(0).await;
}

#[tokio::test]
async fn a_crowd_is_counted_before_the_first_of_it_is_answered() {
    let app = plain(|_| {}).await;
    // The server has no turn until something is awaited, and accepts at most 128 in one.
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let mut connection = std::net::TcpStream::connect(app.http).unwrap();
            let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            std::io::Write::write_all(&mut connection, request).unwrap();
            connection.set_nonblocking(true).unwrap();
            TcpStream::from_std(connection).unwrap()
        })
        .collect();
    timeout(PATIENCE, crowd[0].readable())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(app.connected(), crowd.len());
}

/// Everything that comes until the other side closes.
async fn until_closed(connection: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut received = Vec::new();
    // However it ends.
    let _ = timeout(PATIENCE, connection.read_to_end(&mut received))
        .await
        .expect("the connection stays open");
    received
}

/// One answer on a connection that is closed after it.
async fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut connection = connect(address).await;
    connection.write_all(request.as_bytes()).await.unwrap();
    answer(&until_closed(&mut connection).await)
}

fn answer(bytes: &[u8]) -> Answer {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (
            HeaderName::try_from(name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    Answer {
        status: StatusCode::from_bytes(status.as_bytes()).unwrap(),
        headers: HeaderMap::from_iter(headers),
        body: body.to_owned(),
    }
}

/// Has every header that protects people, whatever the answer is.
#[track_caller]
fn assert_protected(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ] {
        let values: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}: {answer:?}");
    }
    let policies: Vec<_> = answer
        .headers
        .get_all("content-security-policy")
        .iter()
        .collect();
    assert_eq!(policies.len(), 1, "{answer:?}");
    let policy = policies[0].to_str().unwrap();
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    for directive in [
        "default-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(directives.contains(&directive), "{policy}");
    }
    let form_action = directives
        .iter()
        .find(|part| part.starts_with("form-action"));
    assert!(
        matches!(
            form_action,
            Some(&("form-action 'self'" | "form-action 'none'"))
        ),
        "{policy}"
    );
    let harmless = policy.replace("'wasm-unsafe-eval'", "");
    assert!(!harmless.contains("unsafe"), "{policy}");
    assert!(!harmless.contains('*'), "{policy}");
}
