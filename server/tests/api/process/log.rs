//! What the log tells, and what it never does.

use std::collections::HashMap;

use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::child::{Folder, Server};
use super::cookie;
use crate::app::{fields, send};

#[tokio::test]
async fn the_log_tells_of_every_request_and_holds_no_secret() {
    let folder = Folder::new();
    let mut server = folder
        .server(|command| {
            command
                .env("LATCHKEY_LOG__LEVEL", "trace")
                // Long enough not to stand in a log by chance.
                .env("LATCHKEY_CODE__DIGITS", "8");
        })
        .await;
    let mut secrets = Vec::new();
    let mut answered = HashMap::new();

    let code = server
        .code_for("some-body@bar.com", "secret-of-somebody")
        .await;
    server.child.has_logged("mail taken").await;
    for (request, status) in hostile_requests(&server, &code) {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answered.insert(answer.header("x-request-id").to_owned(), status);
        let set = answer.header("set-cookie");
        if !set.is_empty() {
            secrets.push(cookie(set).rsplit('=').next().unwrap().to_owned());
        }
    }
    assert!(secrets.len() >= 3, "sessions were given: {secrets:?}");
    secrets.extend(
        [
            code.as_str(),
            "secret",
            "some-body",
            "some%2dbody",
            "c29tZS1ib2R5", // base64 of the address, as Authorization has it
            "87654321",
            "guess",
        ]
        .map(str::to_owned),
    );

    let ended = server.stop().await;
    for line in ended.stderr.lines() {
        let mut event: Value = serde_json::from_str(line).expect("each line is JSON");
        if event["message"] == "answered" {
            let id = event["span"]["id"].as_str().unwrap();
            if let Some(status) = answered.remove(id) {
                assert_eq!(event["status"], status);
            }
        }
        // Numbers that may hold any digits.
        for key in ["timestamp", "milliseconds"] {
            event[key].take();
        }
        event["span"]["id"].take();
        let line = event.to_string().to_lowercase();
        for secret in &secrets {
            assert!(!line.contains(&secret.to_lowercase()), "{secret}: {line}");
        }
    }
    assert!(answered.is_empty(), "not in the log: {answered:?}");
}

#[tokio::test]
async fn the_audit_log_has_an_event_for_each_outcome() {
    let folder = Folder::new();
    let mut server = folder
        .server(|command| {
            command
                .env("LATCHKEY_TRUSTED_PROXIES", "127.0.0.1")
                .env("LATCHKEY_LIMITS__FAILED_PASSWORDS_PER_HOUR", "1")
                .env("LATCHKEY_LIMITS__SIGN_UPS_PER_HOUR", "2");
        })
        .await;
    let from = |request: RequestBuilder| request.header("x-forwarded-for", "203.0.113.7");
    let register = |email: &str| {
        let body = fields(&[("email", email), ("password", "testpassword")]);
        from(server.post("/register", body))
    };
    let verify = |password: &str, code: &str| {
        let request = server.post("/verify", fields(&[("verification_code", code)]));
        from(request.basic_auth("somebody@bar.com", Some(password)))
    };
    let answer = send(register("somebody@bar.com")).await;
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    for (request, status) in [
        (verify("testpassword", &crate::app::other_than(&code)), 403),
        (verify("testpassword", &code), 200),
        (verify("testpassword", &code), 409),
        (verify("wrong password", &code), 401),
        (verify("testpassword", &code), 429),
        (register("somebody@bar.com"), 409),
        (register("other@bar.com"), 429),
    ] {
        assert_eq!(send(request).await.status, status);
    }
    server.child.has_logged("code_sent").await;
    let ended = server.stop().await;
    let mut told = Vec::new();
    for line in ended.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["target"] != "latchkey::audit" {
            continue;
        }
        let name = event["event"].as_str().unwrap();
        if let Some(email) = event["email"].as_str() {
            assert_eq!(
                email,
                if email.starts_with('o') {
                    "o…@bar.com"
                } else {
                    "s…@bar.com"
                }
            );
        }
        if name == "code_sent" {
            continue; // Whenever the worker comes to it.
        }
        assert_eq!(event["network"], "203.0.113.7/32", "{event}");
        assert_eq!(event["span"]["id"].as_str().unwrap().len(), 16, "{event}");
        let reason = event["reason"].as_str().unwrap_or_default();
        told.push(format!("{name} {reason}").trim_end().to_owned());
    }
    assert_eq!(
        told,
        [
            "registered",
            "code_wrong",
            "verified",
            "verify_refused already_verified",
            "verify_refused unauthorized",
            "verify_refused rate_limited",
            "sign_up_refused email_taken",
            "sign_up_refused rate_limited",
        ]
    );
}

