//! Bytes that nobody sends by accident, over real sockets: the same ones on every run.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use latchkey::config::TlsMode;
use latchkey_app::domain::EmailAddress;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::app::{App, EMAIL, HTML, PASSWORD, fields, send};

#[path = "../../src/mutation.rs"]
mod mutation;
use mutation::{bytes, spoiled};

const REQUESTS: usize = 200;
/// `foo@bar.com:testpassword`
const SOMEBODY: &str = "Basic Zm9vQGJhci5jb206dGVzdHBhc3N3b3Jk";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the contract lets each path answer, beside a page's own redirect.
const REGISTER: [(u16, &str); 8] = [
    (200, ""),
    (400, "bad_request"),
    (403, "cross_site"),
    (409, "email_taken"),
    (413, "too_large"),
    (415, "unsupported_media_type"),
    (422, "invalid"),
    (429, "rate_limited"),
];
const VERIFY: [(u16, &str); 10] = [
    (200, ""),
    (400, "bad_request"),
    (401, "unauthorized"),
    (403, "code_wrong"),
    (403, "cross_site"),
    (409, "already_verified"),
    (410, "code_stale"),
    (413, "too_large"),
    (415, "unsupported_media_type"),
    (429, "rate_limited"),
];

#[derive(Clone, Debug)]
struct Hostile {
    is_register: bool,
    is_page: bool,
    body: Vec<u8>,
    headers: Vec<(HeaderName, Vec<u8>)>,
}

/// The first so many values of a strategy, from a seed that never changes.
fn drawn<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn register_form() -> impl Strategy<Value = Vec<u8>> {
    let password = select(vec![PASSWORD, "pass:word & = + %", "пароль-ю", "short", ""]);
    (any::<u32>(), password).prop_map(|(number, password)| {
        let email = format!("hostile{number}@bar.com");
        fields(&[("email", &email), ("password", password)]).into_bytes()
    })
}

fn verify_form() -> impl Strategy<Value = Vec<u8>> {
    let code = select(vec!["0746", " 07-46 ", "12345678", "074"]);
    code.prop_map(|code| fields(&[("verification_code", code)]).into_bytes())
}

/// A header that is right, spoiled, or anything at all, and mostly not there.
fn header(
    name: HeaderName,
    right: &'static [&'static str],
) -> impl Strategy<Value = Vec<(HeaderName, Vec<u8>)>> {
    let right = select(right).prop_map(|right| right.as_bytes().to_vec());
    let value = prop_oneof![2 => right.clone(), 2 => spoiled(right), 1 => bytes()];
    let value = value.prop_map(|mut value| {
        // What cannot stand in a header at all is for the other test.
        value.retain(|byte| !byte.is_ascii_control());
        value
    });
    let header = value.prop_map(move |value| vec![(name.clone(), value)]);
    prop_oneof![3 => Just(Vec::new()), 2 => header]
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let headers = (
        header(
            AUTHORIZATION,
            &[SOMEBODY, SOMEBODY, "basic YTpi", "Basic YTr/"],
        ),
        header(
            HeaderName::from_static("x-forwarded-for"),
            &["198.51.100.7, 127.0.0.2", "[2001:db8::1]:4711", "unknown"],
        ),
        header(
            HeaderName::from_static("cookie"),
            &["__Host-latchkey=AAAAAAAAAAAAAAAAAAAAAA", "a=b; c"],
        ),
        header(
            HeaderName::from_static("origin"),
            &["https://localhost:8443", "null"],
        ),
        prop_oneof![
            9 => Just(vec![(CONTENT_TYPE, FORM.into())]),
            1 => header(CONTENT_TYPE, &[FORM, "application/json"]),
        ],
    );
    let form = prop_oneof![
        spoiled(register_form()).prop_map(|body| (true, body)),
        spoiled(verify_form()).prop_map(|body| (false, body)),
        (any::<bool>(), bytes()),
    ];
    (form, proptest::bool::weighted(0.2), headers).prop_map(
        |((is_register, body), is_page, (a, b, c, d, e))| Hostile {
            is_register,
            is_page,
            body,
            headers: [a, b, c, d, e].concat(),
        },
    )
}

