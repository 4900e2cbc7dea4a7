//! Signing in and out.

use latchkey::store::SessionRecords;
use reqwest::header::ACCEPT;
use tower_sessions::SessionStore;

use crate::app::{Answer, App, EMAIL, PASSWORD, fields, send};

/// An application with one account.
async fn app() -> App {
    app_with(|_| {}).await
}

async fn app_with(adjust: impl FnOnce(&mut latchkey::config::Config)) -> App {
    let app = App::start_with(adjust).await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    app
}

async fn login(app: &App, email: &str, password: &str) -> Answer {
    app.post(
        "/login",
        fields(&[("email", email), ("password", password)]),
    )
    .await
}

async fn welcome_with(app: &mut App, cookie: &str) -> Answer {
    app.forget_cookies();
    let request = app
        .request(reqwest::Method::GET, "/welcome")
        .header(ACCEPT, "text/html")
        .header("cookie", cookie);
    send(request).await
}

#[tokio::test]
async fn a_program_signs_in_and_out() {
    let mut app = app().await;
    let answer = login(&app, "FOO@bar.com", PASSWORD).await;
    answer.assert_is(200, "");
    let cookie = answer.session();
    let page = welcome_with(&mut app, &cookie).await;
    assert!(page.body.contains(EMAIL), "{page:?}");

    let request = app.form("/logout", "").header("cookie", &cookie);
    send(request).await.assert_is(200, "");
    app.pass(1);
    let page = welcome_with(&mut app, &cookie).await;
    assert_eq!(
        page.location(),
        "/login?needed",
        "the id is good for nothing"
    );
    app.post("/logout", "").await.assert_is(200, "");
}

#[tokio::test]
async fn an_account_that_is_deleted_and_made_anew_is_somebody_elses() {
    let mut app = app().await;
    let cookie = login(&app, EMAIL, PASSWORD).await.session();
    let sessions = SessionRecords::new(app.store());
    let (_, id) = cookie.split_once('=').unwrap();
    let mut record = sessions.load(&id.parse().unwrap()).await.unwrap().unwrap();
    app.store().delete_address(EMAIL).await.unwrap();
    // By whoever was signing in all the time.
    sessions.create(&mut record).await.unwrap();
    let page = welcome_with(&mut app, &cookie).await;
    assert_eq!(page.location(), "/register");
    app.pass(1);
    let code = app.code_for(EMAIL, "another password").await;
    let answer = app.verify(EMAIL, "another password", &code).await;
    answer.assert_is(200, "");
    let page = welcome_with(&mut app, &cookie).await;
    assert_eq!(page.location(), "/register", "{page:?}");
}

#[tokio::test]
async fn nobody_fills_the_store_with_sessions() {
    let app = app_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    app.code_for("pending@bar.com", PASSWORD).await;
    // A tag makes another account of it.
    let tagged = "foo+tag@bar.com";
    let code = app.code_for(tagged, PASSWORD).await;
    app.verify(tagged, PASSWORD, &code).await.assert_is(200, "");
    for (email, status, error) in [
        (EMAIL, 200, ""),
        (tagged, 200, ""),
        ("pending@bar.com", 409, "not_verified"),
    ] {
        let login = async || {
            let form = fields(&[("email", email), ("password", PASSWORD)]);
            let request = app.form("/login", form);
            send(request.header("x-forwarded-for", "203.0.113.9")).await
        };
        for _ in 0..60 {
            login().await.assert_is(status, error);
        }
        login().await.assert_is(429, "rate_limited");
        app.pass(61);
        login().await.assert_is(status, error);
    }
}

#[tokio::test]
async fn a_browser_signs_in_and_out() {
    let app = app().await;
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/login", &form).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/welcome")
    );
    assert_eq!(app.get("/login").await.location(), "/welcome");
    let answer = app.submit("/logout", "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/login?signed-out")
    );
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    let page = app.get("/login?signed-out").await;
    assert!(page.body.contains("You are signed out."));
}

#[tokio::test]
async fn who_signs_out_after_a_verification_leaves_no_session_behind() {
    let mut app = App::start().await;
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let before = app.submit("/register", &form).await.session();
    let code = app.mailed_code(EMAIL).await;
    let verified = app
        .submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    let after = verified.session();
    app.submit("/logout", "").await;
    for cookie in [before, after] {
        let page = welcome_with(&mut app, &cookie).await;
        assert_ne!(page.status, 200, "{page:?}");
        assert!(!page.body.contains(EMAIL));
    }
}

#[tokio::test]
async fn unknown_addresses_and_wrong_passwords_are_not_told_apart() {
    let app = app().await;
    app.code_for("pending@bar.com", PASSWORD).await;
    let mut answers = Vec::new();
    for email in [EMAIL, "pending@bar.com", "nobody@bar.com"] {
        let answer = login(&app, email, "not the password").await;
        answer.assert_is(401, "unauthorized");
        assert!(!answer.sets_cookie());
        answers.push(answer.body);
    }
    answers.push(login(&app, EMAIL, &"x".repeat(2_000)).await.body);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_sign_up_that_is_not_verified_is_led_to_its_code() {
    let mut app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    let answer = login(&app, EMAIL, PASSWORD).await;
    answer.assert_is(409, "not_verified");
    app.forget_cookies();
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/login", &form).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/verify")
    );
    let answer = app
        .submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    assert_eq!(answer.location(), "/welcome");
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_told_beside_its_field() {
    let app = app().await;
    app.post("/login", "email=foo%40bar.com")
        .await
        .assert_is(400, "bad_request");
    let empty = login(&app, EMAIL, "").await;
    empty.assert_is(400, "bad_request");
    assert!(empty.json()["fields"]["password"].is_string());
    let malformed = login(&app, "foo", PASSWORD).await;
    malformed.assert_is(422, "invalid");
    let page = app.submit("/login", "email=%22foo&password=").await;
    assert_eq!(page.status, 400);
    for part in ["&quot;foo", "email-error", "password-error", "aria-invalid"] {
        assert!(page.body.contains(part), "{part}");
    }
    assert!(
        !login(&app, "foo", "hunter2hunter2")
            .await
            .body
            .contains("hunter2")
    );
}

#[tokio::test]
async fn wrong_passwords_here_and_at_verify_come_out_of_one_budget() {
    let app = app_with(|config| {
        config.limits.failed_passwords_per_hour = 2;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from = |request: reqwest::RequestBuilder| request.header("x-forwarded-for", "203.0.113.9");
    let body = |password: &str| fields(&[("email", EMAIL), ("password", password)]);
    let wrong = app
        .form("/verify", "verification_code=0000")
        .basic_auth(EMAIL, Some("not the password"));
    send(from(wrong)).await.assert_is(401, "unauthorized");
    send(from(app.form("/login", body("not the password"))))
        .await
        .assert_is(401, "unauthorized");
    let right = send(from(app.form("/login", body(PASSWORD)))).await;
    right.assert_is(429, "rate_limited");
    assert!(!right.header("retry-after").is_empty());
    assert!(!right.sets_cookie());
    login(&app, EMAIL, PASSWORD).await.assert_is(200, "");
}
