//! `/verify`: the code from the mail, which proves that the address is one's own.

mod from_anywhere;
mod pending;
mod progress;

use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use super::{site, title_of};
use crate::{
    answer::{Answer, Refusal},
    components::Card,
    domain::VerificationCode,
    view::{Notice, Tone, VerifyView},
};
use from_anywhere::FromAnywhereForm;
use pending::PendingForms;

const TITLE: &str = "Enter your code";
const DESCRIPTION: &str = "Enter the code from the mail to finish signing up.";
/// As the contract calls it.
const CODE_NAME: &str = "verification_code";
const CODE: &str = "Verification code";
const SUBMIT: &str = "Verify";
const SUBMITTING: &str = "Verifying …";
const MAILBOX_LEAD: &str = "Development:";
const MAILBOX: &str = "open the mailbox";

const WRONG: &str = "That is not the code in the latest mail.";
const WRONG_FOR_GOOD: &str =
    "That is not the code, and it was the last attempt. Ask for a new code.";
const STALE: &str = "This code is stale. Ask for a new one.";
const STALE_ANYWHERE: &str =
    "This code is stale. Sign up again with the same address and password to get a new one.";
const STALE_BUT_QUEUED: &str =
    "This code is stale. The mail that is about to leave brings a new one.";
const UNDELIVERABLE: &str = "The mail could not be delivered. Check the address; if it is wrong, start again with the right one.";
const GONE: &str = "This sign-up is over. Sign up again to get a new code.";
const NOT_THE_PASSWORD: &str = "No sign-up has this address and this password. Check both.";
const VERIFIED_ALREADY: &str = "This account is verified already: there is nothing left to do.";

fn wrong(attempts_left: Option<u32>) -> String {
    match attempts_left {
        Some(0) => WRONG_FOR_GOOD.to_owned(),
        Some(left) => format!("{WRONG} {}", attempts(left)),
        None => WRONG.to_owned(),
    }
}

fn attempts(left: u32) -> String {
    let noun = if left == 1 { "attempt" } else { "attempts" };
    format!("{left} {noun} left.")
}

fn stale() -> Notice {
    Notice {
        tone: Tone::Problem,
        text: STALE.to_owned(),
    }
}

fn undeliverable() -> Notice {
    Notice {
        tone: Tone::Problem,
        text: UNDELIVERABLE.to_owned(),
    }
}

fn digits_hint(digits: u8) -> String {
    match digits {
        0 => String::new(),
        _ => format!("{digits} digits, as they stand in the mail."),
    }
}

/// Four to eight digits, whatever `code.digits` says now: a code may be older than the setting.
fn check_code(text: &str) -> Option<String> {
    VerificationCode::parse(text)
        .err()
        .map(|error| error.to_string())
}

impl VerifyView {
    /// Says why the form came back, and what has become of the claim.
    pub fn refused(&mut self, answer: &Answer) {
        self.fields = answer.fields.clone();
        self.notice = None;
        let has_claim = self.claim.is_some();
        let text = match answer.refusal {
            Some(Refusal::CodeWrong) => {
                self.fields.verification_code = Some(wrong(answer.attempts_left));
                if let (Some(claim), Some(left)) = (&mut self.claim, answer.attempts_left) {
                    claim.attempts_left = left;
                }
                return;
            }
            Some(Refusal::CodeStale) => match &mut self.claim {
                None => STALE_ANYWHERE,
                Some(claim) if claim.is_queued() && claim.attempts_left > 0 => STALE_BUT_QUEUED,
                Some(claim) => {
                    claim.code_expires_in_ms = 0;
                    STALE
                }
            },
            Some(Refusal::Unauthorized) if has_claim => GONE,
            Some(Refusal::Unauthorized) => NOT_THE_PASSWORD,
            Some(Refusal::AlreadyVerified) => {
                self.notice = Some(Notice {
                    tone: Tone::Information,
                    text: VERIFIED_ALREADY.to_owned(),
                });
                return;
            }
            _ if !self.fields.is_empty() => return,
            _ => &answer.message,
        };
        self.notice = Some(Notice {
            tone: Tone::Problem,
            text: text.to_owned(),
        });
    }

    fn is_refused(&self) -> bool {
        !self.fields.is_empty()
            || self
                .notice
                .as_ref()
                .is_some_and(|notice| notice.tone == Tone::Problem)
    }
}

/// `/verify`: asks for the code alone where the claim was made, else for the password as well.
#[component]
pub fn VerifyPage() -> impl IntoView {
    let form = use_context::<VerifyView>().unwrap_or_default();
    let title = title_of(TITLE, form.is_refused());
    let forms = if form.claim.is_some() {
        view! { <PendingForms form /> }.into_any()
    } else {
        view! { <FromAnywhereForm form /> }.into_any()
    };

    view! {
        <Title text=title />
        <Meta name="description" content=DESCRIPTION />
        <Card heading=TITLE>
            {forms}
            {site()
                .mailbox
                .map(|mailbox| {
                    view! {
                        <p class="aside">
                            {MAILBOX_LEAD} " "
                            <a href=mailbox target="_blank" rel="noopener">
                                {MAILBOX}
                            </a>
                        </p>
                    }
                })}
        </Card>
    }
}
