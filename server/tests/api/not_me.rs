//! "This was not me": the link in a mail, and what it stops.

use reqwest::Method;
use reqwest::header::ACCEPT;

use crate::app::{Answer, App, EMAIL, PASSWORD, fields, send};
use crate::smtp::Received;

/// What the link in a mail leads to.
fn link(mail: &Received) -> String {
    let text = mail.text();
    let line = text.lines().find(|line| line.contains("/not-me?t="));
    let url = line.unwrap_or_else(|| panic!("no link in {text}"));
    url.split_once("localhost:8443").unwrap().1.to_owned()
}

fn token(link: &str) -> &str {
    link.split_once("t=").unwrap().1
}

async fn open(app: &App, link: &str) -> Answer {
    send(app.request(Method::GET, link).header(ACCEPT, "text/html")).await
}

async fn disown(app: &App, link: &str) -> Answer {
    app.post("/not-me", fields(&[("token", token(link))])).await
}

/// As if from this client, behind a proxy that is trusted.
async fn register_from(app: &App, client: &str, email: &str, password: &str) {
    let form = fields(&[("email", email), ("password", password)]);
    let request = app.form("/register", form);
    send(request.header("x-forwarded-for", client))
        .await
        .assert_is(200, "");
}

async fn behind_a_proxy() -> App {
    App::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.address_mails_per_site_per_day = 10;
    })
    .await
}

#[tokio::test]
async fn following_the_link_changes_nothing_and_the_form_behind_it_stops_the_sign_up() {
    let app = App::start().await;
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    let mail = app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    let link = link(&mail);
    // A scanner of mail follows links, and so does the person in front of it.
    for _ in 0..3 {
        let page = open(&app, &link).await;
        assert_eq!(page.status, 200, "{page:?}");
        let reference = mail.text();
        let reference = reference
            .lines()
            .find_map(|line| line.strip_prefix("Reference: "))
            .unwrap();
        for text in [
            reference,
            r#"method="post""#,
            r#"action="/not-me""#,
            token(&link),
        ] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert!(!page.body.contains(EMAIL), "the address is masked");
        assert!(!page.sets_cookie());
        let head = send(app.request(Method::HEAD, &link)).await;
        assert_eq!(head.status, 200);
    }
    let other_site = app
        .form("/not-me", fields(&[("token", token(&link))]))
        .header("sec-fetch-site", "cross-site");
    send(other_site).await.assert_is(403, "cross_site");

    let answer = app
        .submit("/not-me", &fields(&[("token", token(&link))]))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/not-me?done")
    );
    let page = open(&app, answer.location()).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("It is stopped"), "{page:?}");
    // Once.
    let page = open(&app, &link).await;
    assert_eq!(page.status, 410);
    assert!(page.body.contains("There is nothing to stop"));
    disown(&app, &link).await.assert_is(410, "link_stale");
    let answer = app
        .submit("/not-me", &fields(&[("token", token(&link))]))
        .await;
    assert_eq!(answer.status, 410);
    assert!(answer.body.contains("There is nothing to stop"));
    // From outside the code is a wrong one, like that of a decoy.
    for left in [2, 1, 0] {
        let answer = app.verify(EMAIL, PASSWORD, &mail.code()).await;
        answer.assert_is(403, "code_wrong");
        assert_eq!(answer.json()["attempts_left"], left);
    }
    app.verify(EMAIL, PASSWORD, &mail.code())
        .await
        .assert_is(410, "code_stale");
}

