use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::{
    components::Card,
    texts::{key, say},
    view::ErrorView,
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
    let again = again.map(|path| {
        view! {
            <a class="button" href=path>
                {say(key::ERROR_AGAIN)}
            </a>
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
            <p class="actions">
                {again} <a class="button button--secondary" href="/">
                    {say(key::ERROR_HOME)}
                </a>
            </p>
            <p class="small-print">{say(key::ERROR_STATUS)} " " {status} {reference}</p>
        </Card>
    }
}
