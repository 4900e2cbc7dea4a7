//! Answers that come line by line, so that neither side ever holds a whole store.
//!
//! The last line says that it is the last: `{"end":…}`, or `{"failed":"why"}`. An answer without
//! one was cut off.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, bail};
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where an answer's lines go, a few pages ahead of whoever reads them.
pub struct LineSender {
    lines: mpsc::Sender<Bytes>,
    enough: CancellationToken,
}

/// Nobody reads any more: there is nothing left to do.
pub struct Gone;

struct Sent(mpsc::Receiver<Bytes>);

/// An answer that `work` writes while it is read, until there has been `enough`. What `work` returns
/// becomes its last line.
pub fn answer<F, Fut>(enough: CancellationToken, work: F) -> Body
where
    F: FnOnce(LineSender) -> Fut,
    Fut: Future<Output = Result<Option<Json>, anyhow::Error>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(2);
    let lines = LineSender {
        lines: sender.clone(),
        enough: enough.clone(),
    };
    let work = work(lines);
    tokio::spawn(async move {
        let last = match work.await {
            Ok(Some(last)) => last,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "an operator's request failed");
                json!({ "failed": format!("{error:#}") })
            }
        };
        // Whoever has gone needs no last line.
        let _ = enough
            .run_until_cancelled(sender.send(Bytes::from(format!("{last}\n"))))
            .await;
    });
    Body::new(Sent(receiver))
}

impl LineSender {
    /// Sends whole lines, each with its end.
    ///
    /// # Errors
    /// When nobody reads any more, or it has been enough.
    pub async fn send(&self, lines: String) -> Result<(), Gone> {
        let sent = self.lines.send(Bytes::from(lines));
        match self.enough.run_until_cancelled(sent).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(Gone),
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Reads such an answer.
pub struct Lines {
    body: Body,
    /// What came and was not looked at.
    rest: Vec<u8>,
    looked_at: usize,
}

impl Lines {
    /// Reads the lines of a body.
    #[must_use]
    pub fn of(body: Body) -> Self {
        Self {
            body,
            rest: Vec::new(),
            looked_at: 0,
        }
    }

    /// The next line, without its end; `None` after the last.
    ///
    /// # Errors
    /// When the answer was cut off.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            let fresh = &self.rest[self.looked_at..];
            if let Some(length) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8(fresh[..length].to_vec())
                    .context("the answer is not text")?;
                self.looked_at += length + 1;
                return Ok(Some(line));
            }
            self.rest.drain(..self.looked_at);
            self.looked_at = 0;
            match self.body.frame().await {
                Some(frame) => {
                    let frame = frame.context("the server went away in the middle")?;
                    self.rest
                        .extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
                }
                None if self.rest.is_empty() => return Ok(None),
                None => bail!("the server went away in the middle of a line"),
            }
        }
    }
}

/// What the last line says, when it says that the work failed.
#[must_use]
pub fn failure(line: &str) -> Option<String> {
    if !line.starts_with(r#"{"failed":"#) {
        return None;
    }
    let mut line: Json = serde_json::from_str(line).ok()?;
    match line["failed"].take() {
        Json::String(why) => Some(why),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// A backup holds the store open for as long as it is written.
    #[tokio::test]
    async fn who_reads_nothing_keeps_nobody_from_ending() {
        let enough = CancellationToken::new();
        let (ended, end) = oneshot::channel();
        let body = answer(enough.clone(), |lines| async move {
            while lines.send("{}\n".to_owned()).await.is_ok() {}
            let _ = ended.send(());
            Ok(None)
        });
        let mut lines = Lines::of(body);
        assert_eq!(lines.next().await.unwrap().unwrap(), "{}");
        enough.cancel();
        let end = timeout(Duration::from_secs(10), end).await;
        end.expect("it goes on").unwrap();
        while lines.next().await.unwrap().is_some() {}
    }
}
