//! The pages, as a browser without JavaScript sees them.

use reqwest::Method;
use reqwest::header::ACCEPT;

use crate::app::{Answer, App, EMAIL, PASSWORD, fields, other_than, send};

#[tokio::test]
async fn the_same_browser_needs_only_the_code() {
    let app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/register", &body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/verify")
    );
    let cookie = answer.header("set-cookie");
    for part in [
        "__Host-latchkey=",
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = app.get("/verify").await;
    assert!(page.body.contains(EMAIL));
    assert!(!page.body.contains(r#"type="password""#));
    let code = app.mailed_code(EMAIL).await;
    let wrong = app
        .submit(
            "/verify",
            &fields(&[("verification_code", &other_than(&code))]),
        )
        .await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.body.contains("2 attempts left"));
    let kept = format!(r#"value="{}""#, other_than(&code));
    assert!(!wrong.body.contains(&kept), "a wrong code is of no use");
    let before = cookie.split(';').next().unwrap().to_owned();
    let answer = app
        .submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/welcome")
    );
    assert!(
        !answer.header("set-cookie").starts_with(&before),
        "the id changes with the rights"
    );
    let page = app.get("/welcome").await;
    assert!(page.body.contains(EMAIL), "{page:?}");
    // Once more, from the browser's history.
    let answer = app
        .submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    assert_eq!(answer.location(), "/welcome");
}

#[tokio::test]
async fn another_browser_needs_address_password_and_code() {
    let mut app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    app.submit("/register", &body).await;
    let code = app.mailed_code(EMAIL).await;
    app.forget_cookies();
    let page = app.get("/verify").await;
    assert!(!page.body.contains(EMAIL));
    let answer = app
        .submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    assert_eq!(answer.status, 401);
    assert!(
        !answer.header("www-authenticate").starts_with("Basic"),
        "no password dialogue"
    );
    let form = |password: &str, code: &str| {
        fields(&[
            ("email", EMAIL),
            ("password", password),
            ("verification_code", code),
        ])
    };
    let answer = app
        .submit("/verify", &form("another password", &code))
        .await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains(EMAIL), "the address is kept");
    assert!(
        answer.body.contains(&format!(r#"value="{code}""#)),
        "so is the code, which nobody has judged"
    );
    assert!(
        !answer.body.contains("another password"),
        "the password is not echoed"
    );
    let answer = app.submit("/verify", &form(PASSWORD, "12")).await;
    assert_eq!(answer.status, 400);
    let answer = app.submit("/verify", &form(PASSWORD, &code)).await;
    assert_eq!(answer.location(), "/welcome");
}

#[tokio::test]
async fn errors_come_back_beside_their_fields_and_keep_the_address() {
    let app = App::start().await;
    let answer = app
        .submit(
            "/register",
            &fields(&[("email", "foo@bar"), ("password", "short")]),
        )
        .await;
    assert_eq!(answer.status, 422);
    for text in ["foo@bar", "email-error", "password-error", "aria-invalid"] {
        assert!(answer.body.contains(text), "{text}: {}", answer.body);
    }
    assert!(
        !answer.body.contains("short\""),
        "the password is not echoed"
    );
    let answer = app.submit("/register", "email=foo%40bar.com").await;
    assert_eq!(answer.status, 400);
    let markup = r#"<script>alert("1")</script>@bar.com"#;
    let answer = app
        .submit(
            "/register",
            &fields(&[("email", markup), ("password", PASSWORD)]),
        )
        .await;
    assert_eq!(answer.status, 422);
    assert!(!answer.body.contains("<script>alert"));
}

#[tokio::test]
async fn a_new_code_can_be_asked_for_after_the_cooldown() {
    let app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    app.submit("/register", &body).await;
    app.mailed_code(EMAIL).await;
    let answer = app.submit("/resend", "").await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "60");
    app.pass(61);
    let answer = app.fetch("/resend", "").await;
    answer.assert_is(200, "");
    assert_eq!(answer.json()["claim"]["attempts_left"], 3);
    let code = app.mailed_code(EMAIL).await;
    let answer = app
        .fetch("/verify", &fields(&[("verification_code", &code)]))
        .await;
    answer.assert_is(200, "");
}

#[tokio::test]
async fn who_has_no_account_is_not_welcomed() {
    let app = App::start().await;
    let answer = app.get("/welcome").await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/login?needed")
    );
    let answer = app.submit("/resend", "").await;
    assert_eq!(answer.status, 410);
}

