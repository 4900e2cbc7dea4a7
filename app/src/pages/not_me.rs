use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::{components::Card, view::NotMeView};

const ASK: &str = "Was this not you?";
const ASK_LEAD: &str = "Somebody signed up with your address:";
const REFERENCE: &str = "Reference";
const REFERENCE_MEANS: &str = "the mail shows it too";
const ADDRESS: &str = "Address";
const WHAT: &str = "If that was not you, you can stop it. No code will open this sign-up any more, and for a day no mail comes to you from where it was made. An account that you have is not touched.";
const STOP: &str = "It was not me: stop it";
const IGNORE: &str = "If it was you, close this page: nothing has happened.";
const DONE: &str = "It is stopped";
const DONE_LEAD: &str = "No code opens that sign-up any more, and for a day no mail comes to you from where it was made. You can close this page.";
const STALE: &str = "There is nothing to stop";
const STALE_LEAD: &str =
    "This link has been used, or its sign-up is over. There is nothing for you to do.";

/// `/not-me`: asks before anything happens, since scanners of mail follow links. A plain form: it
/// needs no script, and none needs to wait for it.
#[component]
pub fn NotMePage() -> impl IntoView {
    let (title, matter) = match use_context::<NotMeView>().unwrap_or_default() {
        NotMeView::Ask {
            token,
            email,
            reference,
        } => (ASK, ask(token, email, reference).into_any()),
        NotMeView::Done => (DONE, view! { <p class="lead">{DONE_LEAD}</p> }.into_any()),
        NotMeView::Stale => (STALE, view! { <p class="lead">{STALE_LEAD}</p> }.into_any()),
    };

    view! {
        <Title text=title />
        <Meta name="robots" content="noindex" />
        <Card heading=title>{matter}</Card>
    }
}

fn ask(token: String, email: String, reference: String) -> impl IntoView {
    view! {
        <p class="lead">{ASK_LEAD}</p>
        <dl class="facts">
            <dt>{ADDRESS}</dt>
            <dd>{email}</dd>
            <dt>{REFERENCE}</dt>
            <dd>
                <code>{reference}</code>
                " – "
                {REFERENCE_MEANS}
            </dd>
        </dl>
        <p>{WHAT}</p>
        <form class="form" method="post" action="/not-me">
            <input type="hidden" name="token" value=token />
            <button type="submit" class="button">
                {STOP}
            </button>
        </form>
        <p class="aside">{IGNORE}</p>
    }
}
