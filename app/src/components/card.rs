use leptos::prelude::*;

use crate::texts::{key, say};

/// Of a sign-up: the form, and the code.
const STEPS: u64 = 2;

/// The one sheet that a page's matter stands on.
#[component]
pub fn Card(
    /// The page's heading.
    #[prop(into)]
    heading: String,
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

    view! {
        <section class="card">
            <div class="card__head">{step} <h1>{heading}</h1></div>
            {children()}
        </section>
    }
}
