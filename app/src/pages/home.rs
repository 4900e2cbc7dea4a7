use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::components::Card;

const TITLE: &str = "Sign up";
const DESCRIPTION: &str =
    "Sign up with an e-mail address that is yours: a code that we mail you proves it.";
const HEADING: &str = "Sign up with an address that is yours";
const STEPS: [(&str, &str); 3] = [
    (
        "Say who you are",
        "An e-mail address and a password, nothing else.",
    ),
    ("Read your mail", "It brings a short code that works once."),
    ("Type the code", "That is all: your account is there."),
];
const REGISTER: &str = "Create an account";
const VERIFY: &str = "I have a code";

/// `/`: what this is, and the way in.
#[component]
pub fn HomePage() -> impl IntoView {
    view! {
        <Title text=TITLE />
        <Meta name="description" content=DESCRIPTION />
        <Card heading=HEADING>
            <ol class="steps">
                {STEPS
                    .map(|(name, what)| {
                        view! {
                            <li class="steps__step">
                                <strong class="steps__name">{name}</strong>
                                <span class="steps__what">{what}</span>
                            </li>
                        }
                    })}
            </ol>
            <p class="actions">
                <a class="button" href="/register">
                    {REGISTER}
                </a>
                <a class="button button--secondary" href="/verify">
                    {VERIFY}
                </a>
            </p>
        </Card>
    }
}
