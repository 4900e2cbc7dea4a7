//! How far something is that takes its time, told on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Tells how many of so many rows are done: on a terminal in one line that changes, else with a
/// line every ten seconds.
pub struct Progress {
    doing: &'static str,
    told: Instant,
    pause: Duration,
    is_terminal: bool,
}

impl Progress {
    /// Begins; `doing` stands before the numbers.
    #[must_use]
    pub fn of(doing: &'static str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self {
            doing,
            told: Instant::now(),
            pause: if is_terminal {
                Duration::from_millis(200)
            } else {
                Duration::from_secs(10)
            },
            is_terminal,
        }
    }

    /// So many are done, of so many where that is known.
    pub fn tell(&mut self, done: u64, all: impl Into<Option<u64>>) {
        if self.told.elapsed() >= self.pause {
            self.told = Instant::now();
            let of = all.into().map_or(String::new(), |all| format!(" of {all}"));
            self.write(&format!("{}: {done}{of} rows", self.doing));
        }
    }

    /// Takes the line that changes away.
    pub fn end(&self) {
        if self.is_terminal {
            self.write("");
        }
    }

    /// Nobody has to read it.
    fn write(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = if self.is_terminal {
            write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{text}")
        };
    }
}
