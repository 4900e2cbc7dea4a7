//! The plain-HTTP port beside HTTPS: all it does is to send people on.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect};

use super::state::AppState;

/// 308 keeps method and body (RFC 9110 §15.4.9). The host is ours, not what the request says.
pub fn to_https(state: &AppState) -> Router {
    let public_url = state.origin.text.clone();
    let redirect = Router::new().fallback(move |uri: Uri| async move {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // The whole server, as OPTIONS may ask for it, has no path.
        let path = if path.starts_with('/') { path } else { "/" };
        Redirect::permanent(&format!("{public_url}{path}")).into_response()
    });
    super::protect(redirect, &state.over_plain_http())
}
