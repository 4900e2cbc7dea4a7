use leptos::prelude::*;

use super::{Field, FieldState, hydrated};

const SHOW: &str = "Show";
const HIDE: &str = "Hide";
const SHOW_PASSWORD: &str = "Show password";
const HIDE_PASSWORD: &str = "Hide password";

/// A field for a password, with a button that shows it while somebody reads it over.
///
/// Pressing it leaves the focus in the field, for whoever is still writing is not to be checked.
#[component]
pub fn PasswordField(
    state: FieldState,
    #[prop(into)] label: String,
    #[prop(into)] autocomplete: String,
    #[prop(optional, into)] hint: String,
    /// While the form is under way the password is hidden again, so that browsers offer to keep it.
    #[prop(into)]
    busy: Signal<bool>,
) -> impl IntoView {
    let shown = RwSignal::new(false);
    let hydrated = hydrated();
    let visible = Signal::derive(move || shown.get() && !busy.get());
    let kind = Signal::derive(move || if visible.get() { "text" } else { "password" });
    let toggle = move || {
        hydrated.get().then(|| {
            view! {
                <button
                    type="button"
                    class="field__toggle"
                    aria-controls=state.name
                    aria-label=move || if visible.get() { HIDE_PASSWORD } else { SHOW_PASSWORD }
                    on:mousedown=|event| event.prevent_default()
                    on:click=move |_| shown.update(|shown| *shown = !*shown)
                >
                    {move || if visible.get() { HIDE } else { SHOW }}
                </button>
            }
        })
    };

    view! {
        <Field state label autocomplete hint kind>
            {toggle}
        </Field>
    }
}
