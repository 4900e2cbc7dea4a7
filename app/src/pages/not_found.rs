use leptos::prelude::*;

use super::ErrorPage;
use crate::view::ErrorView;

const TITLE: &str = "Page not found";
const MESSAGE: &str = "There is no page at this address. Check it for a typing error.";

/// Any path that is none of ours. The status is the server's to set.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    let error = ErrorView {
        status: 404,
        title: TITLE.to_owned(),
        message: MESSAGE.to_owned(),
        reference: None,
    };
    view! { <ErrorPage error /> }
}
