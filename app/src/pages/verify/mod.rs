//! `/verify`: the code from the mail, which proves that the address is one's own.

mod correct;
mod from_anywhere;
mod pending;
mod progress;

use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use super::{site, title_of};
use crate::{
    answer::{Answer, Refusal},
    components::{Card, Next},
    domain::VerificationCode,
    texts::{KeptTexts, key, say},
    view::{Notice, Tone, VerifyView},
};
use from_anywhere::FromAnywhereForm;
use pending::PendingForms;

/// As the contract calls it.
const CODE_NAME: &str = "verification_code";

/// Where it goes on when another tab, another browser or an answer that got lost has verified the
/// account: the page to sign in on, which leads to `/welcome` by itself where this browser is.
const ALREADY_VERIFIED: Next = Next::Leave("/login?verified");

/// Four to eight digits, whatever `code.digits` says now: a code may be older than the setting.
fn check_code(text: &str, texts: KeptTexts) -> Option<String> {
    let error = VerificationCode::parse(text).err()?;
    Some(texts.get(error.key()))
}

impl VerifyView {
    /// Says why the form came back, and what has become of the claim.
    pub fn refused(&mut self, answer: &Answer) {
        self.fields = answer.fields.clone();
        self.notice = None;
        if let Some(claim) = &mut self.claim {
            if let Some(left) = answer.attempts_left {
                claim.attempts_left = left;
            }
            if answer.refusal == Some(Refusal::CodeStale)
                && !(claim.is_queued() && claim.attempts_left > 0)
            {
                claim.code_expires_in_ms = 0;
            }
        }
        if self.fields.is_empty() {
            let tone = match answer.refusal {
                Some(Refusal::AlreadyVerified) => Tone::Information,
                _ => Tone::Problem,
            };
            let text = answer.message.clone();
            self.notice = Some(Notice { tone, text });
        }
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
    let title = title_of(key::VERIFY_TITLE, form.is_refused());
    let forms = if form.claim.is_some() {
        let texts = pending::texts(&form);
        view! { <PendingForms form texts /> }.into_any()
    } else {
        let texts = from_anywhere::texts(&form);
        view! { <FromAnywhereForm form texts /> }.into_any()
    };
    let mailbox = site().mailbox.map(|mailbox| {
        view! {
            <p class="aside">
                {say(key::VERIFY_MAILBOX_LEAD)} " "
                <a href=mailbox target="_blank" rel="noopener">
                    {say(key::VERIFY_MAILBOX)}
                </a>
            </p>
        }
    });

    view! {
        <Title text=title />
        <Meta name="description" content=say(key::VERIFY_DESCRIPTION) />
        <Card heading=say(key::VERIFY_TITLE) step=2>
            {forms} {mailbox}
        </Card>
    }
}
