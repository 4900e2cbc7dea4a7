//! What no section can judge alone: the rules of each mode, and keys that need each other.

use std::net::SocketAddr;

use axum::http::HeaderName;
use ipnet::IpNet;
use url::{Host, Url};

use super::error::Problems;
use super::{Config, LimitsMode, Mode, TlsMode, keys, secret};

/// The widest networks that somebody can have for themselves: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC
/// 4193). A wider one holds strangers, and two halves hold everybody.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 7;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    config.service.check(problems);
    config.links.check(problems);
    check_store(config, problems);
    config.tls.check(problems);
    config.smtp.check(problems);
    config.code.check(problems);
    config.claim.check(problems);
    config.password.check(problems);
    config.hash.check(problems);
    config.limits.check(problems);
    config.log.check(problems);
    top_level(config, problems);
    pairs(config, problems);
    match config.mode {
        Mode::Development => development(config, problems),
        Mode::Production => production(config, problems),
    }
}

/// What leads to the store and opens it.
pub(super) fn check_store(config: &Config, problems: &mut Problems) {
    config.database.check(problems);
    if config.data_dir.as_os_str().is_empty() {
        problems.refuse("data_dir", "", keys::allowed("data_dir"));
    }
    // The database is named by a URL, in which a path ends at a question mark.
    if config.data_dir.to_string_lossy().contains('?') {
        problems.refuse("data_dir", config.data_dir.display(), "a path without ?");
    }
    if let Some(key) = &config.secret_key
        && secret::decode(key).is_none()
    {
        problems.refuse("secret_key", "", keys::allowed("secret_key"));
    }
    if config.database.is_server() && config.secret_key.is_none() {
        problems.missing(
            "secret_key",
            format!(
                "{}, the same for all instances, needed when database.url is a server",
                keys::allowed("secret_key")
            ),
        );
    }
}

fn top_level(config: &Config, problems: &mut Problems) {
    if !is_origin(&config.public_url) {
        problems.refuse(
            "public_url",
            &config.public_url,
            keys::allowed("public_url"),
        );
    }
    // RFC 7239's header has a syntax of its own; read as a list of addresses it would be misread.
    let header = config.proxy_header.parse::<HeaderName>();
    if !header.is_ok_and(|name| name != axum::http::header::FORWARDED) {
        problems.refuse(
            "proxy_header",
            &config.proxy_header,
            keys::allowed("proxy_header"),
        );
    }
    if let Some(folder) = &config.site_dir
        && !folder.is_dir()
    {
        problems.refuse("site_dir", folder.display(), "a folder that is there");
    }
}

fn pairs(config: &Config, problems: &mut Problems) {
    if config.expose_code() && !config.reveal_existing() {
        let expose = match config.code.expose {
            Some(_) => "code.expose is on",
            None => "code.expose is on by default in development without smtp.url",
        };
        problems.refuse(
            "privacy.reveal_existing",
            false,
            format!("{expose}, and a shown code gives away what this would hide; turn both off"),
        );
    }
    if config.claim.ttl_seconds < config.code.ttl_seconds {
        problems.refuse(
            "claim.ttl_seconds",
            config.claim.ttl_seconds,
            "at least code.ttl_seconds: a code cannot outlive its claim",
        );
    }
    let one_address = config.https_addr == config.http_addr && config.http_addr.port() != 0;
    if config.tls.mode != TlsMode::Off && one_address {
        problems.refuse(
            "http_addr",
            config.http_addr,
            "an address other than https_addr",
        );
    }
}

fn development(config: &Config, problems: &mut Problems) {
    if config.development.allow_remote {
        return;
    }
    let mut listening = vec![("http_addr", config.http_addr)];
    if config.tls.mode != TlsMode::Off {
        listening.insert(0, ("https_addr", config.https_addr));
    }
    for (key, address) in listening {
        if !is_loopback(address) {
            problems.refuse(
                key,
                address,
                "in development a loopback address, as 127.0.0.1 or [::1], unless \
                 development.allow_remote=true",
            );
        }
    }
}

fn production(config: &Config, problems: &mut Problems) {
    if config.smtp.url.is_none() {
        problems.missing(
            "smtp.url",
            format!("production needs a relay: {}", keys::allowed("smtp.url")),
        );
    }
    if is_origin(&config.public_url) && is_plain_and_remote(&config.public_url) {
        // Its cookies are `Secure`: over plain HTTP no browser would send them back.
        problems.refuse(
            "public_url",
            &config.public_url,
            "production needs https://",
        );
    }
    match config.tls.mode {
        TlsMode::Files => {}
        TlsMode::Off if !config.trusted_proxies.is_empty() => {}
        TlsMode::Off => problems.refuse(
            "tls.mode",
            "off",
            "production needs files, or off with the proxy that ends TLS in trusted_proxies",
        ),
        TlsMode::SelfSigned => problems.refuse(
            "tls.mode",
            "self-signed",
            "production needs files, or off behind a proxy in trusted_proxies",
        ),
    }
    let is_everybody = |net: &&IpNet| {
        let widest = match net {
            IpNet::V4(_) => WIDEST_V4,
            IpNet::V6(_) => WIDEST_V6,
        };
        net.prefix_len() < widest
    };
    if let Some(everybody) = config.trusted_proxies.iter().find(is_everybody) {
        problems.refuse(
            "trusted_proxies",
            everybody,
            "the proxies' own networks: whoever is trusted chooses the address that limits count",
        );
    }
    if config.code.expose == Some(true) {
        problems.refuse(
            "code.expose",
            true,
            "off in production: a shown code proves nothing about an address",
        );
    }
    if config.limits.mode == LimitsMode::Off {
        problems.refuse("limits.mode", "off", "on in production");
    }
    if config.development.allow_remote {
        problems.refuse("development.allow_remote", true, "false in production");
    }
}

/// Production's demands on keys whose defaults only fit development.
pub(super) fn check_explicit(
    config: &Config,
    is_set: impl Fn(&str) -> bool,
    problems: &mut Problems,
) {
    if config.mode != Mode::Production {
        return;
    }
    for key in ["public_url", "mail.from"] {
        if !is_set(key) {
            problems.missing(key, format!("production needs {}", keys::allowed(key)));
        }
    }
}

/// Whether `url` is a scheme, a host and perhaps a port, so that it can be compared with `Origin`.
fn is_origin(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

fn is_plain_and_remote(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !local
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
