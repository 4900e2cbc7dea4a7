use leptos::prelude::*;

use super::ErrorPage;
use crate::{
    texts::{key, say},
    view::ErrorView,
};

/// Any path that is none of ours. The status is the server's to set.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    let error = ErrorView {
        status: 404,
        title: say(key::ERROR_TITLE_NOT_FOUND),
        message: say(key::ERROR_NOT_FOUND),
        ..ErrorView::default()
    };
    view! { <ErrorPage error /> }
}
