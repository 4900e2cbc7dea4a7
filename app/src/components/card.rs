use leptos::prelude::*;

/// The one sheet that a page's matter stands on.
#[component]
pub fn Card(
    /// The page's heading.
    #[prop(into)]
    heading: String,
    children: Children,
) -> impl IntoView {
    view! {
        <section class="card">
            <h1>{heading}</h1>
            {children()}
        </section>
    }
}
