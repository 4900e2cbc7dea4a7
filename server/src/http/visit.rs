//! Who looks at a page: where, in which language and in which colours.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderMap, Uri};
use latchkey_app::language::Language;
use latchkey_app::theme::Theme;

use super::access_log::RequestId;
use super::door::Door;

/// The cookies in which somebody's choice is kept. They say nothing about who it is.
pub const LANGUAGE_COOKIE: &str = "__Host-latchkey-language";
pub const THEME_COOKIE: &str = "__Host-latchkey-theme";

/// One look at one page.
#[derive(Clone, Debug)]
pub struct Visit {
    pub uri: Uri,
    pub language: Language,
    pub theme: Theme,
    /// By which the log knows it.
    pub reference: Option<String>,
}

impl Visit {
    /// Reads it off the request. What was chosen here goes before what the browser likes; a page's
    /// script says in which language its page is written.
    pub fn of(headers: &HeaderMap, uri: &Uri, extensions: &Extensions) -> Self {
        let chosen = cookie(headers, LANGUAGE_COOKIE).and_then(Language::from_tag);
        let chosen = chosen.filter(|_| Door::of(headers) == Door::Browser);
        Self {
            uri: uri.clone(),
            // Sent in several lines, it is one list (RFC 9110 §5.3).
            language: chosen
                .unwrap_or_else(|| Language::preferred(&all(headers, ACCEPT_LANGUAGE, ","))),
            theme: cookie(headers, THEME_COOKIE)
                .and_then(Theme::from_name)
                .unwrap_or_default(),
            reference: extensions.get().map(|RequestId(id)| id.clone()),
        }
    }

    /// The path of this page, or, where a form has led to what no link leads to, of the page that
    /// the form stood on.
    pub fn back(&self) -> String {
        match self.uri.path() {
            "/correct" | "/resend" => "/verify".to_owned(),
            "/logout" | "/preferences" => "/".to_owned(),
            path => self
                .uri
                .path_and_query()
                .map(PathAndQuery::as_str)
                .filter(|path| is_own_path(path))
                .unwrap_or(if is_own_path(path) { path } else { "/" })
                .to_owned(),
        }
    }
}

/// A path here, and nothing that a browser would take for another host.
pub fn is_own_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, &parts.uri, &parts.extensions))
    }
}

fn all(headers: &HeaderMap, name: HeaderName, separator: &str) -> String {
    let values = headers.get_all(name);
    let values: Vec<&str> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    values.join(separator)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT;

    fn visit(headers: &[(HeaderName, &'static str)]) -> Visit {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        Visit::of(&headers, &Uri::from_static("/register"), &Extensions::new())
    }

    #[test]
    fn nobody_is_led_to_another_host() {
        for path in ["/", "/verify", "/not-me?t=a", "/a//b"] {
            assert!(is_own_path(path), "{path}");
        }
        for path in [
            "",
            "verify",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "/\tevil",
            "/é",
            " /",
        ] {
            assert!(!is_own_path(path), "{path}");
        }
        for (uri, back) in [
            ("/register?a=b", "/register?a=b"),
            ("//evil.example/a", "/"),
            ("/resend", "/verify"),
        ] {
            let visit = Visit {
                uri: Uri::from_static(uri),
                ..visit(&[])
            };
            assert_eq!(visit.back(), back);
        }
    }

    #[test]
    fn what_was_chosen_here_goes_before_what_the_browser_likes() {
        let page = (ACCEPT, "text/html");
        let likes = (ACCEPT_LANGUAGE, "fr-FR,fr;q=0.9");
        assert_eq!(visit(std::slice::from_ref(&page)).language, Language::En);
        assert_eq!(visit(&[page.clone(), likes.clone()]).language, Language::Fr);
        let chosen = "a=b; __Host-latchkey-language=en; __Host-latchkey-theme=dark";
        let visit = visit(&[page, likes, (COOKIE, chosen)]);
        assert_eq!((visit.language, visit.theme), (Language::En, Theme::Dark));
    }

    #[test]
    fn a_script_is_answered_in_the_language_of_its_page() {
        let headers = [
            (ACCEPT, "application/json"),
            (ACCEPT_LANGUAGE, "fr"),
            (COOKIE, "__Host-latchkey-language=en"),
        ];
        assert_eq!(visit(&headers).language, Language::Fr);
    }

    #[test]
    fn what_there_is_not_is_not_chosen() {
        let chosen = "__Host-latchkey-language=xx; __Host-latchkey-theme=pink";
        let visit = visit(&[(ACCEPT, "text/html"), (COOKIE, chosen)]);
        assert_eq!((visit.language, visit.theme), (Language::En, Theme::System));
    }
}
