//! The development mailbox in a browser, and as JSON for scripts and tests.
//!
//! Mounted in development without a relay only. Its answers bring their own
//! `Content-Security-Policy` and `X-Frame-Options`: what sets those for the other pages must
//! leave them alone.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use crate::mail::{DevelopmentMailbox, ReceivedMail};

/// Where the mailbox is.
pub const PATH: &str = "/dev/mailbox";

/// The mailbox's own pages: its style sheet, its script, the frame with a mail's HTML.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     frame-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// A mail's HTML may look as it likes and do nothing but open its links, in windows of their own.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// The routes of the development mailbox, for a router with any state.
pub fn router<S>(mailbox: DevelopmentMailbox) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(PATH, get(list))
        .route("/dev/mailbox/mailbox.css", get(style))
        .route("/dev/mailbox/mailbox.js", get(script))
        .route("/dev/mailbox/{id}", get(message))
        .route("/dev/mailbox/{id}/html", get(html))
        .route("/dev/mailbox/{id}/raw", get(raw))
        .with_state(mailbox)
}

#[derive(Template)]
#[template(path = "mailbox/list.html")]
struct ListPage {
    mails: Vec<Arc<ReceivedMail>>,
    newest: u64,
}

#[derive(Template)]
#[template(path = "mailbox/message.html")]
struct MessagePage<'a> {
    mail: &'a ReceivedMail,
    headers: &'a str,
}

#[derive(Serialize)]
struct Summary<'a> {
    id: u64,
    to: &'a str,
    subject: &'a str,
    received_at: String,
    text: &'a str,
}

impl<'a> From<&'a ReceivedMail> for Summary<'a> {
    fn from(mail: &'a ReceivedMail) -> Self {
        Self {
            id: mail.id,
            to: &mail.to,
            subject: &mail.subject,
            received_at: mail.received_at.to_rfc3339(),
            text: &mail.text,
        }
    }
}

/// Why there is no answer to show.
enum Refusal {
    NoSuchMail,
    Template(askama::Error),
}

async fn list(
    State(mailbox): State<DevelopmentMailbox>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mails = mailbox.newest_first();
    let answer = if wants_json(&headers) {
        let summaries: Vec<Summary<'_>> = mails.iter().map(|mail| (&**mail).into()).collect();
        ([(CACHE_CONTROL, "no-store")], Json(summaries)).into_response()
    } else {
        let newest = mails.first().map_or(0, |mail| mail.id);
        page(&ListPage { mails, newest })?
    };
    Ok(([(VARY, "Accept")], answer).into_response())
}

async fn message(
    State(mailbox): State<DevelopmentMailbox>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let mail = find(&mailbox, &id)?;
    let raw = String::from_utf8_lossy(&mail.raw);
    let headers = raw.split_once("\r\n\r\n").map_or(&*raw, |(head, _)| head);
    page(&MessagePage {
        mail: &mail,
        headers,
    })
}

async fn html(
    State(mailbox): State<DevelopmentMailbox>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let mail = find(&mailbox, &id)?;
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, MAIL_POLICY),
        (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    ];
    // As in a mail program, a link does not open in the mail's place.
    let html = mail
        .html
        .replacen("<head>", "<head><base target=\"_blank\">", 1);
    Ok((headers, Html(html)).into_response())
}

async fn raw(
    State(mailbox): State<DevelopmentMailbox>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let mail = find(&mailbox, &id)?;
    // message/rfc822 would make browsers offer a download.
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, mail.raw.clone()).into_response())
}

async fn style() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../templates/mailbox/mailbox.css"),
    )
}

async fn script() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("../../templates/mailbox/mailbox.js"),
    )
}

