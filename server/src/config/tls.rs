use std::fs::File;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::Problems;

/// `[tls]`: how browsers are talked to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub mode: TlsMode,
    /// A PEM file with the certificate and its chain, for `files`.
    pub cert: Option<PathBuf>,
    /// A PEM file with the certificate's key, for `files`.
    pub key: Option<PathBuf>,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Made on first start and kept in `data_dir`. For development: no browser trusts it.
    #[default]
    SelfSigned,
    /// From `tls.cert` and `tls.key`; changed files are picked up without a restart.
    Files,
    /// None: plain HTTP on `http_addr`, for a proxy that ends TLS on the same machine or network.
    Off,
}

impl TlsConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if self.mode != TlsMode::Files {
            return;
        }
        for (key, path) in [("tls.cert", &self.cert), ("tls.key", &self.key)] {
            match path {
                None => problems.missing(key, "a PEM file, needed with tls.mode=files"),
                Some(path) => {
                    if let Err(reason) = readable(path) {
                        let allowed = format!("a PEM file that can be read: {reason}");
                        problems.refuse(key, path.display(), allowed);
                    }
                }
            }
        }
    }
}

/// # Errors
/// Why the file cannot be read.
pub(super) fn readable(path: &PathBuf) -> Result<(), String> {
    let metadata = File::open(path).and_then(|file| file.metadata());
    match metadata {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err("it is no file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
