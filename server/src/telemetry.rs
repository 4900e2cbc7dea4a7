//! Structured logs on standard error.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogConfig, LogFormat};

/// What `log.level` may say.
pub const LEVEL_ALLOWED: &str = "off, error, warn, info, debug or trace, and perhaps levels of Latchkey's own parts, \
     as info,latchkey::store=trace";

/// Where the audit log stands: an event for what happens to a sign-up or an account (its `event`), with
/// the address masked, the client's network and, in the span, the request's id.
pub const AUDIT: &str = "latchkey::audit";

/// What the embedded engine says each time it is closed, in order or not: the thread that synced its log
/// lets go of it, and would have closed it in a runtime of its own. It is closed right after, and
/// [`Store::close`](crate::store::Store::close) waits for that (surrealdb-kvs-surrealkv 3.3.5).
const FALSE_ALARM: &str = "No runtime available for closing the store correctly";

/// A level that [`filter`] does not take.
#[derive(Debug, thiserror::Error)]
#[error("log.level: {LEVEL_ALLOWED}")]
pub struct LevelError;

/// Sends every event of this process to standard error from now on.
///
/// # Errors
/// When that was done before.
pub fn init(log: &LogConfig) -> Result<(), InitError> {
    let stderr_is_terminal = io::stderr().is_terminal();
    let format = log.format.unwrap_or(if stderr_is_terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let filter = filter(&log.level)?;
    subscriber(format, stderr_is_terminal, filter, io::stderr).try_init()?;
    Ok(())
}

/// Logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error(transparent)]
    Level(#[from] LevelError),
    #[error("logging began before")]
    Again(#[from] TryInitError),
}

/// What is let through at `level`.
///
/// Libraries stay at `warn` whatever the level, because below it some of them print statements,
/// headers or mails, which the log must never hold.
///
/// # Errors
/// When `level` is not what [`LEVEL_ALLOWED`] says.
pub fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    let mut own = LevelFilter::INFO;
    let mut parts = Vec::new();
    for part in level.split(',').map(str::trim) {
        match part.split_once('=') {
            None => own = parse(part)?,
            Some((target, level)) if is_own(target) => {
                parts.push(format!("{target}={}", parse(level)?));
            }
            Some(_) => return Err(LevelError),
        }
    }
    // A target stands for all that begin with it, so also for latchkey_app.
    let libraries = own.min(LevelFilter::WARN);
    // When the program ends, the embedded engine calls its own idle tasks' end an error.
    let engine = "surrealdb_core::kvs::tasks=off".to_owned();
    let mut directives = vec![libraries.to_string(), engine, format!("latchkey={own}")];
    directives.append(&mut parts);
    EnvFilter::builder()
        .parse(directives.join(","))
        .map_err(|_| LevelError)
}

fn parse(level: &str) -> Result<LevelFilter, LevelError> {
    // tracing takes an empty level for `error`.
    let level = level.trim();
    if level.is_empty() {
        return Err(LevelError);
    }
    LevelFilter::from_str(level).map_err(|_| LevelError)
}

fn is_own(target: &str) -> bool {
    target.starts_with("latchkey")
        && target
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn subscriber<W>(
    format: LogFormat,
    colours: bool,
    filter: EnvFilter,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(WithoutFalseAlarms);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => Box::new(registry.with(layer.with_ansi(colours))),
        LogFormat::Json => {
            // The innermost span carries the request's id; the list of spans would repeat it.
            let json = layer
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false);
            Box::new(registry.with(json))
        }
    }
}

/// Keeps back an event that says [`FALSE_ALARM`], and no other of its target: it also tells of a damaged
/// log.
struct WithoutFalseAlarms;

impl<S: Subscriber> Layer<S> for WithoutFalseAlarms {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if *event.metadata().level() != Level::WARN {
            return true;
        }
        let mut message = Message::default();
        event.record(&mut message);
        !message.is_false_alarm
    }
}

#[derive(Default)]
struct Message {
    is_false_alarm: bool,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.is_false_alarm = format!("{value:?}") == FALSE_ALARM;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of these events.
    pub(crate) fn log(format: LogFormat, level: &str, events: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let filter = filter(level).unwrap();
        let subscriber = subscriber(format, false, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_the_spans_fields() {
        let line = log(LogFormat::Json, "info", || {
            let span = tracing::info_span!(target: "latchkey", "request", request_id = "r1");
            span.in_scope(|| tracing::info!(target: "latchkey", status = 200, "answered\nwell"));
        });
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["message"], "answered\nwell");
        assert_eq!(value["status"], 200);
        assert_eq!(value["span"]["request_id"], "r1");
    }

    #[test]
    fn libraries_stay_quiet_below_warn() {
        let text = log(LogFormat::Text, "trace", || {
            tracing::info!(target: "surrealdb::core", "loud");
            tracing::warn!(target: "surrealdb::core", "worth it");
            tracing::trace!(target: "latchkey::store", "own");
            tracing::trace!(target: "latchkey_app", "pages");
        });
        assert!(!text.contains("loud"), "{text}");
        for expected in ["worth it", "own", "pages"] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_warning_that_says_nothing_is_kept_back_and_those_beside_it_are_not() {
        let text = log(LogFormat::Json, "info", || {
            tracing::warn!(target: "surrealkv::lsm", "{FALSE_ALARM}");
            tracing::warn!(target: "surrealkv::lsm", "the log is damaged");
        });
        assert!(!text.contains(FALSE_ALARM), "{text}");
        assert!(text.contains("the log is damaged"), "{text}");
    }

    #[test]
    fn off_is_off_and_a_part_may_be_louder() {
        let off = log(LogFormat::Text, "off", || {
            tracing::error!(target: "latchkey", "one");
            tracing::error!(target: "hyper", "two");
        });
        assert_eq!(off, "");
        let part = log(LogFormat::Text, "warn,latchkey::store=debug", || {
            tracing::debug!(target: "latchkey::store", "store");
            tracing::debug!(target: "latchkey::http", "http");
        });
        assert!(part.contains("store") && !part.contains("http"), "{part}");
    }

    #[test]
    fn only_levels_and_own_targets_are_taken() {
        for level in [
            "",
            "loud",
            "info,",
            "hyper=trace",
            "info,surrealdb=trace",
            "latchkey[x]=info",
        ] {
            assert!(filter(level).is_err(), "{level}");
        }
    }
}
