//! Follows what becomes of a mail, until it has left.

use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

use super::pending::Pending;
use crate::{answer::Answer, components::ask};

/// Where the server says it.
const CLAIM: &str = "/claim";

/// At first often, since most mail leaves at once; doubling; and at most so rarely.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const RAREST_LOOK: Duration = Duration::from_secs(4);

/// Asks for as long as the mail is queued, and again when another one is.
pub(super) fn follow(pending: Pending) {
    let is_queued = Memo::new(move |_| pending.claim.read().is_queued());
    Effect::new(move || {
        if is_queued.get() {
            look_after(FIRST_LOOK, pending);
        }
    });
}

fn look_after(pause: Duration, pending: Pending) {
    set_timeout(
        move || {
            spawn_local(async move {
                // A network that is away may come back; then the mail has perhaps left.
                let answer = ask(CLAIM).await.ok();
                if answer.is_none_or(|answer| tell(pending, answer)) {
                    look_after((pause * 2).min(RAREST_LOOK), pending);
                }
            });
        },
        pause,
    );
}

/// Shows what has become of the mail, and says whether there is more to come.
fn tell(pending: Pending, answer: Answer) -> bool {
    let shown = pending.claim.get_untracked();
    match answer.claim {
        // The session knows another sign-up by now, or none: this page is history.
        None => false,
        Some(claim) if claim.reference != shown.reference => false,
        // Another mail was asked for meanwhile: what is shown is as good, and a look is due.
        Some(claim) if claim.is_queued() => shown.is_queued(),
        Some(claim) => {
            if shown.is_queued() {
                pending.renew(claim);
            }
            false
        }
    }
}
