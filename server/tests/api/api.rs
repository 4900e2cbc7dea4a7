//! The JSON API, row by row of its contract.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;

use crate::app::{App, EMAIL, PASSWORD, fields, other_than, send};
use crate::smtp::{At, Fault};

#[tokio::test]
async fn sign_up_and_verify_with_the_mailed_code() {
    let app = App::start().await;
    let answer = app
        .post("/register", "password=testpassword&email=foo@bar.com")
        .await;
    answer.assert_is(200, "");
    assert_eq!(
        answer.json(),
        json!({"status": "success", "message": "The registration process has been recorded, your code was sent via email"})
    );
    assert!(!answer.sets_cookie(), "a program needs no session");
    let code = app.mailed_code(EMAIL).await;
    assert_eq!(code.len(), 4);
    let answer = app.verify(EMAIL, PASSWORD, &code).await;
    answer.assert_is(200, "");
    assert_eq!(
        answer.json(),
        json!({"status": "success", "message": "The account is now verified."})
    );
    app.verify(EMAIL, PASSWORD, &code)
        .await
        .assert_is(409, "already_verified");
}

#[tokio::test]
async fn a_claim_that_has_become_an_account_goes_by_itself() {
    let app = App::exposing_codes().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    app.claims_gone().await;
}

#[tokio::test]
async fn the_code_is_in_the_answer_only_when_exposed() {
    let app = App::exposing_codes().await;
    let answer = app.register(EMAIL, PASSWORD).await;
    assert_eq!(
        answer.json()["message"],
        "The registration process has been recorded, here is your code (also sent via email)"
    );
    assert_eq!(answer.json()["code"], app.mailed_code(EMAIL).await);
}

#[tokio::test]
async fn a_code_works_at_59_seconds_and_is_stale_at_61() {
    for (age, status, error) in [(59, 200, ""), (61, 410, "code_stale")] {
        let app = App::exposing_codes().await;
        app.register(EMAIL, PASSWORD).await;
        let code = app.mailed_code(EMAIL).await;
        app.pass(age);
        let answer = app.verify(EMAIL, PASSWORD, &code).await;
        answer.assert_is(status, error);
        if status == 410 {
            assert_eq!(
                answer.json()["message"],
                "The verification code is stale. Please retry calling /register to get a new code."
            );
        }
    }
}

#[tokio::test]
async fn a_stale_code_is_followed_by_a_new_one() {
    let app = App::start().await;
    let first = app.code_for(EMAIL, PASSWORD).await;
    app.pass(61);
    app.verify(EMAIL, PASSWORD, &first)
        .await
        .assert_is(410, "code_stale");
    let second = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &second)
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn three_wrong_codes_use_the_code_up() {
    let app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    for left in [2, 1, 0] {
        let answer = app.verify(EMAIL, PASSWORD, &other_than(&code)).await;
        answer.assert_is(403, "code_wrong");
        assert_eq!(answer.json()["attempts_left"], left);
    }
    app.verify(EMAIL, PASSWORD, &code)
        .await
        .assert_is(410, "code_stale");
}

#[tokio::test]
async fn a_code_is_forgiven_its_spaces_and_dashes() {
    let app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    let spaced = format!(" {}-{} ", &code[..2], &code[2..]);
    app.verify(EMAIL, PASSWORD, &spaced)
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn what_is_no_code_costs_no_attempt() {
    let app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    for text in ["", "12", "123", "123456789", "12a4", "abcd"] {
        let answer = app.verify(EMAIL, PASSWORD, text).await;
        answer.assert_is(400, "bad_request");
        assert!(answer.json()["fields"]["verification_code"].is_string());
    }
    for body in [
        "",
        "code=1234",
        "verification_code=1234&verification_code=1234",
    ] {
        let request = app.form("/verify", body).basic_auth(EMAIL, Some(PASSWORD));
        send(request).await.assert_is(400, "bad_request");
    }
    let answer = app.verify(EMAIL, PASSWORD, "12345").await;
    assert_eq!(
        (answer.error().as_str(), &answer.json()["attempts_left"]),
        ("code_wrong", &json!(2))
    );
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
}

#[tokio::test]
async fn nothing_is_learnt_without_the_password() {
    let app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    let strangers = [
        app.verify(EMAIL, "another password", &code).await,
        app.verify("nobody@bar.com", PASSWORD, &code).await,
        app.verify("no address", PASSWORD, &code).await,
        app.verify(EMAIL, &"x".repeat(5_000), &code).await,
        app.verify(EMAIL, "", &code).await,
    ];
    for answer in &strangers {
        answer.assert_is(401, "unauthorized");
        assert_eq!(answer.body, strangers[0].body);
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Basic realm="Latchkey", charset="UTF-8""#
        );
    }
    // None of it cost the claim an attempt.
    let answer = app.verify(EMAIL, PASSWORD, &other_than(&code)).await;
    assert_eq!(answer.json()["attempts_left"], 2);
}

