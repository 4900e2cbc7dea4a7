use leptos::{ev::SubmitEvent, prelude::*};
use leptos_meta::{Meta, Title};

use super::title_of;
use crate::{
    answer::{Answer, Refusal},
    components::{
        Button, Card, EMAIL_TEXTS, EmailField, ErrorSummary, FORM_TEXTS, FieldState, FormState,
        Next, Notice, PASSWORD_TEXTS, PasswordField, SUMMARY_TEXTS,
    },
    domain::{EmailAddress, EmailAddressError},
    texts::{Message, Texts, key, say},
    view::{self, LoginView, Tone},
};

impl LoginView {
    /// Says why the form came back.
    pub fn refused(&mut self, answer: &Answer) {
        self.fields = answer.fields.clone();
        self.notice = self.fields.is_empty().then(|| view::Notice {
            tone: Tone::Problem,
            text: answer.message.clone(),
        });
    }

    fn is_refused(&self) -> bool {
        let is_problem = |notice: &view::Notice| notice.tone == Tone::Problem;
        !self.fields.is_empty() || self.notice.as_ref().is_some_and(is_problem)
    }

    fn texts() -> Texts {
        let own = [
            key::LOGIN_SUBMIT,
            key::LOGIN_SUBMITTING,
            key::LOGIN_PASSWORD_NEEDED,
        ];
        let keys = (own.into_iter())
            .chain(FORM_TEXTS)
            .chain(SUMMARY_TEXTS)
            .chain(EMAIL_TEXTS)
            .chain(PASSWORD_TEXTS)
            .chain(EmailAddressError::KEYS);
        Texts::of(keys.map(Message::from))
    }
}

/// `/login`: address and password of an account.
#[component]
pub fn LoginPage() -> impl IntoView {
    let form = use_context::<LoginView>().unwrap_or_default();

    view! {
        <Title text=title_of(key::LOGIN_TITLE, form.is_refused()) />
        <Meta name="description" content=say(key::LOGIN_DESCRIPTION) />
        <Card heading=say(key::LOGIN_TITLE)>
            <LoginForm form texts=LoginView::texts() />
            <p class="aside">
                {say(key::LOGIN_NO_ACCOUNT_LEAD)} " "
                <a href="/register">{say(key::LOGIN_NO_ACCOUNT)}</a>
            </p>
        </Card>
    }
}

/// The form, which speaks to `POST /login` with or without JavaScript.
#[island]
fn LoginForm(form: LoginView, texts: Texts) -> impl IntoView {
    let texts = texts.kept();
    let email = FieldState::new("email", form.fields.email, move |text| {
        let error = EmailAddress::parse(text).err()?;
        Some(texts.get(error.key()))
    });
    // No rule but to be there: rules may have changed since it was chosen.
    let password = FieldState::new("password", form.fields.password, move |text| {
        text.is_empty()
            .then(|| texts.get(key::LOGIN_PASSWORD_NEEDED))
    });
    let fields = [email, password];
    let state = FormState::new(texts, form.notice, &fields);
    let show = move |answer: Answer| match answer.refusal {
        None => Next::Leave("/welcome"),
        // Its code is what is missing.
        Some(Refusal::NotVerified) => Next::Leave("/verify"),
        Some(_) => state.refuse(&fields, answer),
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &fields, show);
    let label = move || {
        texts.get(if state.busy.get() {
            key::LOGIN_SUBMITTING
        } else {
            key::LOGIN_SUBMIT
        })
    };

    view! {
        <form class="form" method="post" action="/login" novalidate on:submit=submit>
            <Notice notice=state.notice />
            <ErrorSummary faults=state.faults texts />
            <EmailField state=email texts autocomplete="username" value=form.email />
            <PasswordField
                state=password
                texts
                autocomplete="current-password"
                busy=state.busy
            />
            <Button label=Signal::derive(label) busy=state.busy />
        </form>
    }
}
