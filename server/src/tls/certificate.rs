//! A certificate with its key, checked to fit together.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{ServerConfig, crypto, version};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate and a key are of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("it holds no certificate in PEM")]
    NoCertificate,
    #[error("its PEM is broken")]
    Pem(#[from] pem::Error),
    #[error("there is no private key in PEM")]
    Key(#[source] pem::Error),
    #[error("the certificate cannot be parsed")]
    Malformed,
    /// Also when the key is not the certificate's.
    #[error("certificate and key do not fit")]
    Unfit(#[from] rustls::Error),
}

/// Ready to be served.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) server_config: Arc<ServerConfig>,
    pub(super) not_before: DateTime<Utc>,
    pub(super) not_after: DateTime<Utc>,
    leaf: CertificateDer<'static>,
}

impl Certificate {
    /// # Errors
    /// When one of them is missing, broken, or does not belong to the other.
    pub(super) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) =
            X509Certificate::from_der(leaf).map_err(|_| CertificateError::Malformed)?;
        let validity = parsed.validity();
        let instant =
            |seconds| DateTime::from_timestamp(seconds, 0).ok_or(CertificateError::Malformed);
        let not_before = instant(validity.not_before.timestamp())?;
        let not_after = instant(validity.not_after.timestamp())?;
        let leaf = leaf.clone().into_owned();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
        Ok(Self {
            server_config: server_config(chain, key)?,
            not_before,
            not_after,
            leaf,
        })
    }

    pub(super) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether it was issued for this DNS name or address, as clients judge.
    pub(super) fn is_for(&self, name: &str) -> bool {
        let (Ok(parsed), Ok(name)) = (
            ParsedCertificate::try_from(&self.leaf),
            ServerName::try_from(name),
        ) else {
            return false;
        };
        verify_server_name(&parsed, &name).is_ok()
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    // Named, not the process's default: a dependency may install another provider or none.
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
