use leptos::prelude::*;

use crate::{
    language::Language,
    texts::{Message, key, say},
    theme::Theme,
    view::Preferences,
};

/// Language and colours, at the foot of every page: a plain form that needs no script, and whose
/// choice the server keeps in cookies, so that the next page is right from its first byte. Where
/// there is something to type, `preferences.js` lets it stay.
#[component]
pub fn PreferencesForm() -> impl IntoView {
    let Preferences {
        language,
        theme,
        back,
    } = use_context().unwrap_or_default();
    let languages = Language::ALL.map(|choice| {
        view! {
            <button
                type="submit"
                class="choice__option"
                name="language"
                value=choice.tag()
                lang=choice.tag()
                aria-pressed=if choice == language { "true" } else { "false" }
            >
                {own_name(choice)}
            </button>
        }
    });
    let themes = Theme::ALL.map(|choice| {
        let name = match choice {
            Theme::System => key::THEME_SYSTEM,
            Theme::Light => key::THEME_LIGHT,
            Theme::Dark => key::THEME_DARK,
        };
        view! {
            <button
                type="submit"
                class="choice__option"
                name="theme"
                value=choice.name()
                aria-pressed=if choice == theme { "true" } else { "false" }
            >
                {say(name)}
            </button>
        }
    });

    view! {
        <form
            class="preferences"
            method="post"
            action="/preferences"
            aria-label=say(key::PREFERENCES)
        >
            <input type="hidden" name="back" value=back />
            <div class="choice" role="group" aria-label=say(key::LANGUAGE)>
                {languages}
            </div>
            <div class="choice" role="group" aria-label=say(key::THEME)>
                {themes}
            </div>
        </form>
    }
}

#[cfg(feature = "ssr")]
fn own_name(language: Language) -> String {
    Message::from(key::LANGUAGE_NAME).in_language(language)
}

#[cfg(not(feature = "ssr"))]
fn own_name(_: Language) -> String {
    let _: Message = key::LANGUAGE_NAME.into();
    String::new()
}
