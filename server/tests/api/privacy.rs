//! With codes not exposed, nobody learns from a sign-up whether an address is new, somebody else's
//! pending one, or verified.

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, DATE, HeaderMap};

use crate::app::{Answer, App, PASSWORD, fields, send};

/// Of one length, so that answers that name them have one too.
const STATES: [(&str, &str); 3] = [
    ("new", "newone@bar.com"),
    ("pending", "pendng@bar.com"),
    ("verified", "verifi@bar.com"),
];
const STRANGERS: &str = "stranger's password";

/// What somebody outside can see of an answer, without what is random in each.
#[derive(Debug, PartialEq)]
struct Seen {
    status: StatusCode,
    /// Names and lengths, in order.
    headers: Vec<(String, usize)>,
    body: String,
}

impl Seen {
    fn of(answer: &Answer, email: &str) -> Self {
        let mut body = answer.body.replace(email, "<address>");
        if let Some(reference) = reference(&body) {
            body = body.replace(&reference, "<reference>");
        }
        body = blank(&body, "nonce=\"", "\"");
        Self {
            status: answer.status,
            headers: lengths(&answer.headers),
            body,
        }
    }
}

fn lengths(headers: &HeaderMap) -> Vec<(String, usize)> {
    let mut lengths: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != DATE)
        .map(|(name, value)| (name.to_string(), value.len()))
        .collect();
    lengths.sort();
    lengths
}

/// The claim's reference, which is random, from a page or from JSON.
fn reference(body: &str) -> Option<String> {
    let (_, rest) = ["name=\"reference\" value=\"", "\"reference\":\""]
        .into_iter()
        .find_map(|before| body.split_once(before))?;
    Some(rest.split('"').next()?.to_owned())
}

/// Empties everything between the two.
fn blank(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let mut blanked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find(after).map_or(part, |end| &part[end..]);
        blanked += before;
        blanked += rest;
    }
    blanked
}

/// An application in which each address is in its state, and all of their mail is read.
async fn app() -> App {
    let app = App::start().await;
    let (_, pending) = STATES[1];
    let (_, verified) = STATES[2];
    app.code_for(pending, PASSWORD).await;
    let code = app.code_for(verified, PASSWORD).await;
    app.verify(verified, PASSWORD, &code)
        .await
        .assert_is(200, "");
    app
}

fn assert_alike(journeys: &[(&str, Vec<Seen>)]) {
    let (_, first) = &journeys[0];
    for (state, journey) in &journeys[1..] {
        assert_eq!(journey.len(), first.len());
        for (step, (seen, expected)) in journey.iter().zip(first).enumerate() {
            let same = seen.body.bytes().zip(expected.body.bytes());
            let at = same.take_while(|(one, other)| one == other).count();
            assert_eq!(
                seen.body
                    .get(at.saturating_sub(100)..(at + 100).min(seen.body.len())),
                expected
                    .body
                    .get(at.saturating_sub(100)..(at + 100).min(expected.body.len())),
                "{state} differs from new at step {step}"
            );
            assert_eq!(seen, expected, "{state} differs from new at step {step}");
        }
    }
}

#[tokio::test]
async fn over_the_api_every_address_looks_new() {
    let app = app().await;
    let mut journeys = Vec::new();
    for (state, email) in STATES {
        let mut seen = Vec::new();
        let mut see = |answer: Answer| seen.push(Seen::of(&answer, email));
        see(app.register(email, STRANGERS).await);
        app.smtp.mail_to(email).await;
        app.mail_settled().await;
        // Five digits are never right, and charged like any other guess.
        for _ in 0..4 {
            see(app.verify(email, STRANGERS, "12345").await);
        }
        see(app.verify(email, "yet another password", "1234").await);
        // New attempts come with the next code.
        see(app.register(email, STRANGERS).await);
        app.mail_settled().await;
        if state != "verified" {
            app.smtp.mail_to(email).await;
        }
        see(app.verify(email, STRANGERS, "123").await);
        app.pass(61);
        see(app.verify(email, STRANGERS, "12345").await);
        app.pass(3_600);
        journeys.push((state, seen));
    }
    assert_alike(&journeys);
}

#[tokio::test]
async fn on_the_pages_every_address_looks_new() {
    let mut app = app().await;
    let mut journeys = Vec::new();
    for (state, email) in STATES {
        app.forget_cookies();
        let mut seen = Vec::new();
        let mut see = |answer: Answer| seen.push(Seen::of(&answer, email));
        let body = fields(&[("email", email), ("password", STRANGERS)]);
        see(app.submit("/register", &body).await);
        app.smtp.mail_to(email).await;
        app.mail_settled().await;
        let page = async || {
            send(
                app.request(reqwest::Method::GET, "/verify")
                    .header(ACCEPT, "text/html"),
            )
            .await
        };
        see(page().await);
        let guess = fields(&[("verification_code", "12345")]);
        for _ in 0..4 {
            see(app.submit("/verify", &guess).await);
            see(page().await);
        }
        see(app.submit("/resend", "").await);
        app.pass(61);
        see(page().await);
        see(app.fetch("/resend", "").await);
        app.mail_settled().await;
        if state != "verified" {
            app.smtp.mail_to(email).await;
        }
        see(page().await);
        see(app.fetch("/verify", &guess).await);
        app.pass(3_600);
        journeys.push((state, seen));
    }
    assert_alike(&journeys);
}

#[tokio::test]
async fn without_the_password_known_and_unknown_addresses_look_alike() {
    let app = app().await;
    let mut journeys = Vec::new();
    for (state, email) in STATES {
        let mut seen = Vec::new();
        for code in ["1234", "12345678", "12", ""] {
            let answer = app.verify(email, "not the password", code).await;
            seen.push(Seen::of(&answer, email));
        }
        journeys.push((state, seen));
    }
    assert_alike(&journeys);
}
