//! Connections that do nothing, too slowly, or too often.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Request;
use h2::{Ping, Reason};
use latchkey::config::{Mode, TlsMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, sleep, timeout};

use super::{PATIENCE, SHORT, ask, connect, plain, until_closed};
use crate::app::App;

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Whether this connection has a place: its request is answered.
async fn is_served(connection: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    let answered = async {
        connection.write_all(HEALTHZ.as_bytes()).await?;
        while !answer.ends_with(b"}") {
            if connection.read_buf(&mut answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        std::io::Result::Ok(())
    };
    let answered = timeout(PATIENCE, answered).await.unwrap().is_ok();
    assert!(!answered || answer.starts_with(b"HTTP/1.1 200 OK"));
    answered
}

async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("{address}:0").parse().unwrap())
        .unwrap();
    timeout(PATIENCE, socket.connect(to))
        .await
        .unwrap()
        .unwrap()
}

/// Until somebody is served again.
async fn until_served(address: SocketAddr) {
    let served = async {
        while !is_served(&mut connect(address).await).await {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, served)
        .await
        .expect("no place comes free");
}

#[tokio::test]
async fn who_says_nothing_or_never_ends_a_head_is_cut_off() {
    let app = plain(|limits| limits.head = SHORT).await;
    for begun in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut connection = connect(app.http).await;
        connection.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(until_closed(&mut connection).await, b"", "{begun}");
    }
    // A slow loris: a field now and then.
    let (mut reader, mut writer) = connect(app.http).await.into_split();
    writer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let trickle = async {
        let mut ticks = interval(SHORT / 10);
        while writer.write_all(b"A: b\r\n").await.is_ok() {
            ticks.tick().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        received = until_closed(&mut reader) => assert_eq!(received, b""),
        () = trickle => {}
    }
}

#[tokio::test]
async fn an_idle_http_1_connection_is_closed() {
    let app = plain(|limits| limits.head = SHORT).await;
    let mut connection = connect(app.http).await;
    for _ in 0..3 {
        assert!(is_served(&mut connection).await);
    }
    until_closed(&mut connection).await;
}

/// A client of HTTP/2, and its connection, which is to be driven.
type Http2 = (
    h2::client::SendRequest<axum::body::Bytes>,
    h2::client::Connection<TcpStream>,
);

async fn http2(app: &App, window: u32) -> Http2 {
    h2::client::Builder::new()
        .initial_window_size(window)
        .handshake(connect(app.http).await)
        .await
        .unwrap()
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://localhost{path}"))
        .body(())
        .unwrap()
}

#[tokio::test]
async fn pings_do_not_keep_an_idle_http_2_connection() {
    let app = plain(|limits| limits.idle = SHORT).await;
    let (client, mut connection) = http2(&app, 65_535).await;
    let mut pings = connection.ping_pong().unwrap();
    let closed = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(get("/healthz"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let pinging = async {
        let mut ticks = interval(SHORT / 10);
        while pings.ping(Ping::opaque()).await.is_ok() {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, pinging).await.expect("it stays open");
    let _ = timeout(PATIENCE, closed).await.expect("it stays open");
}

/// curl before 8.0 takes the reset of a stream whose body nobody wanted for a failure.
#[tokio::test]
async fn an_answer_over_http_2_that_needs_no_body_resets_nothing() {
    let app = plain(|_| {}).await;
    let (client, connection) = http2(&app, 65_535).await;
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    for (path, status) in [("/nothing/here", 404), ("/register", 415)] {
        let post = Request::post(format!("http://localhost{path}"));
        let (answer, mut body) = client.send_request(post.body(()).unwrap(), false).unwrap();
        // Later than an answer could be there.
        sleep(Duration::from_millis(200)).await;
        body.send_data("a=b".into(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), status);
        let mut rest = answer.into_body();
        while rest.data().await.is_some() {}
        let reset = poll_fn(|context| body.poll_reset(context));
        let reset = timeout(SHORT, reset).await;
        assert!(!matches!(reset, Ok(Ok(_))), "{path}: {reset:?}");
    }
    // Who sends none gets the answer without.
    let post = Request::post("http://localhost/nothing/here");
    let (answer, _body) = client.send_request(post.body(()).unwrap(), false).unwrap();
    assert_eq!(
        timeout(PATIENCE, answer).await.unwrap().unwrap().status(),
        404
    );
}

#[tokio::test]
async fn an_http_2_client_that_opens_no_window_is_cut_off() {
    let app = plain(|limits| limits.idle = SHORT).await;
    let (client, connection) = http2(&app, 0).await;
    let closed = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(get("/robots.txt"), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let data = timeout(PATIENCE, body.data()).await.expect("it stays open");
    assert!(!matches!(data, Some(Ok(_))), "{data:?}");
    let _ = timeout(PATIENCE, closed).await.expect("it stays open");
}

#[tokio::test]
async fn http_2_has_100_streams_and_64_kib_of_fields_of_which_16_are_taken() {
    let app = plain(|_| {}).await;
    let (client, connection) = http2(&app, 65_535).await;
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let large = Request::get("http://localhost/healthz")
        .header("x-large", "x".repeat(17 * 1024))
        .body(())
        .unwrap();
    let (answer, _) = client.send_request(large, true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 431);
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(client.current_max_send_streams(), 100);
}

#[tokio::test]
async fn requests_that_are_reset_as_fast_as_they_are_made_end_the_connection() {
    const CLIENT_PREFACE: &[u8] =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u8 = 11;
    let app = plain(|_| {}).await;
    let mut burst = CLIENT_PREFACE.to_vec();
    for stream in (1..2_000_u32).step_by(2) {
        // HEADERS with END_STREAM and END_HEADERS, then RST_STREAM with CANCEL.
        burst.extend([0, 0, 3, 1, 5]);
        burst.extend(stream.to_be_bytes());
        burst.extend([0x82, 0x84, 0x86]);
        burst.extend([0, 0, 4, 3, 0]);
        burst.extend(stream.to_be_bytes());
        burst.extend(u32::from(Reason::CANCEL).to_be_bytes());
    }
    let (mut reader, mut writer) = connect(app.http).await.into_split();
    let sending = tokio::spawn(async move {
        // It may be closed before all is written.
        let _ = writer.write_all(&burst).await;
        writer
    });
    let received = until_closed(&mut reader).await;
    let _ = sending.await.unwrap();
    let mut frames = &received[..];
    let mut reasons = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if *kind == GOAWAY {
            reasons.push(rest[7]);
        }
        frames = rest.get(length..).unwrap_or_default();
    }
    assert!(reasons.contains(&ENHANCE_YOUR_CALM), "{reasons:?}");
    ask(app.http, LAST_HEALTHZ).await.assert_is(200, "");
}

#[tokio::test]
async fn who_does_not_read_the_answer_loses_the_place() {
    let app = App::start_in(
        |config| {
            config.tls.mode = TlsMode::Off;
            config.limits.connections = 1;
            let file = config.site_dir.as_ref().unwrap().join("large.bin");
            std::fs::File::create(file)
                .unwrap()
                .set_len(64 * 1024 * 1024)
                .unwrap();
        },
        |world| world.time_limits.stall = SHORT,
    )
    .await;
    let mut greedy = connect(app.http).await;
    let request = "GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    greedy.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 15];
    greedy.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    until_served(app.http).await;
    let received = until_closed(&mut greedy).await;
    assert!(received.len() < 64 * 1024 * 1024, "{}", received.len());
}

#[tokio::test]
async fn all_connections_together_are_bounded_and_a_place_comes_free_again() {
    let app = App::start_in(
        |config| config.limits.connections = 3,
        |world| world.time_limits.head = PATIENCE,
    )
    .await;
    // On both ports, whatever they say.
    let one = connect(app.http).await;
    let _two = connect(app.https).await;
    let _three = connect(app.http).await;
    assert_eq!(until_closed(&mut connect(app.http).await).await, b"");
    assert_eq!(until_closed(&mut connect(app.https).await).await, b"");
    drop(one);
    let served = async {
        while ask_if_open(app.http).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, served)
        .await
        .expect("no place comes free");
}

/// The first bytes of an answer; nothing when there is no place.
async fn ask_if_open(address: SocketAddr) -> Option<[u8; 12]> {
    let mut connection = connect(address).await;
    let mut status = [0; 12];
    connection.write_all(LAST_HEALTHZ.as_bytes()).await.ok()?;
    connection.read_exact(&mut status).await.ok()?;
    Some(status)
}

#[tokio::test]
async fn one_network_cannot_take_all_places_and_a_proxy_may() {
    let app = App::start_in(
        |config| {
            config.mode = Mode::Production;
            config.public_url = "https://sign-up.example.org".parse().unwrap();
            config.tls.mode = TlsMode::Off;
            config.trusted_proxies = vec!["127.0.0.9/32".parse().unwrap()];
            config.limits.connections = 10;
            config.limits.connections_per_network = 2;
        },
        |world| world.time_limits.head = PATIENCE,
    )
    .await;
    let mut kept = Vec::new();
    for (address, places) in [
        ("127.0.0.1", 2),
        ("127.0.0.2", 2),
        ("127.0.0.9", 6),
        ("127.0.0.3", 0),
    ] {
        for _ in 0..places {
            let mut connection = from(address, app.http).await;
            assert!(is_served(&mut connection).await, "{address}");
            kept.push(connection);
        }
        let mut one_more = from(address, app.http).await;
        assert!(!is_served(&mut one_more).await, "{address}");
    }
    kept.clear();
    until_served(app.http).await;
}

#[tokio::test]
async fn a_flood_of_silent_connections_keeps_nobody_else_out() {
    let app = App::start_in(
        |config| {
            config.mode = Mode::Production;
            config.public_url = "https://sign-up.example.org".parse().unwrap();
            config.tls.mode = TlsMode::Off;
            config.trusted_proxies = vec!["127.0.0.9/32".parse().unwrap()];
        },
        |_| {},
    )
    .await;
    let mut flood = Vec::new();
    for _ in 0..600 {
        flood.push(connect(app.http).await);
    }
    for _ in 0..20 {
        let mut other = from("127.0.0.2", app.http).await;
        assert!(is_served(&mut other).await);
    }
}
