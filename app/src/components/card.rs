use leptos::prelude::*;

use crate::texts::{key, say};

/// Of a sign-up: the form, and the code.
const STEPS: u64 = 2;

/// The one sheet that a page's matter stands on.
#[component]
pub fn Card(
    /// The page's heading, or, where a page has several sheets, this one's.
    #[prop(into)]
    heading: String,
    /// Whether it is one of several, on a page that has a heading of its own.
    #[prop(optional)]
    is_one_of_several: bool,
    /// Which step of a sign-up this is, where it is one.
    #[prop(optional)]
    step: Option<u64>,
    children: Children,
) -> impl IntoView {
    let step = step.map(|step| {
        view! {
            <p class="card__step">{say(key::STEP.with("step", step).with("steps", STEPS))}</p>
        }
    });

    let heading = if is_one_of_several {
        view! { <h2 class="card__heading">{heading}</h2> }.into_any()
    } else {
        view! { <h1 class="card__heading">{heading}</h1> }.into_any()
    };

    view! {
        <section class="card">
            <div class="card__head">{step} {heading}</div>
            {children()}
        </section>
    }
}
