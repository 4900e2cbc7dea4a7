//! Budgets, as somebody meets them who has spent one.

use latchkey::config::Config;
use reqwest::RequestBuilder;
use reqwest::header::ACCEPT;

use crate::app::{Answer, App, EMAIL, PASSWORD, fields, send};

/// Behind a proxy on this machine, so that a test can come from any network.
async fn app(adjust: impl FnOnce(&mut Config)) -> App {
    App::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        adjust(config);
    })
    .await
}

trait Forwarded {
    /// As the proxy says where a request comes from.
    fn forwarded_for(self, address: &str) -> Self;
}

impl Forwarded for RequestBuilder {
    fn forwarded_for(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }
}

async fn register(app: &App, email: &str, network: &str) -> Answer {
    let body = fields(&[("email", email), ("password", PASSWORD)]);
    send(app.form("/register", body).forwarded_for(network)).await
}

async fn try_password(app: &App, password: &str, network: &str) -> Answer {
    let request = app.form("/verify", fields(&[("verification_code", "1234")]));
    send(
        request
            .basic_auth(EMAIL, Some(password))
            .forwarded_for(network),
    )
    .await
}

#[tokio::test]
async fn a_spent_budget_is_429_with_an_honest_retry_after() {
    let app = app(|config| config.limits.sign_ups_per_hour = 2).await;
    for email in ["a@bar.com", "b@bar.com"] {
        register(&app, email, "203.0.113.1")
            .await
            .assert_is(200, "");
        app.mailed_code(email).await;
    }
    let answer = register(&app, "c@bar.com", "203.0.113.1").await;
    answer.assert_is(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "1800");
    assert_eq!(
        answer.json()["message"],
        "Too many sign-ups came from your network. Please try again in 30 minutes."
    );
    // What stands left of the proxy's own word can be written by anybody.
    register(&app, "c@bar.com", "198.51.100.1, 203.0.113.1")
        .await
        .assert_is(429, "rate_limited");
    register(&app, "c@bar.com", "203.0.113.2")
        .await
        .assert_is(200, "");
    app.mailed_code("c@bar.com").await;
    app.pass(1_799);
    register(&app, "d@bar.com", "203.0.113.1")
        .await
        .assert_is(429, "rate_limited");
    app.pass(1);
    register(&app, "d@bar.com", "203.0.113.1")
        .await
        .assert_is(200, "");
    app.mailed_code("d@bar.com").await;
}

#[tokio::test]
async fn the_page_says_when_to_come_back_and_keeps_the_address() {
    let app = app(|config| config.limits.sign_ups_per_hour = 1).await;
    register(&app, EMAIL, "203.0.113.1")
        .await
        .assert_is(200, "");
    app.mailed_code(EMAIL).await;
    let body = fields(&[("email", "somebody@bar.com"), ("password", PASSWORD)]);
    let request = app.form("/register", body).header(ACCEPT, "text/html");
    let page = send(request.forwarded_for("203.0.113.1")).await;
    assert_eq!(page.status, 429);
    assert_eq!(page.header("retry-after"), "3600");
    for text in ["Please try again in 60 minutes.", "somebody@bar.com"] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains(PASSWORD));
}

#[tokio::test]
async fn the_budget_of_wrong_passwords_comes_before_everything_else() {
    let app = app(|config| config.limits.failed_passwords_per_hour = 2).await;
    for _ in 0..2 {
        try_password(&app, "wrong password", "203.0.113.1")
            .await
            .assert_is(401, "unauthorized");
    }
    let answers = [
        try_password(&app, "wrong password", "203.0.113.1").await,
        send(app.form("/verify", "").forwarded_for("203.0.113.1")).await,
        send(
            app.form("/verify", "verification_code=12")
                .header("authorization", "Bearer x")
                .forwarded_for("203.0.113.1"),
        )
        .await,
    ];
    for answer in &answers {
        answer.assert_is(429, "rate_limited");
        assert_eq!(answer.header("retry-after"), "1800");
        assert_eq!(answer.body, answers[0].body);
    }
    // The form of another browser too, and nobody else.
    let body = fields(&[
        ("email", EMAIL),
        ("password", PASSWORD),
        ("verification_code", "1234"),
    ]);
    let request = app.form("/verify", body).header(ACCEPT, "text/html");
    let page = send(request.forwarded_for("203.0.113.1")).await;
    assert_eq!(page.status, 429);
    assert!(
        page.body.contains("Please try again in 30 minutes."),
        "{}",
        page.body
    );
    try_password(&app, "wrong password", "203.0.113.2")
        .await
        .assert_is(401, "unauthorized");
}

#[tokio::test]
async fn who_signed_up_here_goes_on_though_the_network_guessed_too_much() {
    let app = app(|config| config.limits.failed_passwords_per_hour = 1).await;
    let form = |path: &str, body: &str| {
        app.form(path, body.to_owned())
            .header(ACCEPT, "text/html")
            .forwarded_for("203.0.113.1")
    };
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    assert_eq!(send(form("/register", &body)).await.location(), "/verify");
    let code = app.mailed_code(EMAIL).await;
    let other = "somebody@bar.com";
    let request = app
        .form("/verify", "verification_code=1234")
        .basic_auth(other, Some("wrong password"));
    send(request.forwarded_for("203.0.113.1"))
        .await
        .assert_is(401, "unauthorized");
    try_password(&app, PASSWORD, "203.0.113.1")
        .await
        .assert_is(429, "rate_limited");
    let body = fields(&[("verification_code", &code)]);
    assert_eq!(send(form("/verify", &body)).await.location(), "/welcome");
}

#[tokio::test]
async fn a_page_asks_for_a_long_code_where_the_address_has_them() {
    let app = app(|config| config.limits.wrong_codes = 1).await;
    register(&app, EMAIL, "203.0.113.1")
        .await
        .assert_is(200, "");
    let code = app.mailed_code(EMAIL).await;
    let guess = |code: &str| {
        let request = app.form("/verify", fields(&[("verification_code", code)]));
        request
            .basic_auth(EMAIL, Some(PASSWORD))
            .forwarded_for("203.0.113.1")
    };
    let wrong = crate::app::other_than(&code);
    send(guess(&wrong)).await.assert_is(403, "code_wrong");
    send(guess(&code)).await.assert_is(410, "code_stale");
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let request = app.form("/register", body).header(ACCEPT, "text/html");
    send(request.forwarded_for("203.0.113.1")).await;
    let page = app.get("/verify").await;
    assert!(page.body.contains("8 digits"), "{}", page.body);
    let code = app.mailed_code(EMAIL).await;
    assert_eq!(code.len(), 8);
    send(guess(&code)).await.assert_is(200, "");
}
