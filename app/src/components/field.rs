use leptos::{ev::Event, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

use super::anew;

/// What one field and its form both know.
#[derive(Clone, Copy)]
pub struct FieldState {
    /// The name in the form and the id in the page.
    pub name: &'static str,
    /// The sentence that stands beside the field.
    pub error: RwSignal<Option<String>>,
    check: Callback<String, Option<String>>,
    /// What was sent last, and what the server found wrong with it: as long as that stands there,
    /// it is wrong, whatever the page thinks.
    sent: StoredValue<String>,
    refused: StoredValue<Option<String>>,
    /// Whether it was left with something in it: from then on each key is checked.
    left_before: StoredValue<bool>,
}

impl FieldState {
    /// A field that starts with the server's verdict and checks what is typed by `check`.
    pub fn new(
        name: &'static str,
        error: Option<String>,
        check: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            error: RwSignal::new(error),
            check: Callback::new(move |text: String| check(&text)),
            sent: StoredValue::default(),
            refused: StoredValue::new(None),
            left_before: StoredValue::new(false),
        }
    }

    /// Its line in the page, where there is one.
    #[must_use]
    pub fn input(&self) -> Option<HtmlInputElement> {
        document().get_element_by_id(self.name)?.dyn_into().ok()
    }

    /// Checks what is about to be sent.
    pub fn send(&self, text: String) {
        self.refused.set_value(None);
        self.sent.set_value(text.clone());
        self.check(text);
    }

    /// Says what the server found wrong with what was sent, if anything, unless something else
    /// stands there by now, which the server has not seen.
    pub fn refuse(&self, error: Option<String>) {
        self.refused.set_value(error.clone());
        if self.is_as_sent() {
            self.error.set(error);
        }
    }

    /// Whether what was sent last still stands there.
    #[must_use]
    pub fn is_as_sent(&self) -> bool {
        let input = self.input();
        input.is_some_and(|input| self.sent.with_value(|sent| *sent == input.value()))
    }

    /// What was sent last, if the server found something wrong with it.
    #[must_use]
    pub fn refused_text(&self) -> Option<String> {
        let is_refused = self.refused.with_value(Option::is_some);
        is_refused.then(|| self.sent.get_value())
    }

    /// Begins anew: what stands there, and what was said about it, is history.
    pub fn clear(&self) {
        if let Some(input) = self.input() {
            input.set_value("");
        }
        self.refused.set_value(None);
        self.left_before.set_value(false);
        self.error.set(None);
    }

    /// Checks `text` and says what is wrong with it beside the field.
    pub fn check(&self, text: String) {
        let is_sent = self.sent.with_value(|sent| *sent == text);
        let refused = self.refused.get_value().filter(|_| is_sent);
        let error = refused.or_else(|| self.check.run(text));
        if self.error.read_untracked() != error {
            self.error.set(error);
        }
    }
}

/// A label, its hint, one line to fill in, and what is wrong with it.
///
/// A check runs when the field is left for the first time, and from then on with every key:
/// never while somebody is still writing it for the first time.
#[component]
pub fn Field(
    state: FieldState,
    #[prop(into)] label: String,
    #[prop(into)] autocomplete: String,
    #[prop(into, default = "text".into())] kind: Signal<&'static str>,
    #[prop(optional)] inputmode: Option<&'static str>,
    #[prop(optional, into)] hint: String,
    /// What the server kept of it.
    #[prop(optional, into)]
    value: String,
    /// What there is to say about what is being typed, beside errors.
    #[prop(optional)]
    advice: Option<AnyView>,
    /// A control inside the line, at its end.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let FieldState {
        name,
        error,
        left_before,
        ..
    } = state;
    let hint_id = (!hint.is_empty()).then(|| format!("{name}-hint"));
    let error_id = format!("{name}-error");

    let leave = move |event: Event| {
        let text = event_target_value(&event);
        if !text.is_empty() {
            left_before.set_value(true);
            state.check(text);
        }
    };
    let edit = move |event: Event| {
        if left_before.get_value() || error.read_untracked().is_some() {
            state.check(event_target_value(&event));
        }
    };
    let described_by = {
        let (hint_id, error_id) = (hint_id.clone(), error_id.clone());
        move || match (&hint_id, error.read().is_some()) {
            (Some(hint_id), true) => Some(format!("{error_id} {hint_id}")),
            (None, true) => Some(error_id.clone()),
            (hint_id, false) => hint_id.clone(),
        }
    };

    view! {
        <div class="field" class:field--wrong=move || error.read().is_some()>
            <label class="field__label" for=name>
                {label}
            </label>
            {hint_id
                .clone()
                .map(|hint_id| {
                    view! {
                        <p class="field__hint" id=hint_id>
                            {hint}
                        </p>
                    }
                })}
            <div class="field__line">
                <input
                    class="field__input"
                    id=name
                    name=name
                    type=move || kind.get()
                    inputmode=inputmode
                    autocomplete=autocomplete
                    autocapitalize="none"
                    spellcheck="false"
                    required
                    value=value
                    aria-describedby=described_by
                    aria-invalid=move || error.read().is_some().then_some("true")
                    on:change=leave
                    on:input=edit
                />
                {children.map(|children| children())}
            </div>
            {advice}
            <div aria-live="polite">
                {anew(
                    move || error.get(),
                    move |error| {
                        error
                            .map(|error| {
                                view! {
                                    <p class="field__error" id=error_id.clone()>
                                        {error}
                                    </p>
                                }
                            })
                    },
                )}
            </div>
        </div>
    }
}
