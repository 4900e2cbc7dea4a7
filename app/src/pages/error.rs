use leptos::prelude::*;
use leptos_meta::Title;

use crate::{components::Card, view::ErrorView};

const STATUS: &str = "Status";
const REFERENCE: &str = "Reference";
const HOME: &str = "Back to the start";

/// Whatever did not work: what to do about it, and what to quote when asking for help.
#[component]
pub fn ErrorPage(error: ErrorView) -> impl IntoView {
    let ErrorView {
        status,
        title,
        message,
        reference,
    } = error;

    view! {
        <Title text=title.clone() />
        <Card heading=title>
            <p class="lead">{message}</p>
            <p class="actions">
                <a class="button button--secondary" href="/">
                    {HOME}
                </a>
            </p>
            <p class="small-print">
                {STATUS} " " {status}
                {reference
                    .map(|reference| {
                        view! {
                            " · "
                            {REFERENCE}
                            " "
                            <code>{reference}</code>
                        }
                    })}
            </p>
        </Card>
    }
}
