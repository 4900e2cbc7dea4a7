use js_sys::{Function, Object, Reflect};
use leptos::{either::Either, prelude::*};
use wasm_bindgen::{JsCast, JsValue};

use crate::view::{self, Tone};

/// A sentence above a form, read out as soon as it appears: also where it says the same as the one
/// before it, so each is an element of its own.
#[component]
pub fn Notice(#[prop(into)] notice: Signal<Option<view::Notice>>) -> impl IntoView {
    let is_odd = StoredValue::new(false);
    move || {
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
        is_odd.update_value(|is_odd| *is_odd = !*is_odd);
        if is_odd.get_value() {
            Either::Left(paragraph)
        } else {
            Either::Right(paragraph)
        }
    }
}

/// Scrolls to the notice, if there is one out of sight, once it is drawn. The focus stays.
pub fn show_notice() {
    request_animation_frame(|| {
        if let Ok(Some(notice)) = document().query_selector(".notice") {
            _ = scroll_to(&notice);
        }
    });
}

/// As little as it takes, and at once: nobody has asked for a ride.
fn scroll_to(element: &JsValue) -> Result<(), JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"block".into(), &"nearest".into())?;
    let scroll: Function = Reflect::get(element, &"scrollIntoView".into())?.dyn_into()?;
    scroll.call1(element, &options)?;
    Ok(())
}
