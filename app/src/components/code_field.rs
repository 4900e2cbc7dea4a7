use std::time::Duration;

use leptos::{ev::Event, html, leptos_dom::helpers::TimeoutHandle, prelude::*};

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
    let wait = NodeRef::<html::Button>::new();
    let typed_while_busy = StoredValue::new(false);
    let stop = move || {
        let Some(timeout) = leaving.get_untracked() else {
            return;
        };
        timeout.clear();
        // Focus first: the button, which may have it, is about to go.
        let has_focus = (wait.get_untracked().zip(document().active_element()))
            .is_some_and(|(wait, focused)| **wait == focused);
        if has_focus && let Some(field) = state.input() {
            _ = field.focus();
        }
        leaving.set(None);
    };
    on_cleanup(stop);
    let send_if_complete = move || {
        let Some(field) = state.input() else {
            return;
        };
        let Ok(code) = VerificationCode::parse(&field.value()) else {
            return;
        };
        let is_complete = code.expose().len() == usize::from(digits);
        // Nobody means to lose a second attempt to it.
        let is_known_as_wrong = (state.refused_text())
            .and_then(|refused| VerificationCode::parse(&refused).ok())
            .is_some_and(|refused| refused.expose() == code.expose());
        if !is_complete || is_known_as_wrong {
            return;
        }
        let send = move || {
            stop();
            if let Some(form) = field.form() {
                _ = form.request_submit();
            }
        };
        leaving.set(set_timeout_with_handle(send, GRACE).ok());
    };
    let edit = move |_: Event| {
        stop();
        typed_while_busy.set_value(busy.get_untracked());
        if !busy.get_untracked() {
            send_if_complete();
        }
    };
    Effect::new(move || {
        if busy.get() {
            stop();
        } else if typed_while_busy.get_value() {
            typed_while_busy.set_value(false);
            send_if_complete();
        }
    });
    // Its place is kept from the start, so that nothing moves when it comes true.
    let advice = view! {
        <p
            class="field__advice"
            class:field__advice--asleep=move || !hydrated.get() || digits == 0
            aria-live="polite"
        >
            {move || {
                if leaving.get().is_none() {
                    let words = texts.get(key::VERIFY_CODE_SENT_BY_ITSELF);
                    return view! { <span>{words}</span> }.into_any();
                }
                view! {
                    <span>{texts.get(key::VERIFY_CODE_ABOUT_TO_LEAVE)}</span>
                    " "
                    <button
                        type="button"
                        class="link-button"
                        node_ref=wait
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
