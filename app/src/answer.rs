//! What a deed answered, as far as a page has something to say to it.

use serde::Deserialize;

use crate::view::{FieldErrors, PendingClaim};

/// The JSON body of an answer. The server makes the same value to draw the page for a browser
/// without JavaScript, so that one function a page chooses the words for both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// A sentence for whoever reads the answer.
    pub message: String,
    /// Why the deed was refused; `None` when it was done.
    #[serde(rename = "error")]
    pub refusal: Option<Refusal>,
    /// What is wrong with which field.
    pub fields: FieldErrors,
    /// Guesses left after a wrong code.
    pub attempts_left: Option<u32>,
    /// The claim as it stands, after a resend or a correction, or when it was asked for.
    pub claim: Option<PendingClaim>,
}

/// The stable `error` of a refused deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    AlreadyVerified,
    CodeStale,
    CodeWrong,
    NotVerified,
    Unauthorized,
    /// Any other: its message says all that the page has to say.
    #[serde(other)]
    Other,
}

impl Answer {
    /// A refusal for which the page needs no words of its own.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            refusal: Some(Refusal::Other),
            ..Self::default()
        }
    }
}
