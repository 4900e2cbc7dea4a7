//! Headers on every answer, cookies, and requests from other sites.

use latchkey::config::TlsMode;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, IF_MODIFIED_SINCE, ORIGIN, RANGE, STRICT_TRANSPORT_SECURITY,
};
use reqwest::{Method, RequestBuilder};

use super::{ask, assert_protected};
use crate::app::{Answer, App, EMAIL, PASSWORD, fields, send};

const HTML: &str = "text/html,*/*;q=0.8";

/// A request of each kind, with the status that it is answered by.
fn requests(app: &App) -> Vec<(RequestBuilder, u16)> {
    let get = |path: &str| app.request(Method::GET, path);
    let page = |path: &str| get(path).header(ACCEPT, HTML);
    let good = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let long = "x".repeat(9_000);
    vec![
        (page("/"), 200),
        (page("/register"), 200),
        (page("/verify"), 200),
        (get("/welcome"), 303),
        (get("/healthz"), 200),
        (get("/readyz"), 200),
        (get("/openapi.json"), 200),
        (get("/robots.txt"), 200),
        (app.request(Method::HEAD, "/robots.txt"), 200),
        (
            get("/robots.txt").header(IF_MODIFIED_SINCE, "Fri, 01 Jan 2100 00:00:00 GMT"),
            304,
        ),
        (get("/robots.txt").header(RANGE, "bytes=0-3"), 206),
        (get("/robots.txt").header(RANGE, "bytes=99-"), 416),
        (get("/nothing"), 404),
        (page("/nothing"), 404),
        (app.request(Method::OPTIONS, "/register"), 204),
        (app.request(Method::HEAD, "/register"), 200),
        (app.request(Method::DELETE, "/register"), 405),
        (app.request(Method::TRACE, "/register"), 405),
        (app.form("/register", ""), 400),
        (app.form("/register", "").header(ACCEPT, HTML), 400),
        (app.form("/register", "email=a&password=b"), 422),
        (app.form("/register", vec![b'x'; 65_537]), 413),
        (
            app.request(Method::POST, "/register")
                .header(CONTENT_TYPE, "application/json")
                .body("{}"),
            415,
        ),
        (get(&format!("/{long}")), 414),
        (page(&format!("/{long}")), 414),
        (get("/").header("x-a", &long).header("x-b", &long), 431),
        (page("/").header("x-a", &long).header("x-b", &long), 431),
        (app.form("/verify", "verification_code=1234"), 401),
        (
            app.form("/verify", "")
                .header("sec-fetch-site", "cross-site"),
            403,
        ),
        (app.form("/resend", ""), 410),
        (app.form("/register", good).header(ACCEPT, HTML), 303),
    ]
}

/// What the port without TLS is asked.
const PLAIN_REQUESTS: [(&str, u16); 4] = [
    ("GET /register?a=b", 308),
    ("POST /verify", 308),
    ("OPTIONS *", 308),
    ("HEAD /", 308),
];

async fn ask_plainly(app: &App, request_line: &str) -> Answer {
    let request =
        format!("{request_line} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    ask(app.http, &request).await
}

#[tokio::test]
async fn every_answer_is_protected_and_a_self_signed_one_says_nothing_of_hsts() {
    let app = App::start().await;
    for (request, status) in requests(&app) {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_protected(&answer);
        assert_eq!(answer.header("strict-transport-security"), "");
        if status >= 400 && status != 416 {
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    for (request_line, status) in PLAIN_REQUESTS {
        let answer = ask_plainly(&app, request_line).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.location().starts_with("https://localhost:8443/"));
        assert_protected(&answer);
    }
    let long = ask_plainly(&app, &format!("GET /{}", "x".repeat(9_000))).await;
    long.assert_is(414, "uri_too_long");
    assert_protected(&long);
    app.mailed_code(EMAIL).await;
}

#[tokio::test]
async fn with_a_real_certificate_browsers_are_told_to_insist_on_https_for_a_year() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let app = App::start_with(|config| {
        config.tls.mode = TlsMode::Files;
        config.tls.cert = Some(cert);
        config.tls.key = Some(key);
    })
    .await;
    for (request, _) in requests(&app) {
        let answer = send(request).await;
        let policy = answer.header(STRICT_TRANSPORT_SECURITY.as_str());
        let seconds: u64 = policy.strip_prefix("max-age=").unwrap().parse().unwrap();
        assert!(seconds >= 365 * 24 * 60 * 60, "{answer:?}");
    }
    // RFC 6797 §7.2: never without TLS, where anybody on the way could have written it.
    for (request_line, _) in PLAIN_REQUESTS {
        let answer = ask_plainly(&app, request_line).await;
        assert_eq!(answer.header(STRICT_TRANSPORT_SECURITY.as_str()), "");
    }
    app.mailed_code(EMAIL).await;
}

#[tokio::test]
async fn a_session_is_a_host_cookie_that_scripts_and_other_sites_do_not_get() {
    let app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    let answer = app.submit("/register", &body).await;
    let cookie = answer.header("set-cookie");
    let mut parts = cookie.split("; ");
    assert!(parts.next().unwrap().starts_with("__Host-latchkey="));
    let attributes: Vec<&str> = parts.collect();
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(&attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    app.mailed_code(EMAIL).await;
}

#[tokio::test]
async fn another_site_can_do_no_deed_with_a_cookie_or_without() {
    let app = App::start().await;
    let body = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    for has_cookie in [false, true] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "https://localhost.evil.example:8443"),
            ("origin", "http://localhost:8443"),
            ("origin", "null"),
        ] {
            for path in ["/register", "/verify", "/resend", "/nothing"] {
                let answer = send(app.form(path, body.as_str()).header(name, value)).await;
                answer.assert_is(403, "cross_site");
            }
            for method in [Method::PUT, Method::PATCH, Method::DELETE] {
                let request = app.request(method, "/register").header(name, value);
                send(request).await.assert_is(403, "cross_site");
            }
            let page = app.form("/register", body.as_str()).header(name, value);
            let page = send(page.header(ACCEPT, HTML)).await;
            assert_eq!(page.status, 403, "{page:?}");
            assert!(page.body.contains("another site"), "{page:?}");
            // Looking is no deed.
            let page = app.request(Method::GET, "/register").header(name, value);
            assert_eq!(send(page).await.status, 200);
        }
        // Its own pages, with Fetch Metadata or from a browser that has none; and programs.
        let own = "https://localhost:8443";
        for (name, value) in [
            ("sec-fetch-site", "same-origin"),
            (ORIGIN.as_str(), own),
            ("x-program", "curl"),
        ] {
            let request = app.form("/register", "").header(name, value);
            send(request).await.assert_is(400, "bad_request");
        }
        if !has_cookie {
            assert!(app.submit("/register", &body).await.sets_cookie());
            app.mailed_code(EMAIL).await;
        }
    }
}
