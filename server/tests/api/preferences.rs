//! Languages and colours.

use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE};

use crate::app::{Answer, App, EMAIL, PASSWORD, fields, send};

async fn page(app: &App, path: &str, likes: &str) -> Answer {
    let request = app
        .request(Method::GET, path)
        .header(ACCEPT, "text/html")
        .header(ACCEPT_LANGUAGE, likes);
    send(request).await
}

#[tokio::test]
async fn a_choice_leads_back_and_is_kept_in_cookies_alone() {
    let app = App::start().await;
    let form = fields(&[("language", "fr"), ("theme", "dark"), ("back", "/register")]);
    let answer = app.submit("/preferences", &form).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, "/register")
    );
    let cookies: Vec<_> = (answer.headers.get_all("set-cookie").iter())
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    assert_eq!(cookies.len(), 2, "no session begins: {cookies:?}");
    for (cookie, begin) in cookies.iter().zip([
        "__Host-latchkey-language=fr;",
        "__Host-latchkey-theme=dark;",
    ]) {
        for part in [begin, "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
    }
    let page = page(&app, "/register", "en").await;
    assert!(page.body.contains("lang=\"fr\"") && page.body.contains("data-theme=\"dark\""));
    assert_eq!(page.header("content-language"), "fr");
    assert_eq!(page.header("vary"), "Accept, Accept-Language, Cookie");

    let answer = app.submit("/preferences", "theme=system&back=%2F").await;
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn a_choice_of_what_there_is_not_is_refused() {
    let app = App::start().await;
    for form in ["language=xx", "theme=pink", "language=fr&language=en"] {
        let answer = app.post("/preferences", form).await;
        answer.assert_is(400, "bad_request");
        assert!(!answer.sets_cookie());
    }
    let away = fields(&[("theme", "dark"), ("back", "//evil.example/")]);
    assert_eq!(app.submit("/preferences", &away).await.location(), "/");
    app.post("/preferences", "theme=light")
        .await
        .assert_is(200, "");
}

#[tokio::test]
async fn pages_speak_the_readers_language_and_programs_are_answered_in_english() {
    let app = App::start().await;
    let body = fields(&[("email", "foo@bar"), ("password", PASSWORD)]);
    let french =
        |request: reqwest::RequestBuilder| request.header(ACCEPT_LANGUAGE, "fr-FR, en;q=0.5");
    const ENGLISH: &str = "The part after the @ is not a domain that mail can be sent to.";
    const FRENCH: &str = "Ce qui suit le @ n’est pas un domaine auquel on peut écrire.";

    let program = send(french(app.form("/register", body.clone()))).await;
    program.assert_is(422, "invalid");
    assert_eq!(program.json()["fields"]["email"], ENGLISH);
    assert_eq!(program.json()["message"], ENGLISH);

    let script = app
        .form("/register", body.clone())
        .header(ACCEPT, "application/json")
        .header("sec-fetch-site", "same-origin");
    let script = send(french(script)).await;
    script.assert_is(422, "invalid");
    assert_eq!(script.json()["fields"]["email"], FRENCH);

    let browser = app.form("/register", body).header(ACCEPT, "text/html");
    let browser = send(french(browser)).await;
    assert_eq!(browser.status, 422);
    assert!(browser.body.contains(FRENCH) && !browser.body.contains(ENGLISH));

    let missing = page(&app, "/nothing", "fr").await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("Page introuvable"));
}

#[tokio::test]
async fn what_a_page_is_told_about_a_code_is_said_to_people() {
    let app = App::start().await;
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    app.submit("/register", &form).await;
    let code = app.mailed_code(EMAIL).await;
    let wrong = fields(&[("verification_code", &crate::app::other_than(&code))]);
    let page = app.fetch("/verify", &wrong).await;
    page.assert_is(403, "code_wrong");
    assert_eq!(
        page.json()["fields"]["verification_code"],
        "That is not the code in the latest mail. 2 attempts left."
    );
    let program = app
        .verify(EMAIL, PASSWORD, &crate::app::other_than(&code))
        .await;
    program.assert_is(403, "code_wrong");
    assert_eq!(program.json()["message"], "The verification code is wrong.");
    assert!(program.json().get("fields").is_none());
}

#[tokio::test]
async fn developers_see_the_parts_of_pages() {
    let app = App::start().await;
    let answer = page(&app, "/dev/components", "en").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("Code input"));
}