#[tokio::test]
async fn a_link_that_no_mail_of_ours_holds_stops_nothing() {
    let app = App::start().await;
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    let mail = app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    let link = link(&mail);
    let token = token(&link);
    let other = |same: bool| if same { "E" } else { "A" };
    let first = other(token.starts_with('A'));
    let last = other(token.ends_with('A'));
    for forged in [
        "",
        "x",
        "%00",
        &token[1..],
        &format!("{token}A"),
        &format!("{}{last}", &token[..26]),
        &format!("{first}{}", &token[1..]),
        &"A".repeat(27),
        &"A".repeat(5_000),
    ] {
        let page = open(&app, &format!("/not-me?t={forged}")).await;
        assert_eq!(page.status, 410, "{forged}");
        let form = format!("token={forged}");
        app.post("/not-me", form).await.assert_is(410, "link_stale");
    }
    assert_eq!(open(&app, "/not-me").await.status, 410);
    app.post("/not-me", "").await.assert_is(400, "bad_request");
    app.verify(EMAIL, PASSWORD, &mail.code())
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn mail_from_the_same_network_stops_for_a_day_and_whoever_asks_for_it_sees_no_difference() {
    let app = behind_a_proxy().await;
    let (stranger, elsewhere) = ("192.0.2.1", "198.51.100.7");
    register_from(&app, stranger, EMAIL, PASSWORD).await;
    let mail = app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    disown(&app, &link(&mail)).await.assert_is(200, "");

    // Neither this sign-up nor another one from there brings a mail; both look as if they did.
    for password in [PASSWORD, "another password"] {
        let form = fields(&[("email", EMAIL), ("password", password)]);
        let request = app
            .form("/register", form)
            .header("x-forwarded-for", stranger)
            .header("accept", "application/json")
            .header("sec-fetch-site", "same-origin");
        send(request).await.assert_is(200, "");
        app.mail_settled().await;
        let answer = app.get("/claim").await;
        assert_eq!(answer.json()["claim"]["mail"], "taken", "{answer:?}");
        assert_eq!(answer.json()["claim"]["code_expires_in_ms"], 60_000);
        assert_eq!(answer.json()["claim"]["attempts_left"], 3);
    }
    assert_eq!(app.smtp.unread(), 0);
    // Tags are the same mailbox; other addresses and other networks are not concerned.
    register_from(&app, stranger, "foo+tag@bar.com", PASSWORD).await;
    app.mail_settled().await;
    assert_eq!(app.smtp.unread(), 0);
    register_from(&app, stranger, "other@bar.com", PASSWORD).await;
    app.mailed_code("other@bar.com").await;
    register_from(&app, elsewhere, EMAIL, "owner's password").await;
    let code = app.mailed_code(EMAIL).await;

    app.pass(24 * 3_600 + 1);
    register_from(&app, stranger, EMAIL, "yet another password").await;
    app.mailed_code(EMAIL).await;
    let answer = app.verify(EMAIL, "owner's password", &code).await;
    answer.assert_is(401, "unauthorized");
}

#[tokio::test]
async fn a_disowned_sign_up_begins_anew_from_elsewhere() {
    let app = behind_a_proxy().await;
    register_from(&app, "192.0.2.1", EMAIL, PASSWORD).await;
    let first = app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    disown(&app, &link(&first)).await.assert_is(200, "");
    // Perhaps it was the owner after all, who now sits somewhere else.
    register_from(&app, "198.51.100.7", EMAIL, PASSWORD).await;
    let second = app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    assert_ne!(link(&first), link(&second));
    disown(&app, &link(&first))
        .await
        .assert_is(410, "link_stale");
    app.verify(EMAIL, PASSWORD, &second.code())
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn an_account_cannot_be_touched() {
    let app = App::start().await;
    app.register(EMAIL, PASSWORD).await.assert_is(200, "");
    let mail = app.smtp.mail_to(EMAIL).await;
    app.register(EMAIL, "stranger's password")
        .await
        .assert_is(200, "");
    let strangers = app.smtp.mail_to(EMAIL).await;
    app.mail_settled().await;
    app.verify(EMAIL, PASSWORD, &mail.code())
        .await
        .assert_is(200, "");
    disown(&app, &link(&mail))
        .await
        .assert_is(410, "link_stale");
    // A decoy by now: stopping it is as good as stopping any.
    disown(&app, &link(&strangers)).await.assert_is(200, "");
    app.verify(EMAIL, PASSWORD, "1234")
        .await
        .assert_is(409, "already_verified");
}
