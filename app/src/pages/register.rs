use leptos::{ev::SubmitEvent, prelude::*};
use leptos_meta::{Meta, Title};

use super::{site, title_of};
use crate::{
    answer::Answer,
    components::{Button, Card, Field, FieldState, FormState, Next, Notice, PasswordField},
    domain::{EmailAddress, Password},
    view::{self, RegisterView, Site, Tone},
};

const TITLE: &str = "Create an account";
const DESCRIPTION: &str = "Create an account with your e-mail address and a password.";
const EMAIL: &str = "E-mail address";
const EMAIL_HINT: &str = "We send a code there to make sure that it is yours.";
const PASSWORD: &str = "Password";
const SUBMIT: &str = "Create account";
const SUBMITTING: &str = "Creating account …";
const TERMS_LEAD: &str = "Before you sign up, read";
const TERMS: &str = "the terms";
const AND: &str = "and";
const PRIVACY: &str = "the privacy notice";
const HAVE_CODE_LEAD: &str = "Already have a code?";
const HAVE_CODE: &str = "Enter it";

fn password_hint(min_length: usize) -> String {
    format!("At least {min_length} characters. A few words work well.")
}

impl RegisterView {
    /// Says why the form came back.
    pub fn refused(&mut self, answer: &Answer) {
        self.fields = answer.fields.clone();
        self.notice = self.fields.is_empty().then(|| answer.message.clone());
    }
}

/// `/register`: address and password.
#[component]
pub fn RegisterPage() -> impl IntoView {
    let form = use_context::<RegisterView>().unwrap_or_default();
    let is_refused = form.notice.is_some() || !form.fields.is_empty();

    view! {
        <Title text=title_of(TITLE, is_refused) />
        <Meta name="description" content=DESCRIPTION />
        <Card heading=TITLE>
            <RegisterForm form />
            <Legal />
            <p class="aside">
                {HAVE_CODE_LEAD} " " <a href="/verify">{HAVE_CODE}</a>
            </p>
        </Card>
    }
}

/// Links to what `links.terms` and `links.privacy` name.
#[component]
fn Legal() -> impl IntoView {
    let Site { terms, privacy, .. } = site();
    let is_any = terms.is_some() || privacy.is_some();
    let and = (terms.is_some() && privacy.is_some()).then(|| format!(" {AND} "));

    is_any.then(|| {
        view! {
            <p class="aside">
                {TERMS_LEAD} " " {terms.map(|href| view! { <a href=href>{TERMS}</a> })} {and}
                {privacy.map(|href| view! { <a href=href>{PRIVACY}</a> })} "."
            </p>
        }
    })
}

/// The form, which speaks to `POST /register` with or without JavaScript.
#[island]
fn RegisterForm(form: RegisterView) -> impl IntoView {
    let rules = form.rules;
    let hint = password_hint(rules.min_length);
    // The last one that was checked, for a password must not be the same.
    let address = StoredValue::new(EmailAddress::parse(&form.email).ok());
    let email = FieldState::new("email", form.fields.email, move |text| {
        let parsed = EmailAddress::parse(text);
        let error = parsed.as_ref().err().map(ToString::to_string);
        address.set_value(parsed.ok());
        error
    });
    let password = FieldState::new("password", form.fields.password, move |text| {
        address
            .with_value(|address| Password::parse_new(text, &rules, address.as_ref()).err())
            .map(|error| error.to_string())
    });
    let state = FormState::new(form.notice.map(|text| view::Notice {
        tone: Tone::Problem,
        text,
    }));

    let show = move |answer: Answer| {
        if answer.refusal.is_none() {
            return Next::Leave("/verify");
        }
        let mut refused = RegisterView::default();
        refused.refused(&answer);
        let RegisterView { fields, notice, .. } = refused;
        let next = if fields.email.is_some() {
            Next::Correct(email.name)
        } else if fields.password.is_some() {
            Next::Correct(password.name)
        } else {
            Next::Stay
        };
        email.error.set(fields.email);
        password.error.set(fields.password);
        if let Some(text) = notice {
            state.problem(text);
        }
        next
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &[email, password], show);
    let label = move || if state.busy.get() { SUBMITTING } else { SUBMIT }.to_owned();

    view! {
        <form class="form" method="post" action="/register" novalidate on:submit=submit>
            {move || state.notice.get().map(|notice| view! { <Notice notice /> })}
            <Field
                state=email
                label=EMAIL
                hint=EMAIL_HINT
                autocomplete="email"
                inputmode="email"
                value=form.email
            />
            <PasswordField
                state=password
                label=PASSWORD
                hint=hint
                autocomplete="new-password"
                busy=state.busy
            />
            <Button label=Signal::derive(label) busy=state.busy />
        </form>
    }
}
