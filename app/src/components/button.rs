use leptos::prelude::*;

use super::text_anew;

/// Submits its form. While `busy` or `blocked` it looks so and stays reachable; the form itself
/// refuses to be posted twice.
///
/// Pressing it leaves the focus where it is: a field left by that would be checked then and there,
/// its error would push the button away from under the pointer, and the click would be lost.
#[component]
pub fn Button(
    #[prop(into)] label: Signal<String>,
    #[prop(into)] busy: Signal<bool>,
    #[prop(optional, into)] blocked: Signal<bool>,
    /// The deed beside the main one.
    #[prop(optional, into)]
    secondary: Signal<bool>,
) -> impl IntoView {
    view! {
        <button
            type="submit"
            class="button"
            class:button--secondary=move || secondary.get()
            class:button--busy=move || busy.get()
            aria-disabled=move || (busy.get() || blocked.get()).then_some("true")
            on:mousedown=|event| event.prevent_default()
        >
            {text_anew(move || label.get())}
        </button>
    }
}
