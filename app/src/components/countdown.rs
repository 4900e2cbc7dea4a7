use leptos::prelude::*;
use std::time::Duration;

/// How often a running countdown looks at the clock: often enough never to skip a second.
const TICK: Duration = Duration::from_millis(250);

/// Seconds that run out while the page is looked at. On the server it stands still.
#[derive(Clone, Copy)]
pub struct Countdown {
    seconds: RwSignal<u64>,
    /// By the browser's wall clock, which goes on while the machine sleeps; milliseconds.
    deadline: StoredValue<f64>,
}

impl Countdown {
    /// Counts from the moment that the page was asked for.
    #[must_use]
    pub fn new(milliseconds: u64) -> Self {
        let countdown = Self {
            seconds: RwSignal::new(milliseconds.div_ceil(1000)),
            deadline: StoredValue::new(0.0),
        };
        Effect::new(move || {
            let since_asked_for = window().performance().map_or(0.0, |clock| clock.now());
            countdown.run_until(milliseconds, since_asked_for);
            let ticking = set_interval_with_handle(move || countdown.tick(), TICK);
            on_cleanup(move || {
                if let Ok(ticking) = ticking {
                    ticking.clear();
                }
            });
        });
        countdown
    }

    /// Starts anew, from now.
    pub fn restart(&self, milliseconds: u64) {
        self.run_until(milliseconds, 0.0);
    }

    /// Whole seconds left, rounded up.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds.get()
    }

    /// Minutes and seconds left, as `1:05`.
    #[must_use]
    pub fn clock(&self) -> String {
        let seconds = self.seconds();
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.seconds() == 0
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "lives are minutes, not millennia"
    )]
    fn run_until(&self, milliseconds: u64, elapsed: f64) {
        self.deadline
            .set_value(js_sys::Date::now() - elapsed + milliseconds as f64);
        self.tick();
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from f64 saturates: past the deadline nothing is left"
    )]
    fn tick(&self) {
        let left = self.deadline.get_value() - js_sys::Date::now();
        let seconds = (left / 1000.0).ceil() as u64;
        if self.seconds.get_untracked() != seconds {
            self.seconds.set(seconds);
        }
    }
}
