//! The parts that pages are made of, one of each kind.

mod button;
mod card;
mod countdown;
mod field;
mod form;
mod notice;
mod password_field;

pub use button::Button;
pub use card::Card;
pub use countdown::Countdown;
pub use field::{Field, FieldState};
pub use form::{FormState, Next, ask};
pub use notice::Notice;
pub use password_field::PasswordField;

use leptos::prelude::*;

/// False on the server and in the first moment of a page, true once the browser runs it: for
/// controls that would do nothing without JavaScript.
#[must_use]
pub fn hydrated() -> ReadSignal<bool> {
    let (hydrated, set_hydrated) = signal(false);
    Effect::new(move || set_hydrated.set(true));
    hydrated
}
