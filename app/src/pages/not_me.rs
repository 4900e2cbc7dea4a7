use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::{
    components::Card,
    texts::{key, say},
    view::NotMeView,
};

/// `/not-me`: asks before anything happens, since scanners of mail follow links. A plain form: it
/// needs no script, and none needs to wait for it.
#[component]
pub fn NotMePage() -> impl IntoView {
    let (title, matter) = match use_context::<NotMeView>().unwrap_or_default() {
        NotMeView::Ask {
            token,
            email,
            reference,
        } => (key::NOT_ME_ASK, ask(token, email, reference).into_any()),
        NotMeView::Done => (
            key::NOT_ME_DONE,
            view! { <p class="lead">{say(key::NOT_ME_DONE_LEAD)}</p> }.into_any(),
        ),
        NotMeView::Stale => (
            key::NOT_ME_STALE,
            view! { <p class="lead">{say(key::NOT_ME_STALE_LEAD)}</p> }.into_any(),
        ),
    };

    view! {
        <Title text=say(title) />
        <Meta name="robots" content="noindex" />
        <Card heading=say(title)>{matter}</Card>
    }
}

fn ask(token: String, email: String, reference: String) -> impl IntoView {
    view! {
        <p class="lead">{say(key::NOT_ME_ASK_LEAD)}</p>
        <dl class="facts">
            <dt>{say(key::WELCOME_ADDRESS)}</dt>
            <dd>{email}</dd>
            <dt>{say(key::VERIFY_REFERENCE)}</dt>
            <dd>
                <code>{reference}</code>
                " – "
                {say(key::VERIFY_REFERENCE_MEANS)}
            </dd>
        </dl>
        <p>{say(key::NOT_ME_WHAT)}</p>
        <form class="form" method="post" action="/not-me">
            <input type="hidden" name="token" value=token />
            <button type="submit" class="button">
                {say(key::NOT_ME_STOP)}
            </button>
        </form>
        <p class="aside">{say(key::NOT_ME_IGNORE)}</p>
    }
}
