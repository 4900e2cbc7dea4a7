use leptos::{ev::SubmitEvent, prelude::*};

use super::{
    CODE, CODE_NAME, SUBMIT, SUBMITTING, check_code, digits_hint, progress, stale, undeliverable,
};
use crate::{
    answer::Answer,
    components::{Button, Countdown, Field, FieldState, FormState, Next, Notice, hydrated},
    view::{self, MailState, PendingClaim, Tone, VerifyView},
};

const LEAD: &str = "We are sending a code to";
const MAIL: &str = "Mail";
const REFERENCE: &str = "Reference";
const REFERENCE_MEANS: &str = "the mail shows it too";
const TIME_LEFT: &str = "Time left";
const ON_LOADING: &str = "when this page was loaded";
const NO_TIME_LEFT: &str = "none";
const BEGINS_LATER: &str = "counts from when the mail is sent";
const LOOK_AGAIN: &str = "Look again";
const ATTEMPTS: &str = "Attempts left";
const RESEND: &str = "Send the code again";
const RESEND_NEW: &str = "Send a new code";
const RESENDING: &str = "Sending …";
const RESENT: &str = "A mail with the code is on its way.";
const OTHER_ADDRESS_LEAD: &str = "Wrong address?";
const OTHER_ADDRESS: &str = "Start again";

fn mail_text(mail: MailState) -> &'static str {
    match mail {
        MailState::Queued => "about to leave",
        MailState::Taken => "sent, may take a moment to arrive",
        MailState::Refused => "could not be delivered: check the address",
    }
}

fn in_seconds(label: &str, seconds: u64) -> String {
    format!("{label} (in {seconds} s)")
}

/// The forms of the browser that made the claim: the code alone, and another mail.
#[island]
pub fn PendingForms(form: VerifyView) -> impl IntoView {
    let VerifyView {
        claim,
        fields,
        notice,
        code_digits,
        ..
    } = form;

    claim.map(|claim| {
        let address = claim.email.clone();
        let pending = Pending::new(claim, notice);
        view! {
            <p class="lead">{LEAD} " " <strong class="address">{address}</strong></p>
            <Facts pending />
            <CodeForm pending error=fields.verification_code code_digits />
            <ResendForm pending />
            <p class="aside">{OTHER_ADDRESS_LEAD} " " <a href="/register">{OTHER_ADDRESS}</a></p>
        }
    })
}

/// What the two forms and the facts above them share.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) claim: RwSignal<PendingClaim>,
    life: Countdown,
    cooldown: Countdown,
    notice: RwSignal<Option<view::Notice>>,
}

impl Pending {
    fn new(claim: PendingClaim, notice: Option<view::Notice>) -> Self {
        let notice = notice.or_else(|| match claim.mail {
            MailState::Taken if claim.code_expires_in_ms == 0 => Some(stale()),
            MailState::Refused => Some(undeliverable()),
            _ => None,
        });
        let pending = Self {
            life: Countdown::new(claim.code_expires_in_ms),
            cooldown: Countdown::new(claim.resend_in_seconds.saturating_mul(1000)),
            claim: RwSignal::new(claim),
            notice: RwSignal::new(notice),
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
            self.notice.set(Some(undeliverable()));
        }
        self.life.restart(claim.code_expires_in_ms);
        self.cooldown
            .restart(claim.resend_in_seconds.saturating_mul(1000));
        self.claim.set(claim);
    }
}

#[component]
fn Facts(pending: Pending) -> impl IntoView {
    let Pending { claim, life, .. } = pending;
    let hydrated = hydrated();
    let time_left = move || {
        let mail = claim.read().mail;
        if pending.is_stale() || mail == MailState::Refused {
            NO_TIME_LEFT.to_owned()
        } else if mail == MailState::Queued {
            BEGINS_LATER.to_owned()
        } else if hydrated.get() {
            life.clock()
        } else {
            format!("{} {ON_LOADING}", life.clock())
        }
    };

    view! {
        <dl class="facts">
            <dt>{MAIL}</dt>
            <dd aria-live="polite">
                {move || mail_text(claim.read().mail)}
                // With JavaScript the page looks by itself.
                {move || {
                    let link = format!(". <a href=\"/verify\">{LOOK_AGAIN}</a>");
                    claim.read().is_queued().then(|| view! { <noscript inner_html=link></noscript> })
                }}
            </dd>
            <dt>{REFERENCE}</dt>
            <dd>
                <code>{move || claim.read().reference.clone()}</code>
                " – "
                {REFERENCE_MEANS}
            </dd>
            <dt>{TIME_LEFT}</dt>
            <dd class="facts__clock">{time_left}</dd>
            <dt>{ATTEMPTS}</dt>
            <dd>{move || claim.read().attempts_left}</dd>
        </dl>
    }
}

#[component]
fn CodeForm(pending: Pending, error: Option<String>, code_digits: u8) -> impl IntoView {
    let code = FieldState::new(CODE_NAME, error, check_code);
    let state = FormState::sharing(pending.notice);
    let show = move |answer: Answer| {
        if answer.refusal.is_none() {
            return Next::Leave("/welcome");
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
            Some(_) => Next::Correct(CODE_NAME),
            None => Next::Stay,
        };
        code.error.set(form.fields.verification_code);
        pending.notice.set(form.notice);
        next
    };
    let submit = move |event: SubmitEvent| state.submit(&event, &[code], show);
    let label = move || if state.busy.get() { SUBMITTING } else { SUBMIT }.to_owned();

    view! {
        <form class="form" method="post" action="/verify" novalidate on:submit=submit>
            <Meant pending />
            {move || pending.notice.get().map(|notice| view! { <Notice notice /> })}
            <Field
                state=code
                label=CODE
                hint=digits_hint(code_digits)
                autocomplete="one-time-code"
                inputmode="numeric"
            />
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
    let hydrated = hydrated();
    let state = FormState::sharing(pending.notice);
    // Without JavaScript nothing counts down: the button is open and the server decides.
    let is_cooling = Signal::derive(move || hydrated.get() && !pending.cooldown.is_over());
    let show = move |answer: Answer| {
        if answer.refusal.is_some() {
            state.problem(answer.message);
            return Next::Stay;
        }
        if let Some(claim) = answer.claim {
            pending.renew(claim);
        }
        pending.notice.set(Some(view::Notice {
            tone: Tone::Information,
            text: RESENT.to_owned(),
        }));
        Next::Correct(CODE_NAME)
    };
    let submit = move |event: SubmitEvent| {
        if is_cooling.get_untracked() {
            event.prevent_default();
        } else {
            state.submit(&event, &[], show);
        }
    };
    let label = move || {
        let label = if pending.is_stale() {
            RESEND_NEW
        } else {
            RESEND
        };
        if state.busy.get() {
            RESENDING.to_owned()
        } else if is_cooling.get() {
            in_seconds(label, pending.cooldown.seconds())
        } else {
            label.to_owned()
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
