use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::{
    components::Card,
    texts::{key, say},
    view::{Again, ErrorView},
};

/// Whatever did not work: what to do about it, and what to quote when asking for help.
#[component]
pub fn ErrorPage(error: ErrorView) -> impl IntoView {
    let ErrorView {
        status,
        title,
        message,
        reference,
        again,
    } = error;
    let again = again.map(|again| match again {
        Again::Open(path) => view! {
            <a class="button" href=path>
                {say(key::ERROR_AGAIN)}
            </a>
        }
        .into_any(),
        Again::Post { path, fields } => {
            let fields = (fields.into_iter())
                .map(|(name, text)| view! { <input type="hidden" name=name value=text /> })
                .collect_view();
            view! {
                <form method="post" action=path>
                    {fields} <button type="submit" class="button">
                        {say(key::ERROR_AGAIN)}
                    </button>
                </form>
            }
            .into_any()
        }
    });
    let reference = reference.map(|reference| {
        view! {
            " · "
            {say(key::ERROR_REFERENCE)}
            " "
            <code>{reference}</code>
        }
    });

    view! {
        <Title text=title.clone() />
        <Meta name="robots" content="noindex" />
        <Card heading=title>
            <p class="lead">{message}</p>
            <div class="actions">
                {again} <a class="button button--secondary" href="/">
                    {say(key::ERROR_HOME)}
                </a>
            </div>
            <p class="small-print">{say(key::ERROR_STATUS)} " " {status} {reference}</p>
        </Card>
    }
}
