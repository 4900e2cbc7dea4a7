//! The two doors: pages for people, an API for programs, one handler for each deed.
//!
//! A handler parses, calls the use case, and answers; what went wrong is a `Problem`, which
//! becomes JSON or a page only on its way out.

mod access_log;
mod answer;
mod basic_auth;
mod claim;
mod client_address;
mod connections;
mod correct;
mod cross_site;
mod door;
mod drawing;
mod errors;
mod form;
mod headers;
mod health;
mod limits;
mod login;
mod logout;
pub mod mailbox;
mod not_me;
mod openapi;
mod pages;
mod places;
mod preferences;
mod register;
mod resend;
mod session;
mod state;
mod static_files;
mod to_https;
mod unread;
mod verify;
mod visit;

pub use client_address::TrustedProxies;
pub use connections::Gate;
pub use drawing::Drawings;
pub use limits::TimeLimits;
pub use places::Places;
pub use state::{AppState, PublicOrigin, Shared};
pub use to_https::to_https;

use any_spawner::Executor;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

use crate::store::SessionRecords;

/// All doors. `development_mailbox` is mounted when there is one.
pub fn router(
    state: AppState,
    sessions: SessionRecords,
    development_mailbox: Option<crate::mail::DevelopmentMailbox>,
) -> Router {
    // Pages draw themselves on it; whoever was first in this process has set the same one.
    let _ = Executor::init_tokio();
    // Sessions are written by the pages' own deeds.
    let sessions = SessionManagerLayer::new(sessions)
        .with_name("__Host-latchkey")
        .with_secure(true)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(session::EXPIRY);
    let pages = Router::new()
        .route("/", get(pages::home))
        .route("/register", get(pages::register))
        .route("/verify", get(pages::verify))
        .route("/welcome", get(pages::welcome))
        .route("/login", get(pages::login))
        .route("/not-me", get(not_me::ask))
        .layer(CompressionLayer::new());
    let deeds = Router::new()
        .route("/register", post(register::register))
        .route("/verify", post(verify::verify))
        .route("/resend", post(resend::resend))
        .route("/correct", post(correct::correct))
        .route("/login", post(login::login))
        .route("/logout", post(logout::logout))
        .route("/claim", get(claim::claim))
        .route("/not-me", post(not_me::disown))
        .layer(DefaultBodyLimit::max(limits::MAX_BODY));
    let mut router = pages
        .merge(deeds)
        .layer(sessions)
        .route(
            "/preferences",
            post(preferences::choose).layer(DefaultBodyLimit::max(limits::MAX_BODY)),
        )
        .route("/openapi.json", get(openapi::document))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(static_files::serve);
    if state.is_development {
        router = router.route("/dev/components", get(pages::components));
    }
    let mut router = router.with_state(state.clone());
    if let Some(mailbox) = development_mailbox {
        router = router.merge(mailbox::router(mailbox));
    }
    let router = router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), cross_site::refuse))
            .layer(from_fn_with_state(state.clone(), limits::answer_in_time)),
    );
    protect(router, &state)
}

/// What holds for every answer, whichever port and router it comes from. The first layer is the
/// first that a request meets; all are one service, since each that a router gets by itself is
/// boxed, and copied with all below it, for each request.
fn protect(router: Router, state: &AppState) -> Router {
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), client_address::identify))
            .layer(from_fn(access_log::log))
            .layer(from_fn(unread::take_in))
            .layer(from_fn_with_state(state.clone(), headers::harden))
            .layer(CatchPanicLayer::custom(errors::panicked_again))
            .layer(from_fn_with_state(state.clone(), errors::dress))
            .layer(CatchPanicLayer::custom(errors::panicked))
            .layer(from_fn(limits::check_head)),
    )
}
