//! The browser's files, compressed beforehand where the build has done so.

use std::io::ErrorKind;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeDir;

use super::connections::CHUNK;
use super::state::AppState;

/// Whatever no route is for: a file of the site's folder, or a bare 404.
pub async fn serve(State(state): State<AppState>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::NOT_FOUND.into_response();
    }
    // A hash stands in these names: what they hold never changes.
    let is_immutable = state.leptos.hash_files && request.uri().path().starts_with("/pkg/");
    let mut files = ServeDir::new(&*state.site_dir)
        .append_index_html_on_directories(false)
        .with_buf_chunk_size(CHUNK)
        .precompressed_br()
        .precompressed_gzip();
    let mut response = match files.try_call(request).await {
        Ok(response) => response.map(Body::new),
        // No file has so long a name.
        Err(error) if error.kind() == ErrorKind::InvalidFilename => {
            return StatusCode::NOT_FOUND.into_response();
        }
        Err(error) => {
            tracing::error!(%error, "a file of the site cannot be read");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    if response.status().is_success() {
        let policy = if is_immutable {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static(policy));
    }
    response
}