/// Bad input of every kind, and good input that must not be logged either, with the status that
/// it is answered with. All addresses hold `some-body`, all passwords `secret`.
fn hostile_requests(server: &Server, code: &str) -> Vec<(RequestBuilder, u16)> {
    let form = |email: &str, password: &str| fields(&[("email", email), ("password", password)]);
    let (email, password) = ("some-body@bar.com", "secret-of-somebody");
    let good = form(email, password);
    let mut registers: Vec<(Vec<u8>, u16)> = vec![
        (b"".into(), 400),
        (fields(&[("email", email)]).into(), 400),
        (fields(&[("password", password)]).into(), 400),
        (format!("{good}&{good}").into(), 400),
        (format!("{good}&password=secret").into(), 400),
        (form("", password).into(), 422),
        (form(email, "").into(), 422),
        (form(email, "secret").into(), 422),
        (format!("{good}{}", "x".repeat(65_536)).into(), 413),
        (format!("{good}%").into(), 400),
        (format!("{good}%zz").into(), 400),
        (format!("{good}%ff").into(), 400),
        ([good.as_bytes(), b"\xff"].concat(), 400),
    ];
    for address in [
        "some-body@bar.com\r\nBcc: some-body@evil.example",
        "some-body@bar.com,some-body@evil.example",
        "some-body@bar@com",
        &format!("some-body{}@bar.com", "x".repeat(56)),
        &format!("some-body@{}com", "bar.".repeat(61)),
        "some-body-😀@bar.com",
        "some-body",
        &"some-body".repeat(1_000),
    ] {
        registers.push((form(address, password).into(), 422));
    }
    for password in ["nul\0secret", &format!("secret{}", "x".repeat(1_019))] {
        registers.push((form(email, password).into(), 422));
    }
    for (address, password) in [
        ("some-body@bücher.example", password),
        ("some-body.colon@bar.com", "secret:with:colons"),
        ("some-body.ends@bar.com", " secret with spaces "),
    ] {
        registers.push((form(address, password).into(), 200));
    }

    let guess = |code: &str| server.post("/verify", fields(&[("verification_code", code)]));
    // Before there is a session that would answer for it.
    let mut requests = vec![(guess(code), 401)];
    for (body, status) in registers {
        requests.push((server.post("/register", body.clone()), status));
        let page = server.post("/register", body).header(ACCEPT, "text/html");
        requests.push((page, if status == 200 { 303 } else { status }));
    }
    let json = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
    let is_json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = server.post("/register", json);
    requests.push((request.headers(HeaderMap::from_iter([is_json])), 415));

    let from_page = guess("87654321").header("sec-fetch-site", "same-origin");
    requests.push((from_page, 403));
    for authorization in [
        &b"Bearer secret"[..],
        b"Digest username=some-body, response=secret",
        b"Basic",
        b"Basic !!!secret!!!",
        b"Basic c29tZS1ib2R5QGJhci5jb20", // some-body@bar.com, no colon
        b"Basic \xff\xfesecret",
    ] {
        let authorization = HeaderValue::from_bytes(authorization).unwrap();
        requests.push((guess(code).header(AUTHORIZATION, authorization), 401));
    }
    for (email, password) in [
        (email, "secret-of-somebody-else"),
        ("some-body@evil.example", password),
        ("some-body\r\n@bar.com", password),
        (email, "nul\0secret"),
        (email, &*format!("secret{}", "x".repeat(5_000))),
    ] {
        requests.push((guess(code).basic_auth(email, Some(password)), 401));
    }
    for (typed, status) in [
        ("", 400),
        ("876", 400),
        ("876543210", 400),
        ("guess876", 400),
        ("87654321", 403),
        ("8765-4321", 403),
    ] {
        requests.push((
            guess(typed).basic_auth(email, Some(password)),
            // Once in a hundred million the guess is right.
            if code == "87654321" { 200 } else { status },
        ));
    }
    requests.push((
        server
            .post(
                "/verify",
                format!("verification_code={code}&verification_code={code}"),
            )
            .basic_auth(email, Some(password)),
        400,
    ));
    let no_link = fields(&[("token", "secret-secret-secret-secret")]);
    requests.push((server.post("/not-me", no_link), 410));
    requests.push((server.get("/not-me?t=secret-secret-secret-secret"), 410));
    let query = form(email, password);
    requests.push((
        server.get(&format!("/verify?{query}&verification_code={code}")),
        200,
    ));
    // c29tZS1ib2R5 begins the base64 of this address.
    let lower_case = "basic c29tZS1ib2R5QGJhci5jb206c2VjcmV0LW9mLXNvbWVib2R5";
    let spaced = format!(" {} {}-{} ", &code[..2], &code[2..4], &code[4..]);
    requests.push((guess(&spaced).header(AUTHORIZATION, lower_case), 200));
    requests
}
