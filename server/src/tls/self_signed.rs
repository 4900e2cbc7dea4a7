//! The certificate that development runs on: made when missing, renewed before it expires.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::TlsError;
use super::certificate::Certificate;
use crate::config::data_dir;

/// Certificate and key in one file, so that no crash can leave one without the other.
const FILE: &str = "self-signed.pem";

/// How long a new one is valid, in whole.
const VALID_FOR: TimeDelta = TimeDelta::days(365);

/// A client's clock may be behind by this much.
const CLOCK_SKEW: TimeDelta = TimeDelta::hours(1);

/// It is renewed when less than this is left.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(30);

#[derive(Debug, Clone)]
pub(super) struct SelfSigned {
    folder: PathBuf,
    names: Vec<String>,
}

impl SelfSigned {
    /// For this machine's own names, and for `host`.
    pub(super) fn new(data_dir: &Path, host: &str) -> Self {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        if !names.iter().any(|name| name == host) {
            names.push(host.to_owned());
        }
        Self {
            folder: data_dir.to_owned(),
            names,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The kept certificate, or a new one when that is missing, of no use or near its end; with
    /// its PEM.
    pub(super) fn load_or_make(
        &self,
        now: DateTime<Utc>,
    ) -> Result<(Certificate, Zeroizing<Vec<u8>>), TlsError> {
        let path = self.path();
        let reason = match self.keep(now)? {
            Kept::Good(certificate, pem) => return Ok((certificate, pem)),
            Kept::Missing => None,
            Kept::Unfit(reason) => Some(reason),
        };
        match reason {
            None => tracing::info!(file = %path.display(), "making a self-signed certificate"),
            Some(reason) => tracing::warn!(
                file = %path.display(),
                reason,
                "renewing the self-signed certificate"
            ),
        }
        let pem = self.make(now)?;
        let write = |source| TlsError::Write {
            path: path.clone(),
            source,
        };
        data_dir::write_private(&self.folder, FILE, &pem).map_err(write)?;
        let certificate = parse(&path, &pem)?;
        Ok((certificate, pem))
    }

    fn keep(&self, now: DateTime<Utc>) -> Result<Kept, TlsError> {
        let path = self.path();
        let pem = match fs::read(&path) {
            Ok(pem) => Zeroizing::new(pem),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::Missing),
            Err(error) => return Ok(Kept::Unfit(format!("it cannot be read: {error}"))),
        };
        let certificate = match parse(&path, &pem) {
            Ok(certificate) => certificate,
            Err(error) => return Ok(Kept::Unfit(super::chain(&error))),
        };
        if now >= renewal(&certificate) {
            let until = certificate.not_after;
            return Ok(Kept::Unfit(format!("it is valid only until {until}")));
        }
        if now < certificate.not_before {
            let from = certificate.not_before;
            return Ok(Kept::Unfit(format!("it is valid only from {from}")));
        }
        if let Some(name) = self.names.iter().find(|name| !certificate.is_for(name)) {
            return Ok(Kept::Unfit(format!("it is not for {name}")));
        }
        close(&path).map_err(|source| TlsError::Write { path, source })?;
        Ok(Kept::Good(certificate, pem))
    }

    fn make(&self, now: DateTime<Utc>) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        let not_before = now - CLOCK_SKEW;
        let mut params = CertificateParams::new(self.names.clone())?;
        params.not_before = instant(not_before);
        params.not_after = instant(not_before + VALID_FOR);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
            .distinguished_name
            .push(DnType::CommonName, "Latchkey (self-signed)");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = Zeroizing::new(key.serialize_pem());
        let mut pem = Zeroizing::new(Vec::with_capacity(4096));
        pem.extend_from_slice(certificate.pem().as_bytes());
        pem.extend_from_slice(key.as_bytes());
        Ok(pem)
    }
}

/// When `certificate` has to be replaced.
pub(super) fn renewal(certificate: &Certificate) -> DateTime<Utc> {
    certificate.not_after - RENEW_BEFORE
}

enum Kept {
    Good(Certificate, Zeroizing<Vec<u8>>),
    Missing,
    /// Why it has to be replaced.
    Unfit(String),
}

fn parse(path: &Path, pem: &[u8]) -> Result<Certificate, TlsError> {
    Certificate::from_pem(pem, pem).map_err(|source| TlsError::Certificate {
        path: path.to_owned(),
        source,
    })
}

/// A restored backup may have opened the key to others.
fn close(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "was open to other users; closed");
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn instant(time: DateTime<Utc>) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.timestamp()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
