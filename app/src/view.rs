//! What each page shows: plain values that the server's handlers fill in and pages draw.
//!
//! A handler provides [`Site`] and the view of its page as Leptos contexts. Everything in here
//! may reach the browser, so nothing secret has a place.

use serde::{Deserialize, Serialize};

use crate::{domain::PasswordRules, language::Language, theme::Theme};

/// How somebody reads the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    pub language: Language,
    pub theme: Theme,
    /// Where a change of these leads back to: the path of the page.
    pub back: String,
}

/// What every page knows of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// `service.name`.
    pub service_name: String,
    /// `links.after`: where a verified person goes next.
    pub after: Option<String>,
    /// `links.terms`.
    pub terms: Option<String>,
    /// `links.privacy`.
    pub privacy: Option<String>,
    /// Path of the development mailbox, when mail goes there.
    pub mailbox: Option<String>,
}

/// What is wrong with which field: one sentence each, for the person who filled it in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldErrors {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_code: Option<String>,
}

impl FieldErrors {
    /// Whether no field is at fault.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The page `/register`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterView {
    /// The address as typed, kept when the form comes back. The password never is.
    pub email: String,
    pub fields: FieldErrors,
    /// What went wrong with the form as a whole (busy, taken, too many …).
    pub notice: Option<String>,
    /// What the browser checks while the password is typed.
    pub rules: PasswordRules,
}

/// The page `/verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyView {
    /// The claim that this browser has just made; then its form asks for the code alone.
    pub claim: Option<PendingClaim>,
    /// The address as typed, kept when the form without a claim comes back, or a correction does.
    pub email: String,
    /// The code as typed, kept when the form comes back and it was not the code's fault.
    pub code: String,
    pub fields: FieldErrors,
    /// What went wrong with the form as a whole, or what just happened ("a new code is on its way").
    pub notice: Option<Notice>,
    /// `code.digits`, for the field's hint.
    pub code_digits: u8,
}

/// A sentence above a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
}

/// How a notice is meant, and so how it looks and whether a screen reader interrupts for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Information,
    Problem,
}

/// A claim as its own browser may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingClaim {
    /// The address as typed.
    pub email: String,
    /// The short reference that the mail shows too.
    pub reference: String,
    /// What has become of its mail.
    pub mail: MailState,
    /// Milliseconds until the code is stale, 0 when it is; while its mail is queued, what it will
    /// have.
    pub code_expires_in_ms: u64,
    /// Guesses left for the current code.
    pub attempts_left: u32,
    /// Seconds until another mail may be asked for; 0 when now.
    pub resend_in_seconds: u64,
}

impl PendingClaim {
    /// Whether its mail has not left yet, so that its code's life has not begun.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.mail == MailState::Queued
    }
}

/// What has become of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// In the outbox, not yet taken by the relay.
    Queued,
    /// The relay answered 250: the code's life counts from then.
    Taken,
    /// The relay refused it for good.
    Refused,
}

/// The page `/not-me`, for whoever got a mail about a sign-up that was not theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotMeView {
    /// Asks whether to stop it.
    Ask {
        /// What the mail's link carries.
        token: String,
        /// The address, masked.
        email: String,
        /// The short reference that the mail shows too.
        reference: String,
    },
    /// It is stopped.
    Done,
    /// There is nothing (left) to stop.
    #[default]
    Stale,
}

/// The page `/welcome`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomeView {
    /// The verified address as typed.
    pub email: String,
    /// Since when it is verified.
    pub verified_at: Moment,
}

/// A minute in UTC, in parts, for each language to put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub year: u64,
    /// From 1.
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
}

impl Moment {
    /// For `<time datetime>`.
    #[must_use]
    pub fn machine_readable(self) -> String {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}Z")
    }
}

/// The page `/login`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginView {
    /// The address as typed, kept when the form comes back. The password never is.
    pub email: String,
    pub fields: FieldErrors,
    /// What went wrong with the form as a whole, or that somebody has just signed out.
    pub notice: Option<Notice>,
}

/// Any page that says that something did not work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// The HTTP status, shown small.
    pub status: u16,
    /// In a few words.
    pub title: String,
    /// What to do about it.
    pub message: String,
    /// The request's id, which the log has too.
    pub reference: Option<String>,
    /// What may work in a moment.
    pub again: Option<Again>,
}

/// How something is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Again {
    /// The page of this path is opened.
    Open(String),
    /// The same form is sent once more.
    Post {
        path: String,
        /// Names and what was typed.
        fields: Vec<(String, String)>,
    },
}
