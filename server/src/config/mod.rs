//! Configuration: defaults, overridden by a TOML file, overridden by environment variables,
//! overridden by flags. One file a section; docs/CONFIGURATION.md is its operator's view.

mod claim;
mod code;
pub mod data_dir;
mod database;
mod development;
mod error;
mod hash;
pub mod keys;
mod layers;
mod limits;
mod links;
mod log;
mod mail;
mod parse;
mod password;
mod privacy;
mod rules;
pub mod secret;
mod service;
mod site;
mod smtp;
mod tls;
mod value;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use claim::ClaimConfig;
pub use code::CodeConfig;
pub use database::DatabaseConfig;
pub use development::DevelopmentConfig;
pub use error::{ConfigError, Problem};
pub use hash::HashConfig;
pub use layers::Sources;
pub use limits::{LimitsConfig, LimitsMode};
pub use links::LinksConfig;
pub use log::{LogConfig, LogFormat};
pub use mail::MailConfig;
pub use password::PasswordConfig;
pub use privacy::PrivacyConfig;
pub use service::ServiceConfig;
pub use site::SiteError;
pub use smtp::SmtpConfig;
pub use tls::{TlsConfig, TlsMode};

/// All that an operator can decide. [`Config::default`] is development on one's own machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Production refuses to start with anything unsafe.
    pub mode: Mode,
    pub service: ServiceConfig,
    /// Where HTTPS is served; unused with `tls.mode=off`.
    pub https_addr: SocketAddr,
    /// Where HTTP is answered by a redirect to HTTPS, or serves the pages with `tls.mode=off`.
    pub http_addr: SocketAddr,
    /// The origin that people's browsers see: in mails, and what `Origin` headers are held against,
    /// so that no other site can post in a visitor's name.
    #[serde(deserialize_with = "parse::text")]
    pub public_url: Url,
    pub links: LinksConfig,
    /// Embedded database, self-signed certificate and keys. Closed to other users.
    pub data_dir: PathBuf,
    /// 32 bytes in base64, from which codes and salts are derived: whoever has it and the store
    /// can compute live codes. Unset: made in `data_dir`.
    pub secret_key: Option<SecretString>,
    pub database: DatabaseConfig,
    pub tls: TlsConfig,
    pub smtp: SmtpConfig,
    pub mail: MailConfig,
    pub code: CodeConfig,
    pub claim: ClaimConfig,
    pub privacy: PrivacyConfig,
    pub password: PasswordConfig,
    pub hash: HashConfig,
    pub limits: LimitsConfig,
    /// Who may say, in `proxy_header`, which address a request comes from. Everybody else's header
    /// is ignored, so that nobody chooses the address that limits count.
    #[serde(deserialize_with = "parse::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The one header read from trusted proxies; its rightmost untrusted hop is the client.
    pub proxy_header: String,
    pub log: LogConfig,
    pub development: DevelopmentConfig,
    /// The browser's files; unset: found beside the binary, see [`Config::site_dir`].
    pub site_dir: Option<PathBuf>,
}

/// What the service is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One's own machine: loopback only, a built-in mailbox.
    #[default]
    Development,
    /// The world: nothing unsafe is on.
    Production,
}

/// The port of `https_addr` and of `public_url`.
const HTTPS_PORT: u16 = 8443;
const HTTP_PORT: u16 = 8080;

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            service: ServiceConfig::default(),
            https_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, HTTPS_PORT)),
            http_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT)),
            public_url: localhost("https", HTTPS_PORT),
            links: LinksConfig::default(),
            data_dir: PathBuf::from("./data"),
            secret_key: None,
            database: DatabaseConfig::default(),
            tls: TlsConfig::default(),
            smtp: SmtpConfig::default(),
            mail: MailConfig::default(),
            code: CodeConfig::default(),
            claim: ClaimConfig::default(),
            privacy: PrivacyConfig::default(),
            password: PasswordConfig::default(),
            hash: HashConfig::default(),
            limits: LimitsConfig::default(),
            trusted_proxies: Vec::new(),
            proxy_header: "X-Forwarded-For".to_owned(),
            log: LogConfig::default(),
            development: DevelopmentConfig::default(),
            site_dir: None,
        }
    }
}

