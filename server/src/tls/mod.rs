//! TLS 1.2 and 1.3 by rustls, with a certificate that is kept fresh while the server runs.

mod certificate;
mod self_signed;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tokio::task;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use crate::config::{TlsConfig, TlsMode};
use certificate::Certificate;
pub use certificate::CertificateError;
use self_signed::SelfSigned;

/// How often files are looked at, and at most how late a new certificate is served.
const POLL: Duration = Duration::from_secs(10);

/// A failed renewal is tried again after this long.
const RETRY: TimeDelta = TimeDelta::hours(1);

/// A certificate's last tenth is late: nine days of ninety. Those who renew do it at a third or a half.
const LATE_PART: i32 = 10;

/// How often an operator is told.
const WARN_EVERY: TimeDelta = TimeDelta::days(1);

/// The certificate cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("tls.mode=files needs tls.cert and tls.key")]
    NotSet,
    #[error("{} cannot be read", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot be written", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is of no use", .path.display())]
    Certificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("a self-signed certificate cannot be made")]
    Generate(#[from] rcgen::Error),
    #[error("the certificate's files could not be looked at")]
    Interrupted(#[from] task::JoinError),
}

/// A certificate in use, and where its successors come from.
#[derive(Debug)]
pub struct Tls {
    serving: RustlsConfig,
    source: Source,
    /// What the files held when they were last looked at, good or not.
    seen: Option<Fingerprint>,
    /// When to look for a new certificate although the files have not changed.
    due: DateTime<Utc>,
}

/// What became of one look at the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// Nothing new.
    Unchanged,
    /// New connections get another certificate from now on.
    Replaced,
    /// Something new, but of no use; the log says why. The certificate in use stays.
    Kept,
}

/// Loads the certificate, or makes one in `data_dir`, which is there; `None` with `tls.mode=off`.
///
/// # Errors
/// When files cannot be read or do not fit together, or when none can be made in `data_dir`.
pub async fn load(
    tls: &TlsConfig,
    data_dir: &Path,
    public_url: &Url,
    now: DateTime<Utc>,
) -> Result<Option<Tls>, TlsError> {
    let source = match (tls.mode, &tls.cert, &tls.key) {
        (TlsMode::Off, ..) => return Ok(None),
        (TlsMode::SelfSigned, ..) => {
            Source::SelfSigned(SelfSigned::new(data_dir, &host(public_url)))
        }
        (TlsMode::Files, Some(cert), Some(key)) => Source::Files {
            cert: cert.clone(),
            key: key.clone(),
            host: host(public_url),
        },
        (TlsMode::Files, ..) => return Err(TlsError::NotSet),
    };
    let (source, loaded) = task::spawn_blocking(move || {
        let loaded = source.load(now);
        (source, loaded)
    })
    .await?;
    let loaded = loaded?;
    Ok(Some(Tls {
        serving: RustlsConfig::from_config(loaded.certificate.server_config),
        source,
        seen: Some(loaded.fingerprint),
        due: loaded.due,
    }))
}

impl Tls {
    /// For axum-server; stays the same while the certificate behind it is replaced.
    pub fn rustls_config(&self) -> RustlsConfig {
        self.serving.clone()
    }

    /// Looks at the files once, and renews a self-signed certificate that is about to expire.
    pub async fn refresh(&mut self, now: DateTime<Utc>) -> Refreshed {
        let source = self.source.clone();
        let seen = self.seen;
        let due = now >= self.due;
        let looked = task::spawn_blocking(move || {
            let found = source.fingerprint();
            let reload = due || (found != seen && source.may_reload());
            (found, reload.then(|| source.load(now)))
        })
        .await;
        match looked {
            Ok((_, None)) => Refreshed::Unchanged,
            Ok((_, Some(Ok(loaded)))) => {
                self.due = loaded.due;
                if self.seen == Some(loaded.fingerprint) {
                    return Refreshed::Unchanged;
                }
                self.serving
                    .reload_from_config(loaded.certificate.server_config);
                self.seen = Some(loaded.fingerprint);
                tracing::info!(until = %loaded.certificate.not_after, "serving a new certificate");
                Refreshed::Replaced
            }
            Ok((found, Some(Err(error)))) => {
                // Remembered, so that the same broken files are reported once.
                self.seen = found;
                self.keep(&error, now)
            }
            Err(error) => self.keep(&error.into(), now),
        }
    }

