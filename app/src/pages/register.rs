use leptos::{ev::SubmitEvent, prelude::*};
use leptos_meta::{Meta, Title};

use super::{site, title_of};
use crate::{
    answer::Answer,
    components::{
        Button, Card, EMAIL_TEXTS, EmailField, ErrorSummary, FORM_TEXTS, FieldState, FormState,
        Next, Notice, PASSWORD_TEXTS, PasswordField, STRENGTH_TEXTS, SUMMARY_TEXTS,
    },
    domain::{EmailAddress, EmailAddressError, Password, PasswordError},
    texts::{Message, Texts, key, say},
    view::{self, RegisterView, Site, Tone},
};

impl RegisterView {
    /// Says why the form came back.
    pub fn refused(&mut self, answer: &Answer) {
        self.fields = answer.fields.clone();
        self.notice = self.fields.is_empty().then(|| answer.message.clone());
    }

    fn texts(&self) -> Texts {
        let min_length = self.rules.min_length;
        let own = [
            key::REGISTER_EMAIL_HINT,
            key::REGISTER_SUBMIT,
            key::REGISTER_SUBMITTING,
        ];
        let keys = (own.into_iter())
            .chain(FORM_TEXTS)
            .chain(SUMMARY_TEXTS)
            .chain(EMAIL_TEXTS)
            .chain(PASSWORD_TEXTS)
            .chain(STRENGTH_TEXTS)
            .chain(EmailAddressError::KEYS);
        let hint = key::REGISTER_PASSWORD_HINT.with("min", min_length as u64);
        Texts::of(
            (keys.map(Message::from))
                .chain(PasswordError::found_by_browsers(min_length))
                .chain([hint]),
        )
    }
}

/// `/register`: address and password.
#[component]
pub fn RegisterPage() -> impl IntoView {
    let form = use_context::<RegisterView>().unwrap_or_default();
    let is_refused = form.notice.is_some() || !form.fields.is_empty();
    let texts = form.texts();

    view! {
        <Title text=title_of(key::REGISTER_TITLE, is_refused) />
        <Meta name="description" content=say(key::REGISTER_DESCRIPTION) />
        <Card heading=say(key::REGISTER_TITLE) step=1>
            <RegisterForm form texts />
            <Legal />
            <p class="aside">
                {say(key::REGISTER_HAVE_CODE_LEAD)} " "
                <a href="/verify">{say(key::REGISTER_HAVE_CODE)}</a>
            </p>
            <p class="aside">
                {say(key::REGISTER_HAVE_ACCOUNT_LEAD)} " "
                <a href="/login">{say(key::REGISTER_HAVE_ACCOUNT)}</a>
            </p>
        </Card>
    }
}

/// Links to what `links.terms` and `links.privacy` name.
#[component]
fn Legal() -> impl IntoView {
    let Site { terms, privacy, .. } = site();
    let is_any = terms.is_some() || privacy.is_some();
    let and =
        (terms.is_some() && privacy.is_some()).then(|| format!(" {} ", say(key::REGISTER_AND)));
    let terms = terms.map(|href| view! { <a href=href>{say(key::REGISTER_TERMS)}</a> });
    let privacy = privacy.map(|href| view! { <a href=href>{say(key::REGISTER_PRIVACY)}</a> });

    is_any.then(|| {
        view! {
            <p class="aside">{say(key::REGISTER_LEGAL_LEAD)} " " {terms} {and} {privacy} "."</p>
        }
    })
}

/// The form, which speaks to `POST /register` with or without JavaScript.
#[island]
fn RegisterForm(form: RegisterView, texts: Texts) -> impl IntoView {
    let texts = texts.kept();
    let rules = form.rules;
    // The last one that was checked, for a password must not be the same.
    let address = StoredValue::new(EmailAddress::parse(&form.email).ok());
    let email = FieldState::new("email", form.fields.email, move |text| {
        let parsed = EmailAddress::parse(text);
        let error = parsed.as_ref().err().copied();
        address.set_value(parsed.ok());
        Some(texts.get(error?.key()))
    });
    let password = FieldState::new("password", form.fields.password, move |text| {
        let error = address
            .with_value(|address| Password::parse_new(text, &rules, address.as_ref()).err())?;
        Some(texts.get(error.key()))
    });
    let fields = [email, password];
    let notice = form.notice.map(|text| view::Notice {
        tone: Tone::Problem,
        text,
    });
    let state = FormState::new(texts, notice, &fields);

    let show = move |answer: Answer| match answer.refusal {
        None => Next::Leave("/verify"),
        Some(_) => state.refuse(&fields, answer),
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &fields, show);
    let label = move || {
        texts.get(if state.busy.get() {
            key::REGISTER_SUBMITTING
        } else {
            key::REGISTER_SUBMIT
        })
    };

    view! {
        <form class="form" method="post" action="/register" novalidate on:submit=submit>
            <Notice notice=state.notice />
            <ErrorSummary faults=state.faults texts />
            <EmailField
                state=email
                texts
                hint=texts.get(key::REGISTER_EMAIL_HINT)
                autocomplete="email"
                value=form.email
            />
            <PasswordField
                state=password
                texts
                hint=texts.get(key::REGISTER_PASSWORD_HINT)
                autocomplete="new-password"
                is_new=true
                busy=state.busy
            />
            <Button label=Signal::derive(label) busy=state.busy />
        </form>
    }
}
