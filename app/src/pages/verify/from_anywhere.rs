use leptos::{ev::SubmitEvent, prelude::*};

use super::{CODE, CODE_NAME, SUBMIT, SUBMITTING, check_code, digits_hint};
use crate::{
    answer::Answer,
    components::{Button, Field, FieldState, FormState, Next, Notice, PasswordField},
    domain::EmailAddress,
    view::VerifyView,
};

const LEAD: &str =
    "Enter the address and the password that you signed up with, and the code from the mail.";
const EMAIL: &str = "E-mail address";
const PASSWORD: &str = "Password";
const NO_PASSWORD: &str = "Enter the password that you chose when you signed up.";
const NO_CODE_LEAD: &str = "No code, or a stale one?";
const NO_CODE: &str = "Sign up again";

/// The form of a browser that did not make the claim: address, password and code.
#[island]
pub fn FromAnywhereForm(form: VerifyView) -> impl IntoView {
    let email = FieldState::new("email", form.fields.email, |text| {
        EmailAddress::parse(text)
            .err()
            .map(|error| error.to_string())
    });
    // No rule but to be there: rules may have changed since it was chosen.
    let password = FieldState::new("password", form.fields.password, |text| {
        text.is_empty().then(|| NO_PASSWORD.to_owned())
    });
    let code = FieldState::new(CODE_NAME, form.fields.verification_code, check_code);
    let fields = [email, password, code];
    let state = FormState::new(form.notice);

    let show = move |answer: Answer| {
        if answer.refusal.is_none() {
            return Next::Leave("/welcome");
        }
        let mut refused = VerifyView::default();
        refused.refused(&answer);
        email.error.set(refused.fields.email);
        password.error.set(refused.fields.password);
        code.error.set(refused.fields.verification_code);
        state.notice.set(refused.notice);
        fields
            .into_iter()
            .find(|field| field.error.read_untracked().is_some())
            .map_or(Next::Stay, |field| Next::Correct(field.name))
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &fields, show);
    let label = move || if state.busy.get() { SUBMITTING } else { SUBMIT }.to_owned();

    view! {
        <form class="form" method="post" action="/verify" novalidate on:submit=submit>
            <p class="lead">{LEAD}</p>
            {move || state.notice.get().map(|notice| view! { <Notice notice /> })}
            <Field
                state=email
                label=EMAIL
                autocomplete="username"
                inputmode="email"
                value=form.email
            />
            <PasswordField
                state=password
                label=PASSWORD
                autocomplete="current-password"
                busy=state.busy
            />
            <Field
                state=code
                label=CODE
                hint=digits_hint(form.code_digits)
                autocomplete="one-time-code"
                inputmode="numeric"
            />
            <Button label=Signal::derive(label) busy=state.busy />
            <p class="aside">{NO_CODE_LEAD} " " <a href="/register">{NO_CODE}</a></p>
        </form>
    }
}
