use leptos::prelude::*;

/// Submits its form. While `busy` or `blocked` it looks so and keeps the focus; the form itself
/// refuses to be posted twice.
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
        >
            {move || label.get()}
        </button>
    }
}
