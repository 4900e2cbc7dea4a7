//! The pages. Each draws its view from the context, in the texts of `locales`.

mod components;
mod error;
mod home;
mod login;
mod not_found;
mod not_me;
mod register;
mod verify;
mod welcome;

pub use components::ComponentsPage;
pub use error::ErrorPage;
pub use home::HomePage;
pub use login::LoginPage;
pub use not_found::NotFoundPage;
pub use not_me::NotMePage;
pub use register::RegisterPage;
pub use verify::VerifyPage;
pub use welcome::WelcomePage;

use leptos::prelude::*;

use crate::{
    texts::{Key, key, say},
    view::Site,
};

/// What every page knows of the service.
pub(crate) fn site() -> Site {
    use_context().unwrap_or_default()
}

/// The title of a page whose form came back: the first thing that is read out says so.
fn title_of(page: Key, is_refused: bool) -> String {
    let page = say(page);
    if is_refused {
        say(key::PAGE_TITLE_REFUSED.with("page", page))
    } else {
        page
    }
}
