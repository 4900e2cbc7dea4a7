//! The document around every page, and which page stands in it.

use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::{
    components::{FlatRoutes, Route, Router},
    path,
};

use crate::{
    components::PreferencesForm,
    hydration::{Hydration, SiteFiles},
    pages::{
        ComponentsPage, ErrorPage, HomePage, LoginPage, NotFoundPage, NotMePage, RegisterPage,
        VerifyPage, WelcomePage, site,
    },
    texts::{key, say},
    theme::Theme,
    view::{ErrorView, LoginView, Preferences, RegisterView, VerifyView},
};

/// The HTML document, for the server to render.
///
/// `files` are the browser's, as cargo-leptos built them; of `options` only what reloads a page that
/// is being developed is used. Scripts bear the nonce that `leptos_axum` provides; nothing else needs an exception
/// from `script-src 'nonce-…' 'wasm-unsafe-eval'; style-src 'self'`.
pub fn shell(options: LeptosOptions, files: SiteFiles) -> impl IntoView {
    // What is not in an island is plain HTML, without the marks that hydration needs.
    if let Some(context) = Owner::current_shared_context() {
        context.set_is_hydrating(false);
    }
    let style = files.css.clone();
    let Preferences {
        language, theme, ..
    } = use_context().unwrap_or_default();
    let (scheme, chosen) = match theme {
        Theme::System => ("light dark", None),
        Theme::Light | Theme::Dark => (theme.name(), Some(theme.name())),
    };

    view! {
        <!DOCTYPE html>
        // Twice: a browser that translates a page has another `lang` afterwards.
        <html
            lang=language.tag()
            data-language=language.tag()
            dir=say(key::LANGUAGE_DIRECTION)
            data-theme=chosen
        >
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content=scheme />
                <link rel="stylesheet" href=style />
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
                <AutoReload options />
                {has_islands().then(|| view! { <Hydration files /> })}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Whether anything on the page needs to wake up. The others load no script at all.
fn has_islands() -> bool {
    use_context::<ErrorView>().is_none()
        && (use_context::<RegisterView>().is_some()
            || use_context::<VerifyView>().is_some()
            || use_context::<LoginView>().is_some())
}

/// Draws the page of the path from its view in the context, or, whatever the path, the
/// [`ErrorView`] when there is one.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let service_name = site().service_name;
    let page_title = {
        let service_name = service_name.clone();
        // leptos_meta writes a title as it is.
        move |title: String| {
            let text = key::PAGE_TITLE.with("page", title);
            say(text.with("service", service_name.as_str()))
                .replace('&', "&amp;")
                .replace('<', "&lt;")
        }
    };
    let page = match use_context::<ErrorView>() {
        Some(error) => view! { <ErrorPage error /> }.into_any(),
        None => view! { <Pages /> }.into_any(),
    };

    view! {
        <Title formatter=page_title />
        <a class="skip" href="#content">
            {say(key::SKIP_TO_CONTENT)}
        </a>
        <header class="masthead">
            <a class="masthead__home" href="/">
                // As the icon, whose colours do not change with the theme.
                <img class="masthead__mark" src="/favicon.svg" alt="" width="28" height="28" />
                {service_name}
            </a>
        </header>
        <main class="page" id="content" tabindex="-1">
            {page}
        </main>
        <footer class="footer">
            <PreferencesForm />
        </footer>
    }
}

#[component]
fn Pages() -> impl IntoView {
    view! {
        <Router>
            <FlatRoutes fallback=NotFoundPage>
                <Route path=path!("/") view=HomePage />
                <Route path=path!("/register") view=RegisterPage />
                <Route path=path!("/verify") view=VerifyPage />
                // What a browser without JavaScript sees when no new code can be sent, or not there.
                <Route path=path!("/resend") view=VerifyPage />
                <Route path=path!("/correct") view=VerifyPage />
                <Route path=path!("/welcome") view=WelcomePage />
                <Route path=path!("/login") view=LoginPage />
                // The server serves it in development only.
                <Route path=path!("/dev/components") view=ComponentsPage />
                <Route path=path!("/not-me") view=NotMePage />
            </FlatRoutes>
        </Router>
    }
}
