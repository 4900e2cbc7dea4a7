//! The pages. Each says its texts at the top of its file and draws its view from the context.

mod error;
mod home;
mod not_found;
mod not_me;
mod register;
mod verify;
mod welcome;

pub use error::ErrorPage;
pub use home::HomePage;
pub use not_found::NotFoundPage;
pub use not_me::NotMePage;
pub use register::RegisterPage;
pub use verify::VerifyPage;
pub use welcome::WelcomePage;

use leptos::prelude::*;

use crate::view::Site;

/// What every page knows of the service.
pub(crate) fn site() -> Site {
    use_context().unwrap_or_default()
}

/// The title of a page whose form came back: the first thing that is read out says so.
fn title_of(page: &str, is_refused: bool) -> String {
    if is_refused {
        format!("Error: {page}")
    } else {
        page.to_owned()
    }
}
