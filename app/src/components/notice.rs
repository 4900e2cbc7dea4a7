use leptos::prelude::*;

use crate::view::{self, Tone};

/// A sentence above a form, read out as soon as it appears.
#[component]
pub fn Notice(notice: view::Notice) -> impl IntoView {
    let (class, role) = match notice.tone {
        Tone::Information => ("notice", "status"),
        Tone::Problem => ("notice notice--problem", "alert"),
    };
    view! {
        <p class=class role=role>
            {notice.text}
        </p>
    }
}
