//! `POST /preferences`: in which language and colours somebody wants to read.
//!
//! A plain form at the foot of every page, so that it needs no script. The choice stands in cookies
//! of its own, not in the session: it says nothing about who it is, and begins no session.

use axum::http::HeaderValue;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use latchkey_app::language::Language;
use latchkey_app::texts::key;
use latchkey_app::theme::Theme;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{Failure, Kind, Problem, Success};
use super::door::Door;
use super::form::Form;
use super::visit::{LANGUAGE_COOKIE, THEME_COOKIE, is_own_path};

/// A year, in seconds.
const KEPT_FOR: u32 = 31_536_000;

/// The form of a choice.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form, which is parsed field by field"
)]
pub struct PreferencesForm {
    /// The tag of a language that there are texts in.
    #[schema(example = "fr")]
    language: Option<String>,
    /// `system`, `light` or `dark`.
    #[schema(example = "dark")]
    theme: Option<String>,
    /// The path of the page to go back to.
    #[schema(example = "/register")]
    back: Option<String>,
}

/// Choose the language and the colours of the pages.
#[utoipa::path(
    post,
    path = "/preferences",
    tag = "pages",
    request_body(content = PreferencesForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The choice is kept in cookies", body = Success),
        (status = 400, description = "`bad_request`: there is no such language or theme, a field was sent twice, or the body is no percent-encoded UTF-8", body = Failure),
        (status = 403, description = "`cross_site`: sent by a browser from another site", body = Failure),
        (status = 413, description = "`too_large`: more than 64 KiB", body = Failure),
        (status = 415, description = "`unsupported_media_type`: not a form", body = Failure),
    )
)]
pub async fn choose(door: Door, form: Result<Form, Problem>) -> Result<Response, Problem> {
    let form = form?;
    let no_such = || Problem::new(Kind::BadRequest, key::ERROR_BAD_REQUEST);
    let mut cookies = Vec::new();
    if let Some(tag) = form.field("language")? {
        let language = Language::from_tag(tag).ok_or_else(no_such)?;
        cookies.push(cookie(LANGUAGE_COOKIE, language.tag(), KEPT_FOR));
    }
    if let Some(name) = form.field("theme")? {
        let theme = Theme::from_name(name).ok_or_else(no_such)?;
        // What the system says is no choice to be kept.
        let kept_for = if theme == Theme::System { 0 } else { KEPT_FOR };
        cookies.push(cookie(THEME_COOKIE, theme.name(), kept_for));
    }
    let back = form.field("back")?.filter(|path| is_own_path(path));
    let mut response = match door {
        Door::Browser => Redirect::to(back.unwrap_or("/")).into_response(),
        Door::Program { .. } => Success::new("The preferences are kept.").into_response(),
    };
    for cookie in cookies {
        let cookie = HeaderValue::try_from(cookie).map_err(|_| no_such())?;
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn cookie(name: &str, value: &str, seconds: u32) -> String {
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}
