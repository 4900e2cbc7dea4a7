use leptos::{ev::SubmitEvent, prelude::*};

use super::{ALREADY_VERIFIED, CODE_NAME, check_code, correct, progress};
use crate::{
    answer::{Answer, Refusal},
    components::{
        Button, CODE_TEXTS, CodeField, Countdown, FORM_TEXTS, FieldState, FormState, Next, Notice,
        anew, hydrated, text_anew,
    },
    domain::VerificationCodeError,
    texts::{KeptTexts, Message, Texts, key},
    view::{self, MailState, PendingClaim, Tone, VerifyView},
};

/// What stands in a text's place until the browser knows what belongs there.
const PLACE: &str = "{}";

pub(super) fn texts(form: &VerifyView) -> Texts {
    let own = [
        key::VERIFY_LEAD,
        key::VERIFY_MAIL,
        key::VERIFY_MAIL_QUEUED,
        key::VERIFY_MAIL_TAKEN,
        key::VERIFY_MAIL_REFUSED,
        key::VERIFY_REFERENCE,
        key::VERIFY_REFERENCE_MEANS,
        key::VERIFY_TIME_LEFT,
        key::VERIFY_NO_TIME_LEFT,
        key::VERIFY_ATTEMPTS,
        key::VERIFY_SUBMIT,
        key::VERIFY_SUBMITTING,
        key::VERIFY_RESEND,
        key::VERIFY_RESEND_NEW,
        key::VERIFY_RESENDING,
        key::VERIFY_RESENT,
        key::VERIFY_STALE,
        key::VERIFY_UNDELIVERABLE,
        key::VERIFY_TIME_BEGINS_LATER,
        key::VERIFY_LOOK_AGAIN,
        key::VERIFY_HALF_A_MINUTE_LEFT,
        key::VERIFY_TEN_SECONDS_LEFT,
        key::VERIFY_TIME_IS_UP,
    ];
    let keys = (own.into_iter())
        .chain(FORM_TEXTS)
        .chain(
            CODE_TEXTS
                .into_iter()
                .filter(|&text| text != key::VERIFY_DIGITS),
        )
        .chain(VerificationCodeError::KEYS)
        .chain(correct::texts());
    let with_places = [
        key::VERIFY_DIGITS.with("digits", u64::from(form.code_digits)),
        key::VERIFY_TIME_LEFT_THEN.with("time", PLACE),
        key::VERIFY_RESEND_IN
            .with("label", "{label}")
            .with("seconds", PLACE),
    ];
    Texts::of(keys.map(Message::from).chain(with_places))
}

fn mail_text(mail: MailState, texts: KeptTexts) -> String {
    texts.get(match mail {
        MailState::Queued => key::VERIFY_MAIL_QUEUED,
        MailState::Taken => key::VERIFY_MAIL_TAKEN,
        MailState::Refused => key::VERIFY_MAIL_REFUSED,
    })
}

/// The forms of the browser that made the claim: the code alone, and another mail.
#[island]
pub fn PendingForms(form: VerifyView, texts: Texts) -> impl IntoView {
    let VerifyView {
        claim,
        fields,
        notice,
        email,
        code,
        code_digits,
    } = form;
    let texts = texts.kept();

    claim.map(|claim| {
        let address = claim.email.clone();
        let code_field = FieldState::new(CODE_NAME, fields.verification_code, move |text| {
            check_code(text, texts)
        });
        let pending = Pending::new(claim, code_field, notice, texts);
        view! {
            <p class="lead">
                {texts.get(key::VERIFY_LEAD)} " " <strong class="address">{address}</strong>
            </p>
            <CodeForm pending typed=code digits=code_digits />
            <Facts pending />
            <ResendForm pending />
            <correct::CorrectForm pending error=fields.email typed=email />
        }
    })
}

/// What the two forms and the facts above them share.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) claim: RwSignal<PendingClaim>,
    code: FieldState,
    life: Countdown,
    cooldown: Countdown,
    pub(super) notice: RwSignal<Option<view::Notice>>,
    pub(super) texts: KeptTexts,
}