    /// Refreshes every ten seconds until cancelled.
    pub async fn keep_fresh(
        mut self,
        cancel: CancellationToken,
        clock: impl Fn() -> DateTime<Utc> + Send,
    ) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            self.refresh(clock()).await;
        }
    }

    fn keep(&mut self, error: &TlsError, now: DateTime<Utc>) -> Refreshed {
        if now >= self.due {
            self.due = now + RETRY;
        }
        tracing::error!(
            error = chain(error),
            "new certificate refused; the old one stays in use"
        );
        Refreshed::Kept
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[derive(Debug, Clone)]
enum Source {
    SelfSigned(SelfSigned),
    Files {
        cert: PathBuf,
        key: PathBuf,
        /// What the certificate should be for.
        host: String,
    },
}

/// The host of a URL as certificates name it.
fn host(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    }
}

/// Contents rather than modification times: a file may be written twice within one tick of its
/// file system's clock.
type Fingerprint = [u8; 32];

struct Loaded {
    certificate: Certificate,
    fingerprint: Fingerprint,
    due: DateTime<Utc>,
}

/// Whoever wrote the files renews them; here it is only said, every day, that it is about time. Returns
/// when to look again.
fn warn_of(certificate: &Certificate, cert: &Path, now: DateTime<Utc>) -> DateTime<Utc> {
    let (from, until) = (certificate.not_before, certificate.not_after);
    let late = until - (until - from) / LATE_PART;
    if !certificate.is_valid(now) {
        tracing::warn!(
            cert = %cert.display(), %from, %until,
            "the certificate is not valid now; browsers will refuse it"
        );
    } else if now >= late {
        tracing::warn!(
            cert = %cert.display(), %until,
            "the certificate expires soon, and has not been renewed"
        );
    } else {
        return late;
    }
    now + WARN_EVERY
}

impl Source {
    fn load(&self, now: DateTime<Utc>) -> Result<Loaded, TlsError> {
        match self {
            Self::SelfSigned(own) => {
                let (certificate, pem) = own.load_or_make(now)?;
                Ok(Loaded {
                    due: self_signed::renewal(&certificate),
                    certificate,
                    fingerprint: fingerprint(&[&pem]),
                })
            }
            Self::Files { cert, key, host } => {
                let chain = read(cert)?;
                let private = read(key)?;
                let certificate = Certificate::from_pem(&chain, &private).map_err(|source| {
                    TlsError::Certificate {
                        path: cert.clone(),
                        source,
                    }
                })?;
                if !certificate.is_for(host) {
                    tracing::warn!(
                        cert = %cert.display(), host,
                        "the certificate is not for public_url's host; browsers will refuse it, \
                         unless a proxy shows them another"
                    );
                }
                Ok(Loaded {
                    due: warn_of(&certificate, cert, now),
                    certificate,
                    fingerprint: fingerprint(&[&chain, &private]),
                })
            }
        }
    }

    /// What the files hold now; `None` when they cannot be read.
    fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::SelfSigned(own) => Some(fingerprint(&[&fs::read(own.path()).ok()?])),
            Self::Files { cert, key, .. } => {
                Some(fingerprint(&[&fs::read(cert).ok()?, &fs::read(key).ok()?]))
            }
        }
    }

    /// Whether a change may be followed: a data folder that somebody took away under a running
    /// server is not made again.
    fn may_reload(&self) -> bool {
        match self {
            Self::SelfSigned(own) => own.folder().is_dir(),
            Self::Files { .. } => true,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn fingerprint(files: &[&[u8]]) -> Fingerprint {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(Sha256::digest(file));
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
