//! The signals that end a process.

use std::fs;
use std::future::{Future, pending};
use std::io;
use std::process;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals this close together are one.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Resolves at the first SIGTERM, SIGINT or SIGHUP; a second one ends the process at once.
///
/// # Errors
/// When the system does not let them be listened to.
pub fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // What a terminal sends when it is closed. Whoever was started to outlive it, as by `nohup`, does.
    let mut hang_up = if ignores_hang_up() {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    let (first, stopping) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut first = Some(first);
        let mut since = Instant::now();
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = received(hang_up.as_mut()) => {}
            }
            match first.take() {
                Some(first) => {
                    tracing::info!("stopping; a second signal stops at once");
                    since = Instant::now();
                    let _ = first.send(());
                }
                // Supervisors and shells often send the same signal twice in one go.
                None if since.elapsed() < SAME_SIGNAL => {}
                None => {
                    tracing::warn!("stopped at once by a second signal");
                    process::exit(1)
                }
            }
        }
    });
    Ok(async {
        // The sender is dropped only with the runtime, which is an end as well.
        let _ = stopping.await;
    })
}

/// Resolves when the signal comes; never where nobody listens for it.
async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored: the first bit of a mask that Linux tells
/// (proc_pid_status(5)). Listening to the signal would undo it.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|ignored| ignored & 1 == 1)
}
