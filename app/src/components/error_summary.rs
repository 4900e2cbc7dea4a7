use leptos::prelude::*;

use super::anew;
use crate::texts::{KeptTexts, Key, key};

/// What is said by the summary itself.
pub const SUMMARY_TEXTS: [Key; 1] = [key::ERROR_SUMMARY];

/// The id by which it is given the focus.
pub const ERROR_SUMMARY: &str = "error-summary";

/// A field that was at fault when the form was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field's id.
    pub field: &'static str,
    pub sentence: String,
}

/// Everything that was wrong with a form, above it, each with a way to its field. It takes the
/// focus, so that it is read first: with the page, where the server has drawn it, else by the form.
#[component]
pub fn ErrorSummary(faults: RwSignal<Vec<Fault>>, texts: KeptTexts) -> impl IntoView {
    let draw = move |faults: Vec<Fault>| {
        let faults = faults
            .into_iter()
            .map(|Fault { field, sentence }| {
                view! {
                    <li>
                        <a href=format!("#{field}")>{sentence}</a>
                    </li>
                }
            })
            .collect::<Vec<_>>();
        (!faults.is_empty()).then(|| {
            view! {
                <div
                    class="summary"
                    id=ERROR_SUMMARY
                    role="group"
                    tabindex="-1"
                    autofocus
                    aria-labelledby="error-summary-title"
                >
                    <h2 class="summary__title" id="error-summary-title">
                        {texts.get(key::ERROR_SUMMARY)}
                    </h2>
                    <ul class="summary__faults">{faults}</ul>
                </div>
            }
        })
    };
    anew(move || faults.get(), draw)
}