#[tokio::test]
async fn authorization_is_read_strictly_but_not_pedantically() {
    let app = App::start().await;
    let password = "pass:word with spaces ";
    let code = app.code_for(EMAIL, password).await;
    let encoded = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    for header in [
        "",
        "Basic",
        "Basic ",
        "Bearer abc",
        "Basic !!!",
        &format!("Basic {}", encoded("no colon")),
        &encoded(&format!("{EMAIL}:{password}")),
    ] {
        let answer = app.verify_with_header(header, &code).await;
        answer.assert_is(401, "unauthorized");
    }
    app.post("/verify", fields(&[("verification_code", &code)]))
        .await
        .assert_is(401, "unauthorized");
    let header = format!("basic {}", encoded(&format!("FOO@Bar.com:{password}")));
    app.verify_with_header(&header, &code)
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn malformed_forms_are_refused_with_a_reason() {
    let app = App::start().await;
    let cases: [(&[u8], u16, &str); 9] = [
        (b"", 400, "bad_request"),
        (b"email=foo@bar.com", 400, "bad_request"),
        (b"password=testpassword", 400, "bad_request"),
        (
            b"email=foo@bar.com&email=foo@bar.com&password=testpassword",
            400,
            "bad_request",
        ),
        (
            b"email=foo@bar.com&password=testpassword&password=x",
            400,
            "bad_request",
        ),
        (b"email=foo@bar.com&password=100%", 400, "bad_request"),
        (
            b"email=foo@bar.com&password=%zz%zz%zz%zz",
            400,
            "bad_request",
        ),
        (
            b"email=foo@bar.com&password=\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
            400,
            "bad_request",
        ),
        (
            b"email=foo@bar.com&password=%ff%fe%fd%fc%fb%fa%f9%f8",
            400,
            "bad_request",
        ),
    ];
    for (body, status, error) in cases {
        app.post("/register", body).await.assert_is(status, error);
    }
    let large = format!("email=foo@bar.com&password={}", "x".repeat(70_000));
    app.post("/register", large)
        .await
        .assert_is(413, "too_large");
    for (content_type, body) in [
        (
            "application/json",
            r#"{"email":"foo@bar.com","password":"testpassword"}"#,
        ),
        ("multipart/form-data; boundary=x", "--x--"),
        ("text/plain", "email=foo@bar.com&password=testpassword"),
    ] {
        let request = app
            .request(Method::POST, "/register")
            .header(CONTENT_TYPE, content_type);
        send(request.body(body))
            .await
            .assert_is(415, "unsupported_media_type");
    }
    // And the server goes on.
    app.code_for(EMAIL, PASSWORD).await;
}

#[tokio::test]
async fn what_is_no_address_is_refused_beside_its_field() {
    let app = App::start().await;
    let local = "a".repeat(65);
    let long = format!(
        "{}@{}.example",
        "a".repeat(60),
        ["d".repeat(60), "d".repeat(60), "d".repeat(64)].join(".")
    );
    for email in [
        "",
        "foo",
        "foo@",
        "@bar.com",
        "foo@bar",
        "foo@@bar.com",
        "a@b@c.com",
        "foo@bar.com,evil@bar.com",
        "foo@bar.com\r\nBcc: evil@bar.com",
        "foo@bar.com\nx",
        "<foo@bar.com>",
        "foo bar@bar.com",
        "😀@bar.com",
        &format!("{local}@bar.com"),
        &long,
    ] {
        let answer = app.register(email, PASSWORD).await;
        answer.assert_is(422, "invalid");
        assert!(answer.json()["fields"]["email"].is_string(), "{email:?}");
    }
    for email in ["foo@bar.com", "o'neil+tag@bar.co.uk", "foo@bücher.example"] {
        app.register(email, PASSWORD).await.assert_is(200, "");
    }
    for email in [EMAIL, "o'neil+tag@bar.co.uk", "foo@xn--bcher-kva.example"] {
        app.smtp.mail_to(email).await;
    }
}

#[tokio::test]
async fn what_is_no_password_is_refused_beside_its_field() {
    let app = App::start().await;
    for password in [
        "",
        "short",
        "nul\0nul\0nul",
        "tab\ttab\ttab",
        "password",
        "foo@bar.com",
        &"x".repeat(1_025),
    ] {
        let answer = app.register(EMAIL, password).await;
        answer.assert_is(422, "invalid");
        assert!(
            answer.json()["fields"]["password"].is_string(),
            "{password:?}"
        );
    }
    for (number, password) in ["with:colon", " ends ends ", "пароль-ю", &"x".repeat(1_024)]
        .iter()
        .enumerate()
    {
        let email = format!("foo{number}@bar.com");
        let code = app.code_for(&email, password).await;
        app.verify(&email, password.trim(), &code).await;
        app.verify(&email, password, &code).await;
        app.verify(&email, password, &code)
            .await
            .assert_is(409, "already_verified");
    }
}

#[tokio::test]
async fn every_error_has_one_shape() {
    let app = App::start().await;
    let nowhere = app.get("/nowhere").await;
    nowhere.assert_is(404, "not_found");
    // No file can have such a name.
    let endless = format!("/{}", "a".repeat(300));
    app.get(&endless).await.assert_is(404, "not_found");
    app.post("/nowhere", "a=1")
        .await
        .assert_is(404, "not_found");
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = send(app.request(method, "/register")).await;
        answer.assert_is(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    }
    let answer = send(app.request(Method::OPTIONS, "/register")).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    let answer = send(app.request(Method::HEAD, "/nowhere")).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""));
    let page = send(
        app.request(Method::GET, "/nowhere")
            .header(ACCEPT, "text/html"),
    )
    .await;
    assert_eq!(page.status, 404);
    assert!(page.body.contains(page.header("x-request-id")), "{page:?}");
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let app = App::start().await;
    for path in ["/", "/register", "/healthz", "/nowhere", "/robots.txt"] {
        let answer = app.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline"));
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(
            answer.header("strict-transport-security"),
            "",
            "self-signed"
        );
    }
}

