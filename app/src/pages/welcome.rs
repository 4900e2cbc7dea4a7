use leptos::prelude::*;
use leptos_meta::Title;

use super::site;
use crate::{components::Card, view::WelcomeView};

const TITLE: &str = "Welcome";
const LEAD: &str = "The address is yours, and your account is there:";
const GO_ON: &str = "Go on";

/// `/welcome`: the address is verified; on to `links.after`.
#[component]
pub fn WelcomePage() -> impl IntoView {
    let WelcomeView { email } = use_context().unwrap_or_default();

    view! {
        <Title text=TITLE />
        <Card heading=TITLE>
            <p class="lead">{LEAD} " " <strong class="address">{email}</strong></p>
            {site()
                .after
                .map(|after| {
                    view! {
                        <p class="actions">
                            <a class="button" href=after>
                                {GO_ON}
                            </a>
                        </p>
                    }
                })}
        </Card>
    }
}
