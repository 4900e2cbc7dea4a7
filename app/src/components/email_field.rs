use leptos::{ev::Event, prelude::*};

use super::{Field, FieldState, anew};
use crate::{
    domain::probable_address,
    texts::{KeptTexts, Key, key},
};

/// What is said by the field itself.
pub const EMAIL_TEXTS: [Key; 2] = [key::EMAIL, key::DID_YOU_MEAN];

/// A field for an address that asks, once it is left, whether a slip in its domain was meant.
#[component]
pub fn EmailField(
    state: FieldState,
    texts: KeptTexts,
    #[prop(into)] autocomplete: String,
    /// Where it is not simply the address.
    #[prop(optional, into)]
    label: Option<String>,
    #[prop(optional, into)] hint: String,
    /// What the server kept of it.
    #[prop(optional, into)]
    value: String,
) -> impl IntoView {
    let probable = RwSignal::new(None::<String>);
    // Asked when the field is left, and taken back with the next key.
    let leave = move |event: Event| probable.set(probable_address(&event_target_value(&event)));
    let edit = move |_: Event| {
        if probable.read_untracked().is_some() {
            probable.set(None);
        }
    };
    let accept = move |_| {
        let Some(address) = probable.get_untracked() else {
            return;
        };
        if let Some(field) = state.input() {
            field.set_value(&address);
            // Focus first: the button, which has it, is about to go.
            _ = field.focus();
        }
        state.check(address);
        probable.set(None);
    };
    let advice = view! {
        <div aria-live="polite">
            {anew(
                move || probable.get(),
                move |address| {
                    address
                        .map(|address| {
                            view! {
                                <p class="field__advice">
                                    {texts.get(key::DID_YOU_MEAN)} " "
                                    <button
                                        type="button"
                                        class="link-button"
                                        on:mousedown=|event| event.prevent_default()
                                        on:click=accept
                                    >
                                        {address}
                                    </button> "?"
                                </p>
                            }
                        })
                },
            )}
        </div>
    }
    .into_any();

    view! {
        <Field
            state
            label=label.unwrap_or_else(|| texts.get(key::EMAIL))
            autocomplete
            inputmode="email"
            hint
            value
            advice
            on:change=leave
            on:input=edit
        />
    }
}
