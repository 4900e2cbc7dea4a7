//! The parts that pages are made of, one of each kind.

mod anew;
mod button;
mod card;
mod code_field;
mod countdown;
mod email_field;
mod error_summary;
mod field;
mod form;
mod notice;
mod password_field;
mod preferences;

pub use anew::{anew, text_anew};
pub use button::Button;
pub use card::Card;
pub use code_field::{CODE_TEXTS, CodeField};
pub use countdown::Countdown;
pub use email_field::{EMAIL_TEXTS, EmailField};
pub use error_summary::{ERROR_SUMMARY, ErrorSummary, Fault, SUMMARY_TEXTS};
pub use field::{Field, FieldState};
pub use form::{FORM_TEXTS, FormState, Next, ask};
pub use notice::Notice;
pub use password_field::{PASSWORD_TEXTS, PasswordField, STRENGTH_TEXTS};
pub use preferences::PreferencesForm;

use leptos::prelude::*;

/// False on the server and in the first moment of a page, true once the browser runs it: for
/// controls that would do nothing without JavaScript.
#[must_use]
pub fn hydrated() -> ReadSignal<bool> {
    let (hydrated, set_hydrated) = signal(false);
    Effect::new(move || set_hydrated.set(true));
    hydrated
}
