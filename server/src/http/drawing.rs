//! Draws pages with Leptos, and keeps those that are the same for everybody.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, InvalidHeaderValue, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use latchkey_app::language::Language;
use latchkey_app::shell;
use latchkey_app::theme::Theme;
use latchkey_app::view::Preferences;
use leptos::nonce::{Nonce, use_nonce};
use leptos::prelude::provide_context;

use super::answer::Problem;
use super::errors::Dressed;
use super::state::AppState;
use super::visit::Visit;

/// A page with a gap wherever the nonce of one answer belongs.
struct Drawing(Vec<String>);

/// Pages that nothing but their path and their reader's preferences changes, as they were drawn
/// the first time: drawing costs three times as much as all the rest of an answer.
#[derive(Default)]
pub struct Drawings(RwLock<HashMap<(String, Language, Theme), Arc<Drawing>>>);

/// Draws the page of this path, with `view` in its context.
pub(super) async fn render(
    state: &AppState,
    visit: &Visit,
    status: StatusCode,
    view: impl Clone + Send + Sync + 'static,
) -> Response {
    match Drawing::new(state, visit, view).await {
        Ok(drawing) => drawing.answer(visit, status),
        Err(problem) => problem.into_response(),
    }
}

/// The page of this path, whose `view` is the same for everybody.
pub(super) async fn render_once(
    state: &AppState,
    visit: &Visit,
    view: impl Clone + Send + Sync + 'static,
) -> Response {
    // The form at its foot leads back to where it stands, and there is no end of queries.
    if visit.uri.query().is_some() {
        return render(state, visit, StatusCode::OK, view).await;
    }
    let key = (visit.uri.path().to_owned(), visit.language, visit.theme);
    let kept = state.drawings.get(&key);
    let drawing = match kept {
        Some(drawing) => drawing,
        None => match Drawing::new(state, visit, view).await {
            Ok(drawing) => state.drawings.keep(key, drawing),
            Err(problem) => return problem.into_response(),
        },
    };
    drawing.answer(visit, StatusCode::OK)
}

impl Drawings {
    // No code panics while it holds the lock, so a poisoned one is still in order.
    fn get(&self, key: &(String, Language, Theme)) -> Option<Arc<Drawing>> {
        let drawings = self.0.read().unwrap_or_else(PoisonError::into_inner);
        drawings.get(key).cloned()
    }

    fn keep(&self, key: (String, Language, Theme), drawing: Drawing) -> Arc<Drawing> {
        let mut drawings = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(drawings.entry(key).or_insert(Arc::new(drawing)))
    }
}

impl Drawing {
    async fn new(
        state: &AppState,
        visit: &Visit,
        view: impl Clone + Send + Sync + 'static,
    ) -> Result<Self, Problem> {
        let (options, files) = (state.leptos.clone(), state.site_files.clone());
        let site = Arc::clone(&state.site);
        let preferences = Preferences {
            language: visit.language,
            theme: visit.theme,
            back: visit.back(),
        };
        let nonce = Arc::new(OnceLock::new());
        let nonce_of_scripts = Arc::clone(&nonce);
        let draw = leptos_axum::render_app_async_with_context(
            move || {
                provide_context((*site).clone());
                provide_context(preferences.clone());
                provide_context(view.clone());
                if let Some(nonce) = use_nonce() {
                    // There is one for the whole page.
                    let _ = nonce_of_scripts.set(nonce);
                }
            },
            move || shell(options.clone(), files.clone()),
        );
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = visit.uri.clone();
        let html = match draw(request).await.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                tracing::error!(%error, "a page could not be drawn");
                return Err(Problem::internal());
            }
        };
        // Leptos marks places with `<!>`, which HTML's parser reads as an empty comment and
        // complains of. Nothing else can look like one: text and attributes are escaped.
        let html = String::from_utf8_lossy(&html).replace("<!>", "<!---->");
        Ok(Self(match nonce.get() {
            Some(nonce) => html.split(&**nonce).map(str::to_owned).collect(),
            None => vec![html],
        }))
    }

    fn answer(&self, visit: &Visit, status: StatusCode) -> Response {
        let nonce = Nonce::new();
        let html = self.0.join(&nonce);
        let headers = HeaderMap::from_iter([
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            ),
            // GET and POST of one path answer by `Accept`; nothing of it is kept, but say so.
            (
                VARY,
                HeaderValue::from_static("Accept, Accept-Language, Cookie"),
            ),
            (
                CONTENT_LANGUAGE,
                HeaderValue::from_static(visit.language.tag()),
            ),
        ]);
        let mut response = (status, headers, html).into_response();
        if let Ok(policy) = content_security_policy(&nonce) {
            response
                .headers_mut()
                .insert(CONTENT_SECURITY_POLICY, policy);
        }
        response.extensions_mut().insert(Dressed);
        response
    }
}

/// Scripts need this page's nonce; `cargo leptos watch` reloads pages through a socket of its own.
fn content_security_policy(nonce: &Nonce) -> Result<HeaderValue, InvalidHeaderValue> {
    let reload = if cfg!(debug_assertions) && std::env::var_os("LEPTOS_WATCH").is_some() {
        " ws: wss:"
    } else {
        ""
    };
    HeaderValue::from_str(&format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self'; connect-src 'self'{reload}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    ))
}
