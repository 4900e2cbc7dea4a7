use leptos::{ev::SubmitEvent, prelude::*};

use super::pending::Pending;
use crate::{
    answer::Answer,
    components::{Button, EMAIL_TEXTS, EmailField, FieldState, FormState, Next},
    domain::{EmailAddress, EmailAddressError},
    texts::{Key, key},
};

/// What is said by the form itself.
pub(super) fn texts() -> impl Iterator<Item = Key> {
    let own = [
        key::VERIFY_OTHER_ADDRESS_LEAD,
        key::CORRECT_EMAIL,
        key::CORRECT_SUBMIT,
        key::CORRECT_SUBMITTING,
        key::CORRECT_KEEPS_PASSWORD,
    ];
    (own.into_iter())
        .chain(EMAIL_TEXTS)
        .chain(EmailAddressError::KEYS)
}

/// Another address for this sign-up, without the password. Folded up, with or without JavaScript,
/// unless it has just come back.
#[component]
pub(super) fn CorrectForm(
    pending: Pending,
    error: Option<String>,
    /// As typed, where the form comes back.
    typed: String,
) -> impl IntoView {
    let texts = pending.texts;
    let is_open = error.is_some() || !typed.is_empty();
    let email = FieldState::new("email", error, move |text| {
        let error = EmailAddress::parse(text).err()?;
        Some(texts.get(error.key()))
    });
    let state = FormState::sharing(texts, pending.notice);
    let show = move |answer: Answer| match answer.refusal {
        // Everything on the page is about the wrong one.
        None => Next::Leave("/verify"),
        Some(_) => state.refuse(&[email], answer),
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &[email], show);
    let label = move || {
        texts.get(if state.busy.get() {
            key::CORRECT_SUBMITTING
        } else {
            key::CORRECT_SUBMIT
        })
    };
    let reference = pending.claim.get_untracked().reference;

    view! {
        <details class="fold" open=is_open>
            // As with a button: an error beside the code would push it away under the pointer.
            <summary class="fold__summary" on:mousedown=|event| event.prevent_default()>
                {texts.get(key::VERIFY_OTHER_ADDRESS_LEAD)}
            </summary>
            <form class="form" method="post" action="/correct" novalidate on:submit=submit>
                <input type="hidden" name="reference" value=reference />
                <EmailField
                    state=email
                    texts
                    label=texts.get(key::CORRECT_EMAIL)
                    hint=texts.get(key::CORRECT_KEEPS_PASSWORD)
                    autocomplete="email"
                    value=typed
                />
                <Button label=Signal::derive(label) busy=state.busy secondary=true />
            </form>
        </details>
    }
}