#[tokio::test]
async fn a_page_lets_nothing_run_but_its_own_scripts() {
    let app = App::start().await;
    let page = send(
        app.request(Method::GET, "/register")
            .header(ACCEPT, "text/html"),
    )
    .await;
    let nonce = nonce_of(&page);
    assert!(page.body.contains(&format!(r#"nonce="{nonce}""#)));
    for script in page.body.split("<script").skip(1) {
        assert!(
            script.split('>').next().unwrap().contains(nonce),
            "{script}"
        );
    }
    assert!(!page.body.contains("style="), "no inline style");
    // Drawn once, with a nonce for each answer.
    let again = app.get("/register").await;
    assert!(!again.body.contains(nonce), "a nonce is used once");
    assert_eq!(again.body.replace(nonce_of(&again), nonce), page.body);
    // An address with a query is a page of its own, for the form at its foot leads back there.
    let asked = app.get("/register?from=mail").await;
    assert!(asked.body.contains(r#"value="/register?from=mail""#));
    assert!(!again.body.contains("from=mail"));
}

fn nonce_of(page: &Answer) -> &str {
    let policy = page.header("content-security-policy");
    let (_, nonce) = policy.split_once("'nonce-").unwrap();
    nonce.split('\'').next().unwrap()
}

#[tokio::test]
async fn files_are_served_and_nothing_beside_them() {
    let app = App::start().await;
    let answer = app.get("/robots.txt").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, "User-agent: *\n")
    );
    for path in [
        "/../data/secret.key",
        "/%2e%2e/data/secret.key",
        "/pkg/nothing.js",
    ] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_page_about_an_earlier_sign_up_spends_nothing_of_the_next() {
    let app = App::start().await;
    let reference = async |email: &str| {
        let body = fields(&[("email", email), ("password", PASSWORD)]);
        app.submit("/register", &body).await;
        let page = app.get("/verify").await.body;
        let field = page.split(r#"name="reference" value=""#).nth(1).unwrap();
        field.split('"').next().unwrap().to_owned()
    };
    let first = reference("first@bar.com").await;
    let second = reference("second@bar.com").await;
    let code = app.mailed_code("first@bar.com").await;
    let form = |reference: &str, code: &str| {
        fields(&[("reference", reference), ("verification_code", code)])
    };
    let answer = app.fetch("/verify", &form(&first, &code)).await;
    answer.assert_is(409, "other_sign_up");
    let code = app.mailed_code("second@bar.com").await;
    let answer = app
        .fetch("/verify", &form(&second, &other_than(&code)))
        .await;
    assert_eq!(answer.json()["attempts_left"], 2);
    app.fetch("/verify", &form(&second, &code))
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn a_double_click_is_welcomed_twice() {
    let mut app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/register", &body).await;
    let cookie = answer.session();
    let code = app.mailed_code(EMAIL).await;
    app.forget_cookies();
    // Both clicks carry the cookie that the first answer replaces.
    for click in ["first", "second"] {
        let request = app
            .form("/verify", fields(&[("verification_code", &code)]))
            .header(ACCEPT, "text/html")
            .header("cookie", &cookie);
        let answer = send(request).await;
        assert_eq!(answer.location(), "/welcome", "{click}: {answer:?}");
        assert!(
            !answer.header("set-cookie").contains("Max-Age=0"),
            "{click}: {answer:?}"
        );
        app.forget_cookies();
    }
}

#[tokio::test]
async fn two_clicks_at_once_are_welcomed_both() {
    let mut app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/register", &body).await;
    let cookie = answer.session();
    let code = app.mailed_code(EMAIL).await;
    app.forget_cookies();
    let click = || {
        let form = app.form("/verify", fields(&[("verification_code", &code)]));
        send(form.header(ACCEPT, "text/html").header("cookie", &cookie))
    };
    let (first, second) = tokio::join!(click(), click());
    assert_eq!(first.location(), "/welcome", "{first:?}");
    assert_eq!(second.location(), "/welcome", "{second:?}");
}

/// As after an answer that got lost before it reached the browser.
#[tokio::test]
async fn a_session_whose_sign_up_is_verified_is_signed_in_by_that_code_alone() {
    let mut app = App::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/register", &body).await;
    let cookie = answer.session();
    let code = app.mailed_code(EMAIL).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    let mut click = async |code: &str| {
        app.forget_cookies();
        let form = app.form("/verify", fields(&[("verification_code", code)]));
        let form = form.header(ACCEPT, "text/html").header("cookie", &cookie);
        send(form.header("x-forwarded-for", "203.0.113.9")).await
    };
    assert_eq!(click(&code).await.location(), "/welcome");
    // Nobody finds the code so, or has sessions without end.
    for _ in 0..59 {
        let wrong = click(&other_than(&code)).await;
        assert_eq!(wrong.location(), "/login?verified");
    }
    assert_eq!(click(&code).await.status, 429);
}

#[tokio::test]
async fn an_id_that_was_replaced_opens_nothing_without_the_code_and_not_for_long() {
    let mut app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/register", &body).await;
    let cookie = answer.session();
    let code = app.mailed_code(EMAIL).await;
    app.submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    app.submit("/logout", "").await;
    let verify = async |app: &mut App, code: &str| {
        app.forget_cookies();
        let request = app
            .form("/verify", fields(&[("verification_code", code)]))
            .header(ACCEPT, "text/html")
            .header("cookie", &cookie);
        send(request).await
    };
    let wrong = verify(&mut app, &other_than(&code)).await;
    assert_eq!(wrong.location(), "/login?verified", "{wrong:?}");
    assert!(!wrong.sets_cookie());
    // A click every now and then keeps it no longer than the first one.
    for seconds in [0, 20] {
        app.pass(seconds);
        let right = verify(&mut app, &code).await;
        assert_eq!(right.location(), "/welcome", "{seconds} s: {right:?}");
    }
    app.pass(11);
    let late = verify(&mut app, &code).await;
    assert_ne!(late.location(), "/welcome", "{late:?}");
}

/// Its answer can come after the one that brings the browser its new id.
#[tokio::test]
async fn a_tab_that_asks_with_a_former_id_does_not_make_the_browser_forget_the_new_one() {
    let mut app = App::start().await;
    let code = app.code_for(EMAIL, PASSWORD).await;
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    app.code_for("pending@bar.com", PASSWORD).await;
    for (i, (path, email, status)) in [
        ("/register", "second@bar.com", 200),
        ("/login", "pending@bar.com", 409),
        ("/login", EMAIL, 200),
    ]
    .into_iter()
    .enumerate()
    {
        let first = format!("first{i}@bar.com");
        app.forget_cookies();
        let mut cookies = Vec::new();
        for (path, email, status) in [("/register", first.as_str(), 200), (path, email, status)] {
            let answer = app
                .fetch(path, &fields(&[("email", email), ("password", PASSWORD)]))
                .await;
            assert_eq!(answer.status, status, "{path}, {email}: {answer:?}");
            if path == "/register" {
                app.mailed_code(email).await;
            }
            cookies.push(answer.session());
        }
        app.forget_cookies();
        let request = app.request(Method::GET, "/claim");
        let looks = send(request.header("cookie", &cookies[0])).await;
        assert!(!looks.sets_cookie(), "{path}, {email}: {looks:?}");
        assert_ne!(cookies[0], cookies[1]);
    }
}

#[tokio::test]
async fn who_has_an_account_by_now_is_led_to_it() {
    let app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    app.submit("/register", &body).await;
    let code = app.mailed_code(EMAIL).await;
    app.submit("/verify", &fields(&[("verification_code", &code)]))
        .await;
    // From another tab, or the browser's history.
    let other = fields(&[("email", "other@bar.com")]);
    for (path, form) in [
        ("/verify", fields(&[("verification_code", &code)])),
        ("/resend", String::new()),
        ("/correct", other),
    ] {
        let answer = app.submit(path, &form).await;
        assert_eq!(answer.location(), "/welcome", "{path}: {answer:?}");
        let answer = app.fetch(path, &form).await;
        answer.assert_is(409, "already_verified");
    }
}

/// The reference of the sign-up that this browser has under way, from its page.
async fn reference(app: &App) -> String {
    let page = app.get("/verify").await.body;
    let field = page.split(r#"name="reference" value=""#).nth(1).unwrap();
    field.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_mistyped_address_is_corrected_without_the_password() {
    let mut app = App::start().await;
    let body = fields(&[("email", "typo@bar.com"), ("password", PASSWORD)]);
    app.submit("/register", &body).await;
    let first = app.mailed_code("typo@bar.com").await;
    let old = reference(&app).await;
    let form = |email: &str, reference: &str| fields(&[("email", email), ("reference", reference)]);
    let same = app.fetch("/correct", &form("TYPO@bar.com", &old)).await;
    same.assert_is(422, "invalid");
    let malformed = app.submit("/correct", &form("foo@bar", &old)).await;
    assert_eq!(malformed.status, 422);
    assert!(malformed.body.contains("email-error") && malformed.body.contains("foo@bar"));

    let answer = app.submit("/correct", &form(EMAIL, &old)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/verify")
    );
    // A double click.
    let again = app.submit("/correct", &form(EMAIL, &old)).await;
    assert_eq!(again.location(), "/verify");
    let code = app.mailed_code(EMAIL).await;
    let page = app.get("/verify").await;
    assert!(page.body.contains(EMAIL) && !page.body.contains("typo@"));
    app.verify("typo@bar.com", PASSWORD, &first)
        .await
        .assert_is(401, "unauthorized");

    // Another device has the address, the password and the code.
    app.forget_cookies();
    app.verify(EMAIL, "not the password", &code)
        .await
        .assert_is(401, "unauthorized");
    app.verify(EMAIL, PASSWORD, &code).await.assert_is(200, "");
    for _ in 0..2 {
        let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
        app.post("/login", form).await.assert_is(200, "");
    }
}

#[tokio::test]
async fn a_former_id_corrects_nothing_and_knows_what_was_corrected_but_not_for_long() {
    let mut app = App::start().await;
    let sign_up = async |app: &App, email: &str| {
        let form = fields(&[("email", email), ("password", PASSWORD)]);
        let cookie = app.fetch("/register", &form).await.session();
        app.mailed_code(email).await;
        cookie
    };
    let former = sign_up(&app, "first@bar.com").await;
    let of_first = reference(&app).await;
    let second = sign_up(&app, "second@bar.com").await;
    let of_second = reference(&app).await;
    let correct = async |app: &mut App, cookie: &str, email: &str, reference: &str| {
        app.forget_cookies();
        let form = fields(&[("email", email), ("reference", reference)]);
        let request = app.form("/correct", form).header("cookie", cookie);
        send(request.header("sec-fetch-site", "same-origin")).await
    };
    let refused = correct(&mut app, &former, "other@bar.com", &of_first).await;
    refused.assert_is(409, "other_sign_up");
    assert!(!refused.sets_cookie(), "{refused:?}");
    let done = correct(&mut app, &second, EMAIL, &of_second).await;
    done.assert_is(200, "");
    app.mailed_code(EMAIL).await;
    let third = done.session();
    assert_ne!(third, second);

    for (cookie, email) in [
        (&former, "first@bar.com"),
        (&second, EMAIL),
        (&third, EMAIL),
    ] {
        let mut look = async || {
            app.forget_cookies();
            send(app.request(Method::GET, "/claim").header("cookie", cookie)).await
        };
        let answer = look().await;
        assert_eq!(answer.json()["claim"]["email"], email, "{answer:?}");
        assert!(!answer.sets_cookie(), "{answer:?}");
    }
    app.pass(31);
    for (cookie, is_current) in [(former, false), (second, false), (third, true)] {
        app.forget_cookies();
        let answer = send(app.request(Method::GET, "/claim").header("cookie", cookie)).await;
        assert_eq!(answer.json()["claim"].is_object(), is_current, "{answer:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_the_password_is_no_correction() {
    for password in ["somebody", "Somebody@bar.com", "somebody@bar.com"] {
        let app = App::start_with(|config| {
            config.limits.sign_ups_per_hour = 2;
            config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        })
        .await;
        let send_form = async |path: &str, form: &[(&str, &str)]| {
            let request = app
                .form(path, fields(form))
                .header(ACCEPT, "application/json")
                .header("sec-fetch-site", "same-origin")
                .header("x-forwarded-for", "203.0.113.9");
            send(request).await
        };
        let typo = [("email", "sombody@bar.com"), ("password", password)];
        send_form("/register", &typo).await.assert_is(200, "");
        app.mailed_code("sombody@bar.com").await;
        let right = [("email", "Somebody@bar.com")];
        let refused = send_form("/correct", &right).await;
        refused.assert_is(422, "invalid");
        let sentence = refused.json()["fields"]["email"].to_string();
        assert!(sentence.contains("Your password is this address"));
        // The sign-up stands as it was, and the question has had its price.
        assert!(app.get("/verify").await.body.contains("sombody@bar.com"));
        let other = send_form("/correct", &[("email", "other@bar.com")]).await;
        other.assert_is(429, "rate_limited");
    }
}

#[tokio::test]
async fn only_the_browser_of_a_sign_up_corrects_it() {
    let mut app = App::start().await;
    app.fetch("/correct", "email=foo%40bar.com")
        .await
        .assert_is(410, "code_stale");
    app.code_for(EMAIL, PASSWORD).await;
    app.forget_cookies();
    app.post("/correct", "email=other%40bar.com")
        .await
        .assert_is(410, "code_stale");
    let body = fields(&[("email", EMAIL), ("password", "another password")]);
    app.submit("/register", &body).await;
    app.mailed_code(EMAIL).await;
    let other = fields(&[("email", "other@bar.com"), ("reference", "0000")]);
    app.fetch("/correct", &other)
        .await
        .assert_is(409, "other_sign_up");
}

#[tokio::test]
async fn a_correction_costs_what_a_sign_up_costs_and_tells_as_little() {
    let mut app = App::start_with(|config| {
        config.limits.sign_ups_per_hour = 3;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let code = app.code_for("taken@bar.com", PASSWORD).await;
    app.verify("taken@bar.com", PASSWORD, &code)
        .await
        .assert_is(200, "");
    app.forget_cookies();
    let send_from = async |app: &App, path: &str, body: String| {
        let request = app
            .form(path, body)
            .header(ACCEPT, "application/json")
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", "203.0.113.9");
        send(request).await
    };
    let form = fields(&[("email", EMAIL), ("password", "another password")]);
    send_from(&app, "/register", form).await.assert_is(200, "");
    app.mailed_code(EMAIL).await;
    for email in ["taken@bar.com", "free@bar.com"] {
        let answer = send_from(&app, "/correct", fields(&[("email", email)])).await;
        answer.assert_is(200, "");
        assert_eq!(answer.json()["claim"]["email"], email);
        app.smtp.mail_to(email).await;
    }
    app.mail_settled().await;
    let spent = send_from(&app, "/correct", fields(&[("email", "more@bar.com")])).await;
    spent.assert_is(429, "rate_limited");
    assert!(app.get("/verify").await.body.contains("free@bar.com"));
}