impl Pending {
    fn new(
        claim: PendingClaim,
        code: FieldState,
        notice: Option<view::Notice>,
        texts: KeptTexts,
    ) -> Self {
        let problem = move |text| view::Notice {
            tone: Tone::Problem,
            text: texts.get(text),
        };
        let stale = move || problem(key::VERIFY_STALE);
        let notice = notice.or_else(|| match claim.mail {
            MailState::Taken if claim.code_expires_in_ms == 0 => Some(stale()),
            MailState::Refused => Some(problem(key::VERIFY_UNDELIVERABLE)),
            _ => None,
        });
        let pending = Self {
            life: Countdown::new(claim.code_expires_in_ms),
            cooldown: Countdown::new(claim.resend_in_seconds.saturating_mul(1000)),
            claim: RwSignal::new(claim),
            code,
            notice: RwSignal::new(notice),
            texts,
        };
        progress::follow(pending);
        Effect::new(move || {
            let is_told = (pending.notice.read_untracked())
                .as_ref()
                .is_some_and(|notice| notice.tone == Tone::Problem);
            let is_over = pending.life.is_over() && pending.claim.read().mail == MailState::Taken;
            if is_over && !is_told {
                pending.notice.set(Some(stale()));
            }
        });
        pending
    }

    /// Whether no guess can be right any more, so that a new code is the thing to ask for. What
    /// has not left yet is no older than when it leaves.
    fn is_stale(&self) -> bool {
        let claim = self.claim.read();
        let is_over = claim.mail != MailState::Queued && self.life.is_over();
        is_over || claim.attempts_left == 0
    }

    /// Goes on with the claim as another mail, or word of what became of it, left it.
    pub(super) fn renew(&self, claim: PendingClaim) {
        if claim.mail == MailState::Refused {
            self.notice.set(Some(view::Notice {
                tone: Tone::Problem,
                text: self.texts.get(key::VERIFY_UNDELIVERABLE),
            }));
        }
        self.life.restart(claim.code_expires_in_ms);
        self.cooldown
            .restart(claim.resend_in_seconds.saturating_mul(1000));
        self.claim.set(claim);
    }
}

#[component]
fn Facts(pending: Pending) -> impl IntoView {
    let Pending {
        claim, life, texts, ..
    } = pending;
    let hydrated = hydrated();
    // Often enough to hurry, and no more: each second would drown everything else.
    let told = Memo::new(move |told| {
        let texts_left = match life.seconds() {
            _ if claim.read().mail != MailState::Taken => return None,
            _ if pending.is_stale() => key::VERIFY_TIME_IS_UP,
            1..=10 => key::VERIFY_TEN_SECONDS_LEFT,
            11..=30 => key::VERIFY_HALF_A_MINUTE_LEFT,
            _ => return None,
        };
        // Whoever has just come hears of it at the next step, not at once.
        (told.is_some() || hydrated.get_untracked()).then(|| texts.get(texts_left))
    });
    let counts =
        move || hydrated.get() && claim.read().mail == MailState::Taken && !pending.is_stale();
    let time_left = move || {
        let mail = claim.read().mail;
        if pending.is_stale() || mail == MailState::Refused {
            texts.get(key::VERIFY_NO_TIME_LEFT)
        } else if mail == MailState::Queued {
            texts.get(key::VERIFY_TIME_BEGINS_LATER)
        } else if hydrated.get() {
            life.clock()
        } else {
            (texts.get(key::VERIFY_TIME_LEFT_THEN)).replace(PLACE, &life.clock())
        }
    };

    view! {
        <dl class="facts">
            <dt>{texts.get(key::VERIFY_MAIL)}</dt>
            <dd aria-live="polite">
                {text_anew(move || mail_text(claim.read().mail, texts))}
                // With JavaScript the page looks by itself.
                {move || {
                    let words = texts.get(key::VERIFY_LOOK_AGAIN);
                    let link = format!(". <a href=\"/verify\">{words}</a>");
                    claim.read().is_queued().then(|| view! { <noscript inner_html=link></noscript> })
                }}
            </dd>
            <dt>{texts.get(key::VERIFY_REFERENCE)}</dt>
            <dd>
                <code>{text_anew(move || claim.read().reference.clone())}</code>
                " – "
                {texts.get(key::VERIFY_REFERENCE_MEANS)}
            </dd>
            <dt>{texts.get(key::VERIFY_TIME_LEFT)}</dt>
            // Nothing to translate in figures, each second anew.
            <dd class="facts__clock" translate=move || counts().then_some("no")>
                {text_anew(time_left)}
            </dd>
            <dt>{texts.get(key::VERIFY_ATTEMPTS)}</dt>
            <dd translate="no">{text_anew(move || claim.read().attempts_left.to_string())}</dd>
        </dl>
        <p class="unseen" aria-live="polite">
            {anew(move || told.get(), |told| told.map(|told| view! { <span>{told}</span> }))}
        </p>
    }
}

