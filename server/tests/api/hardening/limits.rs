//! What a request may take, in bytes and in time.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{interval, timeout};

use super::{PATIENCE, SHORT, answer, ask, assert_protected, connect, plain, until_closed};
use crate::app::fields;

const HEAD: &str = "POST /register HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn a_head_is_at_most_8_kib_of_address_and_16_kib_of_fields() {
    let app = plain(|_| {}).await;
    let get = |path: String, field: usize| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {}\r\n\r\n",
            "x".repeat(field)
        )
    };
    let path = |length| format!("/healthz?{}", "x".repeat(length - "/healthz?".len()));
    let fits = ask(app.http, &get(path(8 * 1024), 15 * 1024)).await;
    fits.assert_is(200, "");
    let long = ask(app.http, &get(path(8 * 1024 + 1), 1)).await;
    long.assert_is(414, "uri_too_long");
    assert_protected(&long);
    let large = ask(app.http, &get(path(20), 16 * 1024)).await;
    large.assert_is(431, "headers_too_large");
    assert_protected(&large);
    // hyper reads no further than this, and answers before anything of ours is asked.
    let bare = ask(app.http, &get(path(20), 128 * 1024)).await;
    assert_eq!(bare.status, 431, "{bare:?}");
    let bare = ask(app.http, "nonsense\r\n\r\n").await;
    assert_eq!(bare.status, 400, "{bare:?}");
}

#[tokio::test]
async fn http_1_1_names_one_host() {
    let app = plain(|_| {}).await;
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "Host: localhost\r\nHost: evil.example\r\n", 400),
        ("1.1", "Host: localhost\r\n", 200),
        ("1.0", "", 200),
    ] {
        let head = format!("GET /healthz HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        let answer = ask(app.http, &head).await;
        let error = if status == 400 { "bad_request" } else { "" };
        answer.assert_is(status, error);
        assert_protected(&answer);
    }
}

#[tokio::test]
async fn a_form_that_does_not_arrive_is_given_up() {
    let app = plain(|limits| limits.body = SHORT).await;
    let mut connection = connect(app.http).await;
    let head = format!("{HEAD}Content-Length: 40\r\n\r\nemail=foo");
    connection.write_all(head.as_bytes()).await.unwrap();
    let slow = answer(&until_closed(&mut connection).await);
    slow.assert_is(408, "request_timeout");
    assert_protected(&slow);

    let mut connection = connect(app.http).await;
    let head = format!("{HEAD}Accept: text/html\r\nContent-Length: 40\r\n\r\nemail=foo");
    connection.write_all(head.as_bytes()).await.unwrap();
    let page = answer(&until_closed(&mut connection).await);
    assert_eq!(page.status, 408);
    assert!(page.body.contains("took too long to arrive"), "{page:?}");
    assert_protected(&page);
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_prolong_a_form() {
    let app = plain(|limits| limits.body = SHORT).await;
    let (mut reader, mut writer) = connect(app.http).await.into_split();
    let head = format!("{HEAD}Content-Length: 60000\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let trickle = async {
        let mut ticks = interval(SHORT / 10);
        while writer.write_all(b"a").await.is_ok() {
            ticks.tick().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        received = until_closed(&mut reader) => {
            answer(&received).assert_is(408, "request_timeout");
        }
        () = trickle => {}
    }
}

#[tokio::test]
async fn a_handler_that_hangs_is_answered_for() {
    // It waits for the rest of a form, without a limit to that.
    let app = plain(|limits| {
        limits.body = PATIENCE;
        limits.answer = SHORT;
    })
    .await;
    let mut connection = connect(app.http).await;
    let head = format!("{HEAD}Content-Length: 40\r\n\r\nemail=foo");
    connection.write_all(head.as_bytes()).await.unwrap();
    let late = answer(&until_closed(&mut connection).await);
    late.assert_is(503, "unavailable");
    assert_eq!(late.header("retry-after"), "5");
    assert_protected(&late);
}

#[tokio::test]
async fn a_slow_client_within_the_limits_is_served() {
    let app = plain(|_| {}).await;
    let body = fields(&[("email", "slow@bar.com"), ("password", "testpassword")]);
    let request = format!(
        "{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = connect(app.http).await;
    for part in request.as_bytes().chunks(20) {
        connection.write_all(part).await.unwrap();
        connection.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    answer(&until_closed(&mut connection).await).assert_is(200, "");
    app.mailed_code("slow@bar.com").await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_holds_no_connection() {
    let app = plain(|limits| limits.head = SHORT).await;
    let mut connection = connect(app.http).await;
    let head = "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    timeout(PATIENCE, connection.read_exact(&mut first))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&first, b"HTTP/1.1 404");
    until_closed(&mut connection).await;
}
