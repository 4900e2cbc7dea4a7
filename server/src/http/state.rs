//! What handlers share; layers name just the piece they use.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::FromRef;
use latchkey_app::SiteFiles;
use latchkey_app::view::Site;
use leptos::config::LeptosOptions;
use url::Url;

use super::client_address::TrustedProxies;
use super::drawing::Drawings;
use super::health::Probed;
use super::limits::TimeLimits;
use crate::clock::SharedClock;
use crate::mail::RelayHealth;
use crate::registration::{PasswordPolicy, Registration};
use crate::store::Store;

/// Everything that handlers share. Each layer and handler has a clone of its own for each request,
/// so a clone is one count.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What it is.
#[derive(Clone)]
pub struct Shared {
    pub registration: Arc<Registration>,
    pub password_policy: Arc<PasswordPolicy>,
    pub store: Arc<Store>,
    pub clock: SharedClock,
    pub relay_health: Arc<RelayHealth>,
    pub probed: Arc<Probed>,
    /// What every page knows of the service.
    pub site: Arc<Site>,
    /// `code.digits`, for the hint beside the field.
    pub code_digits: u8,
    /// Whether the answer to a sign-up holds the code.
    pub expose_code: bool,
    /// Whether there are pages for developers.
    pub is_development: bool,
    pub origin: Arc<PublicOrigin>,
    pub trusted_proxies: Arc<TrustedProxies>,
    pub time_limits: TimeLimits,
    pub leptos: LeptosOptions,
    /// What the browser's files are called.
    pub site_files: SiteFiles,
    pub drawings: Arc<Drawings>,
    /// The browser's files.
    pub site_dir: Arc<PathBuf>,
}

impl AppState {
    /// For what is answered without TLS beside a port that has it, where browsers must not be told
    /// to insist on it (RFC 6797 §7.2: anybody on the way could say so).
    pub(super) fn over_plain_http(&self) -> Self {
        Self::from(Shared {
            origin: Arc::new(PublicOrigin {
                strict_transport: false,
                ..(*self.origin).clone()
            }),
            ..(*self.0).clone()
        })
    }
}

impl From<Shared> for AppState {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The origin that people's browsers see.
#[derive(Clone, Debug)]
pub struct PublicOrigin {
    /// In the form of an `Origin` header: scheme, host, port.
    pub text: String,
    /// Whether browsers may be told to insist on HTTPS from now on.
    pub strict_transport: bool,
}

impl PublicOrigin {
    /// Insists on HTTPS unless the certificate is self-signed: then a developer who meets a
    /// warning could not pass it any more, on any port of that host.
    #[must_use]
    pub fn new(public_url: &Url, self_signed: bool) -> Self {
        Self {
            text: public_url.origin().ascii_serialization(),
            strict_transport: public_url.scheme() == "https" && !self_signed,
        }
    }
}

macro_rules! pieces {
    ($($field:ident: $piece:ty),* $(,)?) => {$(
        impl FromRef<AppState> for $piece {
            fn from_ref(state: &AppState) -> Self {
                state.$field.clone()
            }
        }
    )*};
}

pieces! {
    store: Arc<Store>,
    origin: Arc<PublicOrigin>,
    trusted_proxies: Arc<TrustedProxies>,
    time_limits: TimeLimits,
}