/// With each problem, which layer has the value.
fn told(mut problems: error::Problems, layers: &layers::Layers) -> Result<(), ConfigError> {
    for problem in &mut problems.0 {
        if let Problem::Refused { key, origin, .. } = problem {
            *origin = layers.origin(key);
        }
    }
    problems.into_result()
}

impl Config {
    /// Reads all layers and validates the outcome.
    ///
    /// In development an unset `public_url` follows the listening address: `http` with
    /// `tls.mode=off`, and the port that is served.
    ///
    /// # Errors
    /// Everything found wrong, one line each: unknown keys and values that cannot be read, or
    /// else what [`Config::validate`] finds.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let (layers, problems) = layers::Layers::read(sources);
        let mut config = layers.extract(problems)?;
        if config.mode == Mode::Development && !layers.set("public_url") {
            config.public_url = config.served_at();
        }
        let mut problems = error::Problems::default();
        rules::check_explicit(&config, |key| layers.set(key), &mut problems);
        rules::check(&config, &mut problems);
        told(problems, &layers).map(|()| config)
    }

    /// The same for whoever only looks into the store: what serving needs, as a certificate and a
    /// relay, may be missing, and is not judged.
    ///
    /// # Errors
    /// Unknown keys and values that cannot be read, or else what is wrong with `data_dir`,
    /// `secret_key` and `database`.
    pub fn load_for_store(sources: &Sources) -> Result<Self, ConfigError> {
        let (layers, problems) = layers::Layers::read(sources);
        let config = layers.extract(problems)?;
        let mut problems = error::Problems::default();
        rules::check_store(&config, &mut problems);
        told(problems, &layers).map(|()| config)
    }

    /// Whether every value is allowed, by itself and beside the others.
    ///
    /// # Errors
    /// Everything found wrong. Whether `public_url` and `mail.from` were set, as production
    /// demands, only [`Config::load`] can tell.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = error::Problems::default();
        rules::check(self, &mut problems);
        problems.into_result()
    }

    /// Whether the answer to a registration holds the code.
    pub fn expose_code(&self) -> bool {
        let default = self.mode == Mode::Development && self.smtp.url.is_none();
        self.code.expose.unwrap_or(default)
    }

    /// Whether registering a verified address is answered by 409.
    pub fn reveal_existing(&self) -> bool {
        self.privacy
            .reveal_existing
            .unwrap_or_else(|| self.expose_code())
    }

    /// Password hashes computed at the same time.
    pub fn hash_workers(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.hash.workers.map_or_else(cores, NonZeroUsize::get)
    }

    /// The folder of the browser's files: `site_dir`; else `LEPTOS_SITE_ROOT`, which cargo-leptos
    /// sets; else `site` beside the binary or beside the binary's folder.
    ///
    /// # Errors
    /// When none of them is there.
    pub fn site_dir(&self) -> Result<PathBuf, SiteError> {
        site::find(self.site_dir.as_deref())
    }

    fn served_at(&self) -> Url {
        let (scheme, port, default) = match self.tls.mode {
            TlsMode::Off => ("http", self.http_addr.port(), HTTP_PORT),
            _ => ("https", self.https_addr.port(), HTTPS_PORT),
        };
        // Port 0 is chosen by the system only once it is bound.
        localhost(scheme, if port == 0 { default } else { port })
    }
}

fn localhost(scheme: &str, port: u16) -> Url {
    // Cannot fail: both parts are this module's own.
    #[allow(clippy::expect_used)]
    Url::parse(&format!("{scheme}://localhost:{port}")).expect("a valid URL")
}

#[cfg(test)]
mod tests;
