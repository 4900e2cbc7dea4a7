//! Work that goes on beside requests, and must not end before the application does.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Between a panic and the next try: long enough that a fault that repeats does not fill the log,
/// or keep a core busy.
pub const PAUSE: Duration = Duration::from_secs(1);

/// Does the work until it ends by itself; one that panics is begun again. Otherwise nobody would
/// notice that mail stands still, or that nothing is swept any more.
pub async fn undaunted<W>(
    name: &'static str,
    pause: Duration,
    stopping: CancellationToken,
    work: impl Fn(CancellationToken) -> W,
) where
    W: Future<Output = ()> + Send + 'static,
{
    while tokio::spawn(work(stopping.clone())).await.is_err() {
        tracing::error!(name, "a background task panicked and is begun again");
        let pause = tokio::time::sleep(pause);
        if stopping.run_until_cancelled(pause).await.is_none() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_panics_is_begun_again_and_what_ends_is_not() {
        let begun = Arc::new(AtomicU32::new(0));
        undaunted("test", Duration::ZERO, CancellationToken::new(), |_| {
            let begun = begun.clone();
            async move {
                assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "a fault");
            }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn nothing_is_begun_again_once_the_application_stops() {
        let stopping = CancellationToken::new();
        let stop = stopping.clone();
        let begun = Arc::new(AtomicU32::new(0));
        let count = begun.clone();
        let running = undaunted("test", Duration::ZERO, stopping, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let stop = stop.clone();
            async move {
                stop.cancel();
                panic!("a fault");
            }
        });
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
        ended.expect("it goes on");
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }
}
