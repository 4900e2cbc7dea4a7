use leptos::{ev::SubmitEvent, prelude::*};

use super::{ALREADY_VERIFIED, CODE_NAME, check_code};
use crate::{
    answer::{Answer, Refusal},
    components::{
        Button, EMAIL_TEXTS, EmailField, ErrorSummary, FORM_TEXTS, Field, FieldState, FormState,
        Next, Notice, PASSWORD_TEXTS, PasswordField, SUMMARY_TEXTS,
    },
    domain::{EmailAddress, EmailAddressError, VerificationCodeError},
    texts::{Message, Texts, key},
    view::VerifyView,
};

pub(super) fn texts(form: &VerifyView) -> Texts {
    let own = [
        key::VERIFY_ANYWHERE_LEAD,
        key::VERIFY_NO_CODE_LEAD,
        key::VERIFY_NO_CODE,
        key::VERIFY_CODE,
        key::VERIFY_SUBMIT,
        key::VERIFY_SUBMITTING,
        key::PASSWORD_NEEDED,
    ];
    let keys = (own.into_iter())
        .chain(FORM_TEXTS)
        .chain(SUMMARY_TEXTS)
        .chain(EMAIL_TEXTS)
        .chain(PASSWORD_TEXTS)
        .chain(EmailAddressError::KEYS)
        .chain(VerificationCodeError::KEYS);
    let digits = key::VERIFY_DIGITS.with("digits", u64::from(form.code_digits));
    Texts::of(keys.map(Message::from).chain([digits]))
}

/// The form of a browser that did not make the claim: address, password and code.
#[island]
pub fn FromAnywhereForm(form: VerifyView, texts: Texts) -> impl IntoView {
    let texts = texts.kept();
    let email = FieldState::new("email", form.fields.email, move |text| {
        let error = EmailAddress::parse(text).err()?;
        Some(texts.get(error.key()))
    });
    // No rule but to be there: rules may have changed since it was chosen.
    let password = FieldState::new("password", form.fields.password, move |text| {
        text.is_empty().then(|| texts.get(key::PASSWORD_NEEDED))
    });
    let code = FieldState::new(CODE_NAME, form.fields.verification_code, move |text| {
        check_code(text, texts)
    });
    let fields = [email, password, code];
    let state = FormState::new(texts, form.notice, &fields);

    let show = move |answer: Answer| {
        match answer.refusal {
            None => return Next::Leave("/welcome"),
            Some(Refusal::AlreadyVerified) => return ALREADY_VERIFIED,
            Some(_) => {}
        }
        let mut refused = VerifyView::default();
        refused.refused(&answer);
        let next = state.refuse(&fields, answer);
        state.notice.set(refused.notice);
        next
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &fields, show);
    let label = move || {
        texts.get(if state.busy.get() {
            key::VERIFY_SUBMITTING
        } else {
            key::VERIFY_SUBMIT
        })
    };

    view! {
        <form class="form" method="post" action="/verify" novalidate on:submit=submit>
            <p class="lead">{texts.get(key::VERIFY_ANYWHERE_LEAD)}</p>
            <Notice notice=state.notice />
            <ErrorSummary faults=state.faults texts />
            <EmailField state=email texts autocomplete="username" value=form.email />
            <PasswordField
                state=password
                texts
                autocomplete="current-password"
                busy=state.busy
            />
            <Field
                state=code
                label=texts.get(key::VERIFY_CODE)
                hint=texts.get(key::VERIFY_DIGITS)
                autocomplete="one-time-code"
                inputmode="numeric"
                value=form.code
            />
            <Button label=Signal::derive(label) busy=state.busy />
            <p class="aside">
                {texts.get(key::VERIFY_NO_CODE_LEAD)} " "
                <a href="/register">{texts.get(key::VERIFY_NO_CODE)}</a>
            </p>
        </form>
    }
}
