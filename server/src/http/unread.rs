//! What a handler left of a request's body is taken in before the answer leaves.
//!
//! Where an answer does not need the body, as a 403 or a 404, HTTP/2 lets a server answer and reset the
//! stream (RFC 9113 §8.1). curl before 8.0 then often reports the reset, and loses the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Version;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

/// Whoever takes longer, or sends more bytes, has the answer without.
const PATIENCE: Duration = Duration::from_secs(1);
const MOST: usize = 1024 * 1024;

/// A body that comes back when nobody reads it any more.
struct Lent {
    body: Option<Body>,
    back: Arc<Mutex<Option<Body>>>,
}

/// Lets a handler answer, and reads what it did not.
pub(super) async fn take_in(request: Request, next: Next) -> Response {
    if request.version() != Version::HTTP_2 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let back = Arc::default();
    let lend = |body| {
        Body::new(Lent {
            body: Some(body),
            back: Arc::clone(&back),
        })
    };
    let response = next.run(request.map(lend)).await;
    let unread = lock(&back).take();
    if let Some(body) = unread {
        // Too late, or broken: the answer is the same.
        let _ = timeout(PATIENCE, read(body)).await;
    }
    response
}

/// Reads a body to its end, if that is not too far.
async fn read(mut body: Body) {
    let mut length = 0;
    while length <= MOST
        && let Some(Ok(frame)) = body.frame().await
    {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *lock(&self.back) = self.body.take().filter(|body| !body.is_end_stream());
    }
}

/// No code panics while it holds the lock.
fn lock(back: &Mutex<Option<Body>>) -> MutexGuard<'_, Option<Body>> {
    back.lock().unwrap_or_else(PoisonError::into_inner)
}