/// Who a mail goes to when this form was accepted; read with another parser than the server's.
fn recipient(body: &[u8]) -> String {
    let (_, email) = url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "email")
        .unwrap();
    let email = EmailAddress::parse(&email).unwrap();
    format!("{}@{}", email.local_part(), email.domain())
}

#[tokio::test]
async fn whatever_is_sent_is_answered_as_the_contract_says() {
    let app = App::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    app.code_for(EMAIL, PASSWORD).await;
    let mut seen = BTreeSet::new();
    for sent in drawn(&hostile(), REQUESTS) {
        let (path, allowed) = if sent.is_register {
            ("/register", &REGISTER[..])
        } else {
            ("/verify", &VERIFY[..])
        };
        let mut request = app.request(Method::POST, path).body(sent.body.clone());
        for (name, value) in &sent.headers {
            request = request.header(name, HeaderValue::from_bytes(value).unwrap());
        }
        if sent.is_page {
            request = request.header(ACCEPT, HTML);
        }
        let answer = send(request).await;
        let status = answer.status.as_u16();
        let is_accepted = if sent.is_page {
            let is_allowed = allowed.iter().any(|(known, _)| *known == status);
            // A page's form may hold the address as well, which then can be none.
            let is_allowed = is_allowed || matches!(status, 303 | 422);
            assert!(is_allowed && status != 200, "{sent:?}: {answer:?}");
            status == 303
        } else {
            let error = answer.error();
            assert!(
                allowed.contains(&(status, error.as_str())),
                "{sent:?}: {answer:?}"
            );
            answer.assert_is(status, &error);
            status == 200
        };
        if sent.is_register && is_accepted {
            let mail = app.smtp.mail_to(&recipient(&sent.body)).await;
            assert_eq!(mail.recipients.len(), 1, "{sent:?}: {mail:?}");
        }
        seen.insert((path, status));
    }
    // That what was sent was hostile enough, and not too much so.
    for expected in [
        ("/register", 200),
        ("/register", 400),
        ("/register", 403),
        ("/register", 415),
        ("/register", 422),
        ("/verify", 400),
        ("/verify", 401),
    ] {
        assert!(seen.contains(&expected), "{expected:?} is not in {seen:?}");
    }
    let code = app.code_for("good@bar.com", PASSWORD).await;
    app.verify("good@bar.com", PASSWORD, &code)
        .await
        .assert_is(200, "");
}

/// Says all of it and hears what the server has to say in time: nothing, perhaps, for it may wait
/// for more.
async fn converse(server: SocketAddr, request: &[u8], seconds: u64) -> String {
    let mut answer = Vec::new();
    let conversation = async {
        let mut connection = TcpStream::connect(server).await?;
        connection.write_all(request).await?;
        connection.read_to_end(&mut answer).await
    };
    // A server that hangs up has answered too.
    let _ = tokio::time::timeout(Duration::from_secs(seconds), conversation).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn raw(path: &str, authorization: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
         Content-Type: {FORM}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn what_is_hardly_http_any_more_does_no_harm() {
    let app = App::start_with(|config| config.tls.mode = TlsMode::Off).await;
    let right = raw("/verify", SOMEBODY, "verification_code=0746");
    let requests = prop_oneof![4 => spoiled(Just(right.clone().into_bytes())), 1 => bytes()];
    let mut conversations = JoinSet::new();
    for request in drawn(&requests, REQUESTS) {
        let server = app.http;
        conversations.spawn(async move { (converse(server, &request, 2).await, request) });
    }
    let mut answered = 0;
    while let Some(conversation) = conversations.join_next().await {
        let (answer, request) = conversation.unwrap();
        if answer.is_empty() {
            continue;
        }
        answered += 1;
        let status = answer.split(' ').nth(1);
        let status = status.and_then(|status| status.parse::<u16>().ok());
        assert!(
            answer.starts_with("HTTP/1.") && status.is_some_and(|status| status < 500),
            "{:?}: {answer}",
            String::from_utf8_lossy(&request)
        );
    }
    assert!(answered > REQUESTS / 4, "{answered} answers");
    let answer = converse(app.http, right.as_bytes(), 20).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = converse(app.http, raw("/register", "", &form).as_bytes(), 20).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    app.smtp.mail_to(EMAIL).await;
}
