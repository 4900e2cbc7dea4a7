use leptos::prelude::*;
use web_sys::{ScrollIntoViewOptions, ScrollLogicalPosition};

use super::anew::anew_each_time;
use crate::view::{self, Tone};

/// A sentence above a form, read out as soon as it appears: also where it says the same as the one
/// before it, so each is an element of its own.
#[component]
pub fn Notice(#[prop(into)] notice: Signal<Option<view::Notice>>) -> impl IntoView {
    anew_each_time(Box::new(move || {
        let paragraph = notice.get().map(|notice| {
            let (class, role) = match notice.tone {
                Tone::Information => ("notice", "status"),
                Tone::Problem => ("notice notice--problem", "alert"),
            };
            view! {
                <p class=class role=role>
                    {notice.text}
                </p>
            }
        });
        paragraph.into_any()
    }))
}

/// Scrolls to the notice, if there is one out of sight, once it is drawn: as little as it takes, and at
/// once, for nobody has asked for a ride. The focus stays.
pub fn show_notice() {
    request_animation_frame(|| {
        let options = ScrollIntoViewOptions::new();
        options.set_block(ScrollLogicalPosition::Nearest);
        if let Ok(Some(notice)) = document().query_selector(".notice") {
            notice.scroll_into_view_with_scroll_into_view_options(&options);
        }
    });
}
