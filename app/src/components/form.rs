use leptos::{
    ev::{SubmitEvent, pageshow},
    prelude::*,
    task::spawn_local,
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, FormData, Headers, HtmlFormElement, RequestCredentials, RequestInit, Response,
    UrlSearchParams,
};

use super::FieldState;
use crate::{
    answer::Answer,
    view::{self, Tone},
};

/// Longer than any answer takes that is still worth waiting for.
const TIMEOUT_MS: u32 = 30_000;

const UNREACHABLE: &str = "The server could not be reached. Check your connection and try again: nothing you typed is lost.";

/// A form that the browser posts by itself until it is hydrated, and that afterwards posts the
/// same fields to the same door and stays on the page when it is refused.
#[derive(Clone, Copy)]
pub struct FormState {
    /// What there is to say about the form as a whole.
    pub notice: RwSignal<Option<view::Notice>>,
    /// A post is under way.
    pub busy: RwSignal<bool>,
}

impl FormState {
    /// A form that starts with what the server has to say.
    #[must_use]
    pub fn new(notice: Option<view::Notice>) -> Self {
        Self::sharing(RwSignal::new(notice))
    }

    /// A second form that speaks in the place of the first.
    #[must_use]
    pub fn sharing(notice: RwSignal<Option<view::Notice>>) -> Self {
        let busy = RwSignal::new(false);
        // A page that comes back from the browser's memory is as it was when it was left.
        Effect::new(move || {
            let listener = window_event_listener(pageshow, move |_| busy.set(false));
            on_cleanup(move || listener.remove());
        });
        Self { notice, busy }
    }

    /// Says what is wrong with the form as a whole.
    pub fn problem(&self, text: impl Into<String>) {
        self.notice.set(Some(view::Notice {
            tone: Tone::Problem,
            text: text.into(),
        }));
    }

    /// Posts the form unless a field is at fault, then hands the answer to `then`.
    ///
    /// Stays busy when `then` says that it is leaving the page.
    pub fn submit(
        self,
        event: &SubmitEvent,
        fields: &[FieldState],
        then: impl FnOnce(Answer) -> Next + 'static,
    ) {
        event.prevent_default();
        if self.busy.get_untracked() {
            return;
        }
        let form: HtmlFormElement = event_target(event);
        let Ok(filled_in) = FormData::new_with_form(&form) else {
            return;
        };
        let mut faults = fields
            .iter()
            .filter(|field| {
                let text = filled_in.get(field.name).as_string().unwrap_or_default();
                !field.check(text)
            })
            .collect::<Vec<_>>()
            .into_iter();
        if let Some(first) = faults.next() {
            focus(first.name);
            return;
        }
        self.busy.set(true);
        self.notice.set(None);
        spawn_local(async move {
            let answer = post(&form.action(), &filled_in)
                .await
                .unwrap_or_else(|_| Answer::refused(UNREACHABLE));
            match then(answer) {
                Next::Leave(path) => {
                    // Nothing to say when it fails: the page is still there.
                    _ = window().location().assign(path);
                }
                Next::Stay => self.busy.set(false),
                Next::Correct(field) => {
                    self.busy.set(false);
                    focus(field);
                }
            }
        });
    }
}

/// What a page does after an answer.
pub enum Next {
    /// Goes to another page.
    Leave(&'static str),
    /// Stays as it is.
    Stay,
    /// Stays, with the cursor in this field.
    Correct(&'static str),
}

/// Moves the focus once the error that belongs to it is drawn.
fn focus(id: &'static str) {
    request_animation_frame(move || {
        if let Some(element) = document().get_element_by_id(id) {
            _ = element.unchecked_into::<web_sys::HtmlElement>().focus();
        }
    });
}

async fn post(action: &str, filled_in: &FormData) -> Result<Answer, JsValue> {
    let body = UrlSearchParams::new_with_str_sequence_sequence(filled_in)?;
    let request = RequestInit::new();
    request.set_method("POST");
    request.set_body(body.as_ref());
    fetch(action, &request).await
}

/// Asks the server for something that changes nothing.
///
/// # Errors
/// When it cannot be reached, or does not answer as it should.
pub async fn ask(path: &str) -> Result<Answer, JsValue> {
    fetch(path, &RequestInit::new()).await
}

async fn fetch(path: &str, request: &RequestInit) -> Result<Answer, JsValue> {
    let headers = Headers::new()?;
    headers.set("Accept", "application/json")?;
    request.set_headers(&headers);
    request.set_credentials(RequestCredentials::SameOrigin);
    request.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));

    let response = JsFuture::from(window().fetch_with_str_and_init(path, request)).await?;
    let body = JsFuture::from(response.unchecked_into::<Response>().text()?).await?;
    let body = body.as_string().unwrap_or_default();
    serde_json::from_str(&body).map_err(|_| JsValue::UNDEFINED)
}
