use std::time::Duration;

use leptos::{ev::Event, leptos_dom::helpers::TimeoutHandle, prelude::*};
use web_sys::HtmlInputElement;

use super::{Field, FieldState, hydrated};
use crate::{
    domain::VerificationCode,
    texts::{KeptTexts, Key, key},
};

/// How long a complete code stands there before it is sent: long enough to see a slip, and to
/// press "Wait".
const GRACE: Duration = Duration::from_millis(1_500);

/// What is said by the field itself.
pub const CODE_TEXTS: [Key; 5] = [
    key::VERIFY_CODE,
    key::VERIFY_DIGITS,
    key::VERIFY_CODE_SENT_BY_ITSELF,
    key::VERIFY_CODE_ABOUT_TO_LEAVE,
    key::VERIFY_CODE_WAIT,
];

/// A field for a code, which sends its form once the code is complete, unless somebody stops it:
/// a guess costs an attempt, so it must not leave unseen.
#[component]
pub fn CodeField(
    state: FieldState,
    texts: KeptTexts,
    /// How many digits make it complete; 0 when nobody knows.
    digits: u8,
    /// What the server kept of it.
    #[prop(into)]
    value: String,
    /// The form is under way already.
    #[prop(into)]
    busy: Signal<bool>,
) -> impl IntoView {
    let hydrated = hydrated();
    let leaving = RwSignal::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(timeout) = leaving.get_untracked() {
            timeout.clear();
            leaving.set(None);
        }
    };
    on_cleanup(stop);
    Effect::new(move || {
        if busy.get() {
            stop();
        }
    });
    let edit = move |event: Event| {
        stop();
        let is_complete = VerificationCode::parse(&event_target_value(&event))
            .is_ok_and(|code| code.expose().len() == usize::from(digits));
        if !is_complete || busy.get_untracked() {
            return;
        }
        let field: HtmlInputElement = event_target(&event);
        let send = move || {
            leaving.set(None);
            if let Some(form) = field.form() {
                _ = form.request_submit();
            }
        };
        leaving.set(set_timeout_with_handle(send, GRACE).ok());
    };
    // Its place is kept from the start, so that nothing moves when it comes true.
    let advice = view! {
        <p
            class="field__advice"
            class:field__advice--asleep=move || !hydrated.get() || digits == 0
            aria-live="polite"
        >
            {move || {
                if leaving.get().is_none() {
                    return texts.get(key::VERIFY_CODE_SENT_BY_ITSELF).into_any();
                }
                view! {
                    {texts.get(key::VERIFY_CODE_ABOUT_TO_LEAVE)}
                    " "
                    <button
                        type="button"
                        class="link-button"
                        on:mousedown=|event| event.prevent_default()
                        on:click=move |_| stop()
                    >
                        {texts.get(key::VERIFY_CODE_WAIT)}
                    </button>
                }
                    .into_any()
            }}
        </p>
    }
    .into_any();

    view! {
        <Field
            state
            label=texts.get(key::VERIFY_CODE)
            hint=texts.get(key::VERIFY_DIGITS)
            autocomplete="one-time-code"
            inputmode="numeric"
            value
            advice
            on:input=edit
        />
    }
}
