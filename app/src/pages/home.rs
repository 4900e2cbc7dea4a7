use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::{
    components::Card,
    texts::{key, say},
};

/// `/`: what this is, and the way in.
#[component]
pub fn HomePage() -> impl IntoView {
    let steps = [
        (key::HOME_STEP_1, key::HOME_STEP_1_WHAT),
        (key::HOME_STEP_2, key::HOME_STEP_2_WHAT),
        (key::HOME_STEP_3, key::HOME_STEP_3_WHAT),
    ]
    .map(|(name, what)| {
        view! {
            <li class="steps__step">
                <strong class="steps__name">{say(name)}</strong>
                <span class="steps__what">{say(what)}</span>
            </li>
        }
    });

    view! {
        <Title text=say(key::HOME_TITLE) />
        <Meta name="description" content=say(key::HOME_DESCRIPTION) />
        <Card heading=say(key::HOME_HEADING)>
            <ol class="steps">{steps}</ol>
            <p class="actions">
                <a class="button" href="/register">
                    {say(key::HOME_REGISTER)}
                </a>
                <a class="button button--secondary" href="/login">
                    {say(key::HOME_LOGIN)}
                </a>
            </p>
            <p class="aside">
                <a href="/verify">{say(key::HOME_VERIFY)}</a>
            </p>
        </Card>
    }
}
