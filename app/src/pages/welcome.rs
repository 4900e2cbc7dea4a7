use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use super::site;
use crate::{
    components::Card,
    texts::{Message, key, say},
    view::{Moment, WelcomeView},
};

impl From<Moment> for Message {
    fn from(moment: Moment) -> Self {
        let two_digits = |number: u64| format!("{number:02}");
        key::MOMENT
            .with("day", moment.day)
            .with("month", moment.month)
            .with("year", moment.year.to_string())
            .with("hour", two_digits(moment.hour))
            .with("minute", two_digits(moment.minute))
    }
}

/// `/welcome`: whose account this is, since when, and on to `links.after`.
#[component]
pub fn WelcomePage() -> impl IntoView {
    let WelcomeView { email, verified_at } = use_context().unwrap_or_default();
    let on = site().after.map(|after| {
        view! {
            <a class="button" href=after>
                {say(key::WELCOME_GO_ON)}
            </a>
        }
    });

    view! {
        <Title text=say(key::WELCOME_TITLE) />
        <Meta name="robots" content="noindex" />
        <Card heading=say(key::WELCOME_TITLE)>
            <p class="lead">{say(key::WELCOME_LEAD)}</p>
            <dl class="facts">
                <dt>{say(key::WELCOME_ADDRESS)}</dt>
                <dd>
                    <bdi class="address">{email}</bdi>
                </dd>
                <dt>{say(key::WELCOME_SINCE)}</dt>
                <dd>
                    <time datetime=verified_at.machine_readable()>{say(verified_at)}</time>
                </dd>
            </dl>
            <form class="actions" method="post" action="/logout">
                {on} <button type="submit" class="button button--secondary">{say(key::WELCOME_SIGN_OUT)}</button>
            </form>
        </Card>
    }
}