#[tokio::test]
async fn other_sites_cannot_post_here() {
    let app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = send(app.form("/register", body.clone()).header(name, value)).await;
        answer.assert_is(403, "cross_site");
    }
    let answer = send(
        app.form("/register", body)
            .header("origin", "https://localhost:8443"),
    )
    .await;
    answer.assert_is(200, "");
    app.mailed_code(EMAIL).await;
}

#[tokio::test]
async fn a_verified_address_is_named_only_when_that_is_allowed() {
    let open = App::exposing_codes().await;
    let code = open.code_for(EMAIL, PASSWORD).await;
    open.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    open.register(EMAIL, "another password")
        .await
        .assert_is(409, "email_taken");

    let silent = App::start().await;
    let code = silent.code_for(EMAIL, PASSWORD).await;
    silent
        .verify(EMAIL, PASSWORD, &code)
        .await
        .assert_is(200, "");
    let taken = silent.register(EMAIL, "another password").await;
    let new = silent.register("new@bar.com", "another password").await;
    assert_eq!((taken.status, &taken.body), (new.status, &new.body));
    let names = |answer: &crate::app::Answer| {
        answer
            .headers
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&taken), names(&new));
    let mail = silent.smtp.mail_to(EMAIL).await;
    let text = String::from_utf8(mail.raw).unwrap();
    assert!(text.contains("already"), "{text}");
    silent.mailed_code("new@bar.com").await;
    // And afterwards: the stranger's claim behaves like any other, and no code opens it.
    for left in [2, 1, 0] {
        let answer = silent.verify(EMAIL, "another password", "1234").await;
        answer.assert_is(403, "code_wrong");
        assert_eq!(answer.json()["attempts_left"], left);
    }
    silent
        .verify(EMAIL, "another password", "1234")
        .await
        .assert_is(410, "code_stale");
}

