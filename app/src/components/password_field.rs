use leptos::{
    ev::{Event, KeyboardEvent},
    prelude::*,
};
use wasm_bindgen::JsCast;

use super::{Field, FieldState, anew, hydrated, text_anew};
use crate::{
    domain::PasswordStrength,
    texts::{KeptTexts, Key, key},
};

/// What is said by the field itself.
pub const PASSWORD_TEXTS: [Key; 6] = [
    key::PASSWORD,
    key::SHOW,
    key::HIDE,
    key::SHOW_PASSWORD,
    key::HIDE_PASSWORD,
    key::CAPS_LOCK,
];

/// What is said about a password that is being chosen.
pub const STRENGTH_TEXTS: [Key; 4] = [
    key::STRENGTH_WEAK,
    key::STRENGTH_FAIR,
    key::STRENGTH_GOOD,
    key::STRENGTH_STRONG,
];

/// A field for a password, with a button that shows it while somebody reads it over.
///
/// Pressing it leaves the focus in the field, for whoever is still writing is not to be checked.
#[component]
pub fn PasswordField(
    state: FieldState,
    texts: KeptTexts,
    #[prop(into)] autocomplete: String,
    #[prop(optional, into)] hint: String,
    /// Whether it is being chosen: then its strength is told.
    #[prop(optional)]
    is_new: bool,
    /// While the form is under way the password is hidden again, so that browsers offer to keep it.
    #[prop(into)]
    busy: Signal<bool>,
) -> impl IntoView {
    let shown = RwSignal::new(false);
    let caps_lock = RwSignal::new(false);
    let strength = RwSignal::new(None::<PasswordStrength>);
    let hydrated = hydrated();
    let visible = Signal::derive(move || shown.get() && !busy.get());
    let kind = Signal::derive(move || if visible.get() { "text" } else { "password" });

    // Browsers that fill a form in send an event of this name that is none of the keyboard's.
    let look_at_caps_lock = move |event: KeyboardEvent| {
        if event.has_type::<KeyboardEvent>() {
            let is_on = event.get_modifier_state("CapsLock");
            if caps_lock.get_untracked() != is_on {
                caps_lock.set(is_on);
            }
        }
    };
    let weigh = move |event: Event| {
        let text = event_target_value(&event);
        let now = (is_new && !text.is_empty()).then(|| PasswordStrength::of(&text));
        if strength.get_untracked() != now {
            strength.set(now);
        }
    };
    let strength_text = move || {
        let key = match strength.get()? {
            // What is wrong says more.
            _ if state.error.read().is_some() => return None,
            PasswordStrength::Weak => key::STRENGTH_WEAK,
            PasswordStrength::Fair => key::STRENGTH_FAIR,
            PasswordStrength::Good => key::STRENGTH_GOOD,
            PasswordStrength::Strong => key::STRENGTH_STRONG,
        };
        Some(texts.get(key))
    };
    let advice = view! {
        <div aria-live="polite">
            {move || {
                caps_lock
                    .get()
                    .then(|| {
                        view! { <p class="field__advice">{texts.get(key::CAPS_LOCK)}</p> }
                    })
            }}
            {anew(strength_text, |text| text.map(|text| view! { <p class="field__advice">{text}</p> }))}
        </div>
    }
    .into_any();
    let toggle = move || {
        hydrated.get().then(|| {
            let name = move || {
                texts.get(if visible.get() {
                    key::HIDE_PASSWORD
                } else {
                    key::SHOW_PASSWORD
                })
            };
            let word = move || texts.get(if visible.get() { key::HIDE } else { key::SHOW });
            view! {
                <button
                    type="button"
                    class="field__toggle"
                    aria-controls=state.name
                    aria-label=name
                    on:mousedown=|event| event.prevent_default()
                    on:click=move |_| shown.update(|shown| *shown = !*shown)
                >
                    {text_anew(word)}
                </button>
            }
        })
    };

    view! {
        <Field
            state
            label=texts.get(key::PASSWORD)
            autocomplete
            hint
            kind
            advice
            on:keydown=look_at_caps_lock
            on:keyup=look_at_caps_lock
            on:input=weigh
        >
            {toggle}
        </Field>
    }
}