#[component]
fn CodeForm(
    pending: Pending,
    /// As typed, where the form comes back.
    typed: String,
    digits: u8,
) -> impl IntoView {
    let Pending { code, texts, .. } = pending;
    let state = FormState::sharing(texts, pending.notice);
    let show = move |answer: Answer| {
        match answer.refusal {
            None => return Next::Leave("/welcome"),
            Some(Refusal::AlreadyVerified) => return ALREADY_VERIFIED,
            Some(_) => {}
        }
        let mut form = VerifyView {
            claim: Some(pending.claim.get_untracked()),
            ..VerifyView::default()
        };
        form.refused(&answer);
        if let Some(claim) = form.claim {
            if claim.code_expires_in_ms == 0 {
                pending.life.restart(0);
            }
            pending.claim.set(claim);
        }
        let next = match form.fields.verification_code {
            Some(_) if code.is_as_sent() => Next::Replace(CODE_NAME),
            _ => Next::Stay,
        };
        code.refuse(form.fields.verification_code);
        pending.notice.set(form.notice);
        next
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &[code], show);
    let label = move || {
        texts.get(if state.busy.get() {
            key::VERIFY_SUBMITTING
        } else {
            key::VERIFY_SUBMIT
        })
    };

    view! {
        <form class="form" method="post" action="/verify" novalidate on:submit=submit>
            <Meant pending />
            <Notice notice=pending.notice />
            <CodeField state=code texts digits value=typed busy=state.busy />
            <Button
                label=Signal::derive(label)
                busy=state.busy
                secondary=Signal::derive(move || pending.is_stale())
            />
        </form>
    }
}

/// Says which sign-up this page is about: the browser may have begun another since.
#[component]
fn Meant(pending: Pending) -> impl IntoView {
    let reference = pending.claim.get_untracked().reference;
    view! { <input type="hidden" name="reference" value=reference /> }
}

#[component]
fn ResendForm(pending: Pending) -> impl IntoView {
    let texts = pending.texts;
    let hydrated = hydrated();
    let state = FormState::sharing(texts, pending.notice);
    // Without JavaScript nothing counts down: the button is open and the server decides.
    let is_cooling = Signal::derive(move || hydrated.get() && !pending.cooldown.is_over());
    let show = move |answer: Answer| {
        if answer.refusal.is_some() {
            state.problem(answer.message);
            return Next::Stay;
        }
        if let Some(claim) = answer.claim {
            // Else the mail repeats the code, and a wrong one is as wrong as before.
            if untrack(|| pending.is_stale()) {
                pending.code.clear();
            }
            pending.renew(claim);
        }
        pending.notice.set(Some(view::Notice {
            tone: Tone::Information,
            text: texts.get(key::VERIFY_RESENT),
        }));
        Next::Replace(CODE_NAME)
    };
    let submit = move |event: SubmitEvent| {
        if is_cooling.get_untracked() {
            event.prevent_default();
        } else {
            state.submit(&event, &[], show);
        }
    };
    let label = move || {
        let label = texts.get(if pending.is_stale() {
            key::VERIFY_RESEND_NEW
        } else {
            key::VERIFY_RESEND
        });
        if state.busy.get() {
            texts.get(key::VERIFY_RESENDING)
        } else if is_cooling.get() {
            (texts.get(key::VERIFY_RESEND_IN))
                .replace("{label}", &label)
                .replace(PLACE, &pending.cooldown.seconds().to_string())
        } else {
            label
        }
    };

    view! {
        <form class="form" method="post" action="/resend" on:submit=submit>
            <Meant pending />
            <Button
                label=Signal::derive(label)
                busy=state.busy
                blocked=is_cooling
                secondary=Signal::derive(move || !pending.is_stale())
            />
        </form>
    }
}
