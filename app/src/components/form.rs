use std::time::Duration;

use leptos::{
    ev::{SubmitEvent, pageshow},
    prelude::*,
    task::spawn_local,
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, FormData, Headers, HtmlElement, HtmlFormElement, HtmlInputElement,
    RequestCredentials, RequestInit, Response, UrlSearchParams,
};

use super::{ERROR_SUMMARY, Fault, FieldState, notice::show_notice};
use crate::{
    answer::Answer,
    texts::{KeptTexts, Key, key},
    view::{self, FieldErrors, Tone},
};

/// What is said by any form.
pub const FORM_TEXTS: [Key; 1] = [key::UNREACHABLE];

/// Longer than any answer, or any page, takes that is still worth waiting for.
const TIMEOUT_MS: u32 = 30_000;

/// A form that the browser posts by itself until it is hydrated, and that afterwards posts the
/// same fields to the same door and stays on the page when it is refused.
#[derive(Clone, Copy)]
pub struct FormState {
    /// What there is to say about the form as a whole.
    pub notice: RwSignal<Option<view::Notice>>,
    /// What was wrong when the form was sent, for the summary above it.
    pub faults: RwSignal<Vec<Fault>>,
    /// A post is under way.
    pub busy: RwSignal<bool>,
    /// Whether there is a summary; where there is but one field, that field says it all.
    is_summarised: bool,
    texts: KeptTexts,
}

impl FormState {
    /// A form that starts with what the server has to say about it and its fields, which are
    /// summed up above it.
    #[must_use]
    pub fn new(texts: KeptTexts, notice: Option<view::Notice>, fields: &[FieldState]) -> Self {
        let state = Self {
            is_summarised: true,
            ..Self::sharing(texts, RwSignal::new(notice))
        };
        state.faults.set(faults_of(fields));
        state
    }

    /// A form of one field at most, that speaks in the place of another.
    #[must_use]
    pub fn sharing(texts: KeptTexts, notice: RwSignal<Option<view::Notice>>) -> Self {
        let busy = RwSignal::new(false);
        // A page that comes back from the browser's memory is as it was when it was left.
        Effect::new(move || {
            let listener = window_event_listener(pageshow, move |_| busy.set(false));
            on_cleanup(move || listener.remove());
        });
        Self {
            notice,
            faults: RwSignal::new(Vec::new()),
            busy,
            is_summarised: false,
            texts,
        }
    }

    /// Says what is wrong with the form as a whole.
    pub fn problem(&self, text: impl Into<String>) {
        self.notice.set(Some(view::Notice {
            tone: Tone::Problem,
            text: text.into(),
        }));
    }

    /// Says beside each field what the server found wrong with it, or what is wrong with the form
    /// where it is no field.
    #[must_use]
    pub fn refuse(self, fields: &[FieldState], answer: Answer) -> Next {
        let FieldErrors {
            email,
            password,
            verification_code,
        } = answer.fields;
        let errors = [
            ("email", email),
            ("password", password),
            ("verification_code", verification_code),
        ];
        let mut is_outdated = false;
        for (name, error) in errors {
            if let Some(field) = fields.iter().find(|field| field.name == name) {
                is_outdated |= error.is_some() && !field.is_as_sent();
                field.refuse(error);
            }
        }
        self.notice.set(None);
        self.faults.set(Vec::new());
        match self.sum_up(fields) {
            Some(id) => return Next::Correct(id),
            // What was wrong has been replaced already.
            None if is_outdated => {}
            None => self.problem(answer.message),
        }
        Next::Stay
    }

    /// Where it is told first what is wrong, if anything is.
    fn sum_up(self, fields: &[FieldState]) -> Option<&'static str> {
        let faults = faults_of(fields);
        let first = faults.first()?.field;
        if self.is_summarised {
            self.faults.set(faults);
            return Some(ERROR_SUMMARY);
        }
        Some(first)
    }

    /// Posts the form unless a field is at fault, then hands the answer to `then`. What was said
    /// before stays until then: nothing may move under a pointer that is about to click twice.
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
        for field in fields {
            field.send(filled_in.get(field.name).as_string().unwrap_or_default());
        }
        if let Some(id) = self.sum_up(fields) {
            focus(id);
            return;
        }
        self.busy.set(true);
        spawn_local(async move {
            let answer = post(&form.action(), &filled_in)
                .await
                .unwrap_or_else(|_| Answer::refused(self.texts.get(key::UNREACHABLE)));
            match then(answer) {
                Next::Leave(path) => {
                    // Nothing to say when it fails: the page is still there, and wakes up again.
                    _ = window().location().assign(path);
                    let patience = Duration::from_millis(TIMEOUT_MS.into());
                    set_timeout(move || self.busy.set(false), patience);
                    return;
                }
                Next::Stay => show_notice(),
                Next::Correct(id) => focus(id),
                Next::Replace(id) => {
                    focus(id);
                    select(id);
                }
            }
            self.busy.set(false);
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
    /// Stays, and what is typed takes the place of what stands in this field.
    Replace(&'static str),
}

fn faults_of(fields: &[FieldState]) -> Vec<Fault> {
    let fault = |field: &FieldState| {
        Some(Fault {
            field: field.name,
            sentence: field.error.get_untracked()?,
        })
    };
    fields.iter().filter_map(fault).collect()
}

/// Moves the focus once the error that belongs to it is drawn.
fn focus(id: &'static str) {
    request_animation_frame(move || {
        if let Some(element) = document().get_element_by_id(id) {
            _ = element.unchecked_into::<HtmlElement>().focus();
        }
    });
}

/// Selects all that stands in a field.
fn select(id: &'static str) {
    request_animation_frame(move || {
        if let Some(element) = document().get_element_by_id(id) {
            element.unchecked_into::<HtmlInputElement>().select();
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
    // Whatever the browser likes best: what is said stands on a page in this language.
    if let Some(language) = document()
        .document_element()
        .and_then(|page| page.get_attribute("data-language"))
    {
        headers.set("Accept-Language", &language)?;
    }
    request.set_headers(&headers);
    request.set_credentials(RequestCredentials::SameOrigin);
    request.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));

    let response = JsFuture::from(window().fetch_with_str_and_init(path, request)).await?;
    let body = JsFuture::from(response.unchecked_into::<Response>().text()?).await?;
    let body = body.as_string().unwrap_or_default();
    serde_json::from_str(&body).map_err(|_| JsValue::UNDEFINED)
}
