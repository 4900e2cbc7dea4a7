//! The document around every page, and which page stands in it.

use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::{
    components::{FlatRoutes, Route, Router},
    path,
};

use crate::{
    hydration::{Hydration, SiteFiles},
    pages::{
        ErrorPage, HomePage, NotFoundPage, NotMePage, RegisterPage, VerifyPage, WelcomePage, site,
    },
    view::ErrorView,
};

/// The HTML document, for the server to render.
///
/// It names the browser's files as cargo-leptos built them: `options` needs `output_name`,
/// `site_pkg_dir`, `hash_files` and `hash_file` (an absolute path, or one beside the binary).
/// Scripts bear the nonce that `leptos_axum` provides; nothing else needs an exception
/// from `script-src 'nonce-…' 'wasm-unsafe-eval'; style-src 'self'`.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let files = SiteFiles::of(&options);
    let style = files.css.clone();

    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="stylesheet" href=style />
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
                <AutoReload options />
                <Hydration files />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
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
            format!("{title} · {service_name}")
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
        <header class="masthead">
            <a class="masthead__home" href="/">
                {service_name}
            </a>
        </header>
        <main class="page">{page}</main>
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
                // What a browser without JavaScript sees when no new code can be sent.
                <Route path=path!("/resend") view=VerifyPage />
                <Route path=path!("/welcome") view=WelcomePage />
                <Route path=path!("/not-me") view=NotMePage />
            </FlatRoutes>
        </Router>
    }
}