fn find(mailbox: &DevelopmentMailbox, id: &str) -> Result<Arc<ReceivedMail>, Refusal> {
    id.parse()
        .ok()
        .and_then(|id| mailbox.find(id))
        .ok_or(Refusal::NoSuchMail)
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

fn page(template: &impl Template) -> Result<Response, Refusal> {
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    let body = template.render().map_err(Refusal::Template)?;
    Ok((headers, Html(body)).into_response())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoSuchMail => (
                StatusCode::NOT_FOUND,
                [(CACHE_CONTROL, "no-store")],
                "There is no such mail; newer ones may have pushed it out.\n",
            )
                .into_response(),
            Self::Template(error) => {
                tracing::error!(%error, "a page of the development mailbox cannot be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use chrono::DateTime;
    use http_body_util::BodyExt;
    use latchkey_app::domain::{EmailAddress, VerificationCode};
    use latchkey_app::language::Language;
    use tower::ServiceExt;
    use url::Url;

    use super::*;
    use crate::mail::{Composer, Letter, LinkToken};

    fn mailbox_with_mail_to(addresses: &[&str]) -> DevelopmentMailbox {
        let composer = Composer::new(
            "A <b> & c",
            &Url::parse("https://localhost:8443").unwrap(),
            &"Latchkey <no-reply@localhost>".parse().unwrap(),
            None,
        )
        .unwrap();
        let mailbox = DevelopmentMailbox::default();
        for (n, address) in addresses.iter().enumerate() {
            let letter = Letter::Code {
                to: EmailAddress::parse(address).unwrap(),
                code: VerificationCode::parse("0746").unwrap(),
                reference: "K7QD".to_owned(),
                ttl_seconds: 60,
                disown_token: LinkToken("AbCdEfGhIjKlMnOpQrStUvWxYz0".to_owned()),
                language: Language::En,
            };
            let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
            mailbox.deliver(&composer.compose(&letter, &format!("m{n}"), now).unwrap());
        }
        mailbox
    }

    async fn get(mailbox: &DevelopmentMailbox, path: &str, accept: &str) -> (Response, String) {
        let request = Request::get(path)
            .header(ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        let response = router::<()>(mailbox.clone())
            .oneshot(request)
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }

    fn policy(response: &Response) -> &str {
        response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
    }

    #[tokio::test]
    async fn scripts_get_the_mails_as_json_newest_first() {
        let mailbox = mailbox_with_mail_to(&["a@bar.com", "b@bar.com"]);
        let (response, body) = get(&mailbox, PATH, "application/json").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mails: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(mails[0]["to"], "b@bar.com");
        assert_eq!(mails[0]["id"], 2);
        assert_eq!(mails[1]["to"], "a@bar.com");
        assert_eq!(mails[1]["subject"], "A <b> & c: your code is 0746");
        assert_eq!(mails[1]["received_at"], "2026-05-28T20:26:40+00:00");
        assert!(mails[1]["text"].as_str().unwrap().contains("\n0746\n"));
    }

    #[tokio::test]
    async fn people_get_a_page_that_escapes_what_it_shows() {
        let mailbox = mailbox_with_mail_to(&["a@bar.com"]);
        let (response, body) = get(&mailbox, PATH, "text/html,*/*;q=0.8").await;
        assert!(policy(&response).contains("frame-ancestors 'none'"));
        assert!(body.contains("href=\"/dev/mailbox/1\""), "{body}");
        assert!(!body.contains("A <b>"), "{body}");
        let (_, body) = get(&mailbox, "/dev/mailbox/1", "text/html").await;
        assert!(body.contains("Message-ID: "), "{body}");
        assert!(body.contains("src=\"/dev/mailbox/1/html\""), "{body}");
        assert!(!body.contains("A <b>"), "{body}");
        for page in [PATH, "/dev/mailbox/1"] {
            let (_, body) = get(&mailbox, page, "text/html").await;
            assert!(
                !body.contains("<style") && !body.contains("style="),
                "{page}"
            );
        }
    }

    #[tokio::test]
    async fn an_empty_mailbox_says_so() {
        let (response, body) = get(&DevelopmentMailbox::default(), PATH, "text/html").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(body.contains("No mail yet"), "{body}");
    }

    #[tokio::test]
    async fn the_html_of_a_mail_can_do_nothing_but_open_its_links() {
        let mailbox = mailbox_with_mail_to(&["a@bar.com"]);
        let (response, body) = get(&mailbox, "/dev/mailbox/1/html", "*/*").await;
        assert!(body.contains("0746"));
        assert!(policy(&response).starts_with("default-src 'none'"));
        assert!(
            policy(&response).ends_with("; sandbox allow-popups allow-popups-to-escape-sandbox")
        );
        assert!(body.contains("<base target=\"_blank\">"), "{body}");
        assert_eq!(response.headers()[X_FRAME_OPTIONS], "SAMEORIGIN");
    }

    #[tokio::test]
    async fn the_raw_message_is_shown_as_text() {
        let mailbox = mailbox_with_mail_to(&["a@bar.com"]);
        let (response, body) = get(&mailbox, "/dev/mailbox/1/raw", "*/*").await;
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        assert!(body.contains("To: a@bar.com\r\n"), "{body}");
    }

    #[tokio::test]
    async fn style_and_script_come_from_files() {
        let mailbox = DevelopmentMailbox::default();
        for (path, content_type) in [
            ("/dev/mailbox/mailbox.css", "text/css; charset=utf-8"),
            ("/dev/mailbox/mailbox.js", "text/javascript; charset=utf-8"),
        ] {
            let (response, body) = get(&mailbox, path, "*/*").await;
            assert_eq!(response.headers()[CONTENT_TYPE], content_type);
            assert!(!body.is_empty());
        }
    }

    #[tokio::test]
    async fn a_mail_that_is_not_there_is_not_found() {
        let mailbox = mailbox_with_mail_to(&["a@bar.com"]);
        for path in [
            "/dev/mailbox/2",
            "/dev/mailbox/0/html",
            "/dev/mailbox/x/raw",
            "/dev/mailbox/-1",
        ] {
            let (response, _) = get(&mailbox, path, "text/html").await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
