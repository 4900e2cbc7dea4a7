//! A line in the log for every request, with an id that its answer carries too.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use rand::TryRng;
use rand::rngs::SysRng;
use tracing::Instrument;

use crate::network::ClientNetwork;
use crate::secret_key::hex;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Ties an answer to what the log says about it.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The path is logged without its query, and no header: secrets may stand there.
pub(super) async fn log(mut request: Request, next: Next) -> Response {
    let mut bytes = [0; 8];
    // Without randomness all have the same, and nothing depends on it.
    let _ = SysRng.try_fill_bytes(&mut bytes);
    let id = hex(&bytes);
    let span = tracing::info_span!(
        "request",
        id,
        method = %request.method(),
        path = request.uri().path().chars().take(200).collect::<String>().escape_debug().to_string(),
        network = request.extensions().get::<ClientNetwork>().map(tracing::field::display),
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let milliseconds = (started.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(status, milliseconds, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}