#[tokio::test]
async fn who_has_the_mailbox_gets_the_account_with_their_own_password() {
    let app = App::start().await;
    app.register(EMAIL, "stranger's password")
        .await
        .assert_is(200, "");
    let strangers = app.mailed_code(EMAIL).await;
    let owners = app.code_for(EMAIL, "owner's password").await;
    app.verify(EMAIL, "owner's password", &owners)
        .await
        .assert_is(200, "");
    let answer = app.verify(EMAIL, "stranger's password", &strangers).await;
    answer.assert_is(403, "code_wrong");
}

#[tokio::test]
async fn a_relay_that_is_down_fails_no_sign_up() {
    let mut app = App::start().await;
    app.smtp.go_down().await;
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    app.smtp.come_back();
    let code = app.mailed_code_in_time(EMAIL).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
}

#[tokio::test]
async fn plain_http_is_sent_on_to_https() {
    let app = App::start().await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let url = format!("http://{}/register?a=b", app.http);
    let answer = send(client.post(url).header("host", "evil.example")).await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.location(), "https://localhost:8443/register?a=b");
}

#[tokio::test]
async fn the_service_says_how_it_is_and_what_it_offers() {
    let app = App::start().await;
    app.get("/healthz").await.assert_is(200, "");
    app.get("/readyz").await.assert_is(200, "");
    let document = app.get("/openapi.json").await.json();
    for (path, statuses) in [
        (
            "/register",
            vec![
                "200", "400", "403", "408", "409", "413", "414", "415", "422", "429", "431", "500",
                "503",
            ],
        ),
        (
            "/verify",
            vec![
                "200", "400", "401", "403", "408", "409", "410", "413", "414", "415", "422", "429",
                "431", "500", "503",
            ],
        ),
        (
            "/not-me",
            vec![
                "200", "400", "403", "408", "410", "413", "414", "415", "431", "500", "503",
            ],
        ),
    ] {
        let responses = document["paths"][path]["post"]["responses"]
            .as_object()
            .unwrap();
        assert_eq!(responses.keys().collect::<Vec<_>>(), statuses);
    }
    let claim = &document["components"]["schemas"]["ClaimState"]["properties"];
    assert_eq!(
        document["paths"]["/claim"]["get"]["responses"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["200", "414", "431", "500", "503"]
    );
    let answer = app
        .fetch(
            "/register",
            &fields(&[("email", EMAIL), ("password", PASSWORD)]),
        )
        .await;
    answer.assert_is(200, "");
    app.mailed_code(EMAIL).await;
    let told = app.get("/claim").await.json()["claim"].clone();
    let names = |object: &serde_json::Value| {
        let object = object.as_object().unwrap();
        object.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&told), names(claim));
}

#[tokio::test]
async fn a_relay_that_is_away_makes_the_service_unready_and_one_bad_address_does_not() {
    let mut app = App::start().await;
    app.smtp
        .fault(At::Rcpt, Fault::Answer("450 4.2.0 greylisted"));
    app.register("put-off@bar.com", PASSWORD)
        .await
        .assert_is(200, "");
    app.mailed_code_in_time("put-off@bar.com").await;
    app.pass(601);
    app.get("/readyz").await.assert_is(200, "");
    app.smtp.go_down().await;
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    let answer = loop {
        let answer = app.get("/readyz").await;
        if answer.status != 200 {
            break answer;
        }
        // The worker tries in between, or nothing would be known for more than eight minutes.
        app.pass(240);
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    answer.assert_is(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "10");
}
