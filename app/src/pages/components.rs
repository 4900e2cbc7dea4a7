use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::{
    components::{
        Button, Card, EMAIL_TEXTS, EmailField, ErrorSummary, Fault, Field, FieldState, Notice,
        PASSWORD_TEXTS, PasswordField, SUMMARY_TEXTS,
    },
    texts::{Message, Texts},
    view::{self, Tone},
};

const ERROR: &str = "Enter an e-mail address in the form name@example.com.";

/// `/dev/components`, in development only: each part of a page in each of its states, for whoever
/// changes a style. Nothing on it wakes up; it is written for developers, in English.
#[component]
pub fn ComponentsPage() -> impl IntoView {
    let texts = (EMAIL_TEXTS.into_iter())
        .chain(PASSWORD_TEXTS)
        .chain(SUMMARY_TEXTS);
    let texts = Texts::of(texts.map(Message::from)).kept();
    let field =
        |name, error: Option<&str>| FieldState::new(name, error.map(str::to_owned), |_| None);
    let notice = |tone, text: &str| {
        let notice = view::Notice {
            tone,
            text: text.to_owned(),
        };
        view! { <Notice notice=Signal::stored(Some(notice)) /> }
    };
    let fault = |field, sentence: &str| Fault {
        field,
        sentence: sentence.to_owned(),
    };
    let faults = RwSignal::new(vec![
        fault("email-wrong", ERROR),
        fault(
            "password-wrong",
            "Choose a password of at least 8 characters.",
        ),
    ]);
    let button = |label: &str, busy: bool, blocked: bool, secondary: bool| {
        view! {
            <Button
                label=Signal::stored(label.to_owned())
                busy=Signal::stored(busy)
                blocked=Signal::stored(blocked)
                secondary=Signal::stored(secondary)
            />
        }
    };
    let never = Signal::stored(false);

    view! {
        <Title text="Components" />
        <Meta name="robots" content="noindex" />
        <div class="showcase">
            <h1 class="card__heading showcase__heading">"Components"</h1>
            <Card heading="Card" step=1 is_one_of_several=true>
                <p class="lead">
                    "A lead, with an address: " <strong class="address">"ada@example.org"</strong>
                </p>
                <p>"Running text with " <a href="#content">"a link"</a> " in it."</p>
                <p class="aside">"An aside? " <a href="#content">"A link"</a></p>
                <p class="small-print">"Small print " <code>"0123abcd"</code></p>
            </Card>
            <Card heading="Buttons" is_one_of_several=true>
                <div class="actions">
                    {button("Main", false, false, false)}
                    {button("Secondary", false, false, true)}
                </div>
                <div class="actions">
                    {button("Busy …", true, false, false)}
                    {button("Blocked (in 42 s)", false, true, true)}
                </div>
                <div class="actions">
                    <a class="button" href="#content">
                        "A link"
                    </a>
                    <a class="button button--secondary" href="#content">
                        "Another link"
                    </a>
                </div>
                <p>"A button like a link: " <button type="button" class="link-button">"ada@gmail.com"</button></p>
            </Card>
            <Card heading="Notices" is_one_of_several=true>
                {notice(Tone::Information, "A mail with the code is on its way.")}
                {notice(Tone::Problem, "Too many sign-ups came from your network.")}
                <ErrorSummary faults texts />
            </Card>
            <Card heading="Fields" is_one_of_several=true>
                <EmailField
                    state=field("email", None)
                    texts
                    autocomplete="off"
                    hint="With a hint, and a value."
                    value="ada@example.org"
                />
                <EmailField
                    state=field("email-wrong", Some(ERROR))
                    texts
                    autocomplete="off"
                    value="ada@"
                />
                <PasswordField
                    state=field("password", None)
                    texts
                    autocomplete="off"
                    hint="At least 8 characters."
                    busy=never
                />
                <PasswordField
                    state=field(
                        "password-wrong",
                        Some("Choose a password of at least 8 characters."),
                    )
                    texts
                    autocomplete="off"
                    busy=never
                />
            </Card>
            <Card heading="While somebody types" is_one_of_several=true>
                <Field
                    state=field("email-advice", None)
                    label="E-mail address"
                    autocomplete="off"
                    value="ada@gmial.com"
                    advice=view! {
                        <p class="field__advice">
                            "Did you mean " <button type="button" class="link-button">
                                "ada@gmail.com"
                            </button> "?"
                        </p>
                    }
                        .into_any()
                />
                <Field
                    state=field("password-shown", None)
                    label="Password"
                    autocomplete="off"
                    value="correct horse"
                    advice=view! {
                        <p class="field__advice">"Caps Lock is on."</p>
                        <p class="field__advice">"A good password."</p>
                    }
                        .into_any()
                >
                    <button type="button" class="field__toggle">
                        "Hide"
                    </button>
                </Field>
                <Field
                    state=field("code-leaving", None)
                    label="Verification code"
                    autocomplete="one-time-code"
                    inputmode="numeric"
                    value="0746"
                    advice=view! {
                        <p class="field__advice">
                            "Sending it … " <button type="button" class="link-button">
                                "Wait"
                            </button>
                        </p>
                    }
                        .into_any()
                />
                <details class="fold" open>
                    <summary class="fold__summary">"Wrong address?"</summary>
                    <p class="field__advice">"What is folded up."</p>
                </details>
            </Card>
            <Card heading="Code input" is_one_of_several=true>
                <Field
                    state=field("code", None)
                    label="Verification code"
                    hint="4 digits, as they stand in the mail."
                    autocomplete="one-time-code"
                    inputmode="numeric"
                    value="0746"
                />
                <Field
                    state=field("code-wrong", Some("That is not the code in the latest mail."))
                    label="Verification code"
                    hint="8 digits, as they stand in the mail."
                    autocomplete="one-time-code"
                    inputmode="numeric"
                    value="12345678"
                />
            </Card>
            <Card heading="Facts and steps" is_one_of_several=true>
                <dl class="facts">
                    <dt>"Mail"</dt>
                    <dd>"sent, may take a moment to arrive"</dd>
                    <dt>"Time left"</dt>
                    <dd class="facts__clock">"0:42"</dd>
                </dl>
                <ol class="steps">
                    <li class="steps__step">
                        <strong class="steps__name">"First"</strong>
                        <span class="steps__what">"What is done here."</span>
                    </li>
                    <li class="steps__step">
                        <strong class="steps__name">"Then"</strong>
                        <span class="steps__what">"What is done there."</span>
                    </li>
                </ol>
            </Card>
        </div>
    }
}
