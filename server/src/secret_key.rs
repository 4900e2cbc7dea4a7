//! The secret key of an installation, and the keys for single uses derived from it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::config::data_dir::write_private;
use crate::config::secret::decode;
use crate::entropy::Entropy;

/// Its name in `data_dir`.
pub const FILE_NAME: &str = "secret.key";

/// The installation's 32 random bytes: without them no password in its store can be proven.
pub struct SecretKey(Zeroizing<[u8; 32]>);

/// Keys for separate uses, so that what one reveals says nothing about another (RFC 5869 §3.2).
#[derive(Clone, ZeroizeOnDrop)]
pub struct SecretKeys {
    salts: [u8; 32],
    claims: [u8; 32],
    codes: [u8; 32],
    ledgers: [u8; 32],
    disowning: [u8; 32],
    spent_codes: [u8; 32],
}

impl SecretKey {
    /// The key from the configuration, else the one in `data_dir`, made there on first start:
    /// by whoever holds the store, so that two that start at once cannot make two.
    ///
    /// # Errors
    /// When the key is not 32 bytes in base64, its file cannot be read or made, or it is gone
    /// although the store (`store_is_new` says not) was used with it.
    pub fn load_or_create(
        configured: Option<&SecretString>,
        data_dir: &Path,
        store_is_new: bool,
        entropy: &dyn Entropy,
    ) -> anyhow::Result<Self> {
        if let Some(key) = Self::load(configured, data_dir)? {
            return Ok(key);
        }
        ensure!(
            store_is_new,
            "{} is missing, and without it no password in the store can be proven: put it back \
             from a backup, or set secret_key",
            data_dir.join(FILE_NAME).display()
        );
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(&mut *secret)?;
        let key = Self(secret);
        key.write(data_dir)?;
        Ok(key)
    }

    /// The key from the configuration, else the one in `data_dir`, if there is one.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64, or its file cannot be read.
    pub fn load(
        configured: Option<&SecretString>,
        data_dir: &Path,
    ) -> anyhow::Result<Option<Self>> {
        if let Some(secret) = configured {
            return Self::parse(secret).map(Some);
        }
        let path = data_dir.join(FILE_NAME);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&SecretString::from(text.trim_ascii_end()))
                .with_context(|| path.display().to_string())
                .map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("Failed to read {}", path.display())),
        }
    }

    /// What [`SecretKey::to_text`] wrote.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64.
    pub fn parse(text: &SecretString) -> anyhow::Result<Self> {
        decode(text).map(Self).context(
            "the secret key must be 32 bytes in base64 (openssl rand -base64 32 makes one)",
        )
    }

    /// In base64.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.0))
    }

    /// Puts the key into `data_dir`. It is on disk before anything depends on it: without it every
    /// salt would be lost.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let mut text = self.to_text();
        text.push('\n');
        write_private(data_dir, FILE_NAME, text.as_bytes())
            .with_context(|| format!("Failed to write {}", data_dir.join(FILE_NAME).display()))
    }

    /// Tells it from other keys, and reveals nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&expand(&self.0, "latchkey/1/fingerprint")[..16])
    }

    /// Whether it is the same key.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }

    /// The keys for single uses.
    #[must_use]
    pub fn keys(&self) -> SecretKeys {
        SecretKeys::derive(&self.0)
    }
}

impl SecretKeys {
    /// Derives all keys from the installation's 32 bytes (HKDF-SHA-256).
    #[must_use]
    pub fn derive(secret: &[u8; 32]) -> Self {
        Self {
            salts: expand(secret, "latchkey/1/password-salt"),
            claims: expand(secret, "latchkey/1/claim-key"),
            codes: expand(secret, "latchkey/1/verification-code"),
            ledgers: expand(secret, "latchkey/1/address-ledger"),
            disowning: expand(secret, "latchkey/1/disown-token"),
            spent_codes: expand(secret, "latchkey/1/spent-code"),
        }
    }

    /// The salt that all claims and the account of one address share, unknown addresses too: 16
    /// bytes, as RFC 9106 §3.1 recommends.
    #[must_use]
    pub fn password_salt(&self, canonical_address: &str) -> [u8; 16] {
        let mut salt = [0; 16];
        salt.copy_from_slice(&mac(&self.salts, &[canonical_address.as_bytes()])[..16]);
        salt
    }

    /// What tells the claims of one address apart: made of the password's hash, so the same
    /// address and password again is the same claim.
    #[must_use]
    pub fn claim_key(&self, canonical_address: &str, password_hash: &str) -> String {
        tag(
            &self.claims,
            &[canonical_address.as_bytes(), &[0], password_hash.as_bytes()],
        )
    }

    /// What an address's ledger is called: the same for all `+tags` of one mailbox, and nothing by
    /// which the address could be found again without the key.
    #[must_use]
    pub fn address_ledger(&self, canonical_address: &str) -> String {
        let (local_part, domain) = canonical_address
            .split_once('@')
            .unwrap_or((canonical_address, ""));
        let mailbox = match local_part.split_once('+') {
            Some((mailbox, _)) if !mailbox.is_empty() => mailbox,
            _ => local_part,
        };
        tag(
            &self.ledgers,
            &[mailbox.as_bytes(), b"@", domain.as_bytes()],
        )
    }

    /// What the sign-ins of an account (its address) or of a sign-up (its key) are counted under.
    #[must_use]
    pub fn sign_ins(&self, whose: &str) -> String {
        tag(&self.ledgers, &[whose.as_bytes()])
    }

    /// What proves a link to have come from a mail of the claim with these parts.
    pub(crate) fn disown_tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.disowning, parts)
    }

    /// By which a code of the claim with this key is known again once it has been spent.
    #[must_use]
    pub fn spent_code(&self, claim_key: &str, code: &str) -> String {
        tag(
            &self.spent_codes,
            &[claim_key.as_bytes(), &[0], code.as_bytes()],
        )
    }

    /// 32 bytes nobody can predict without the key, the same for the same parts.
    pub(crate) fn code_block(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.codes, parts)
    }
}

fn expand(secret: &[u8; 32], usage: &str) -> [u8; 32] {
    let mut key = [0; 32];
    // Fails only for outputs over 8,160 bytes.
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(usage.as_bytes(), &mut key);
    debug_assert!(expanded.is_ok());
    key
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a short key with zeros to the hash's block of 64 bytes (RFC 2104 §2).
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// 128 bits of it, as text.
fn tag(key: &[u8; 32], parts: &[&[u8]]) -> String {
    hex(&mac(key, parts)[..16])
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path();
        let first = SecretKey::load_or_create(None, data_dir, true, &SystemEntropy).unwrap();
        let second = SecretKey::load_or_create(None, data_dir, true, &SystemEntropy).unwrap();
        assert!(first.is(&second));
        assert_eq!(
            first.keys().password_salt("a@b.c"),
            second.keys().password_salt("a@b.c")
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data_dir.join(FILE_NAME)), 0o600);
    }

    #[test]
    fn two_installations_share_nothing() {
        let one = SecretKeys::derive(&[1; 32]);
        let other = SecretKeys::derive(&[2; 32]);
        assert_ne!(one.password_salt("a@b.c"), other.password_salt("a@b.c"));
        assert_ne!(one.password_salt("a@b.c"), one.password_salt("a@b.d"));
        assert_ne!(one.claim_key("a@b.c", "x"), one.claim_key("a@b.c", "y"));
    }

    #[test]
    fn tags_belong_to_the_mailbox_before_them() {
        let keys = SecretKeys::derive(&[1; 32]);
        let ledger = |address| keys.address_ledger(address);
        assert_eq!(ledger("foo+bar@a.b"), ledger("foo@a.b"));
        assert_eq!(ledger("foo+bar+baz@a.b"), ledger("foo@a.b"));
        assert_ne!(ledger("foo@a.b"), ledger("foo@a.c"));
        assert_ne!(ledger("+foo@a.b"), ledger("+bar@a.b"));
    }

    #[test]
    fn a_damaged_key_is_refused_rather_than_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), "too short").unwrap();
        let refused = SecretKey::load_or_create(None, folder.path(), true, &SystemEntropy);
        assert!(refused.is_err());
        assert!(
            SecretKey::load_or_create(
                Some(&"c2hvcnQ=".into()),
                folder.path(),
                true,
                &SystemEntropy
            )
            .is_err()
        );
    }

    #[test]
    fn a_lost_key_is_not_replaced_under_a_store_that_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let refused = SecretKey::load_or_create(None, folder.path(), false, &SystemEntropy);
        assert!(refused.is_err_and(|error| error.to_string().contains("backup")));
        assert!(!folder.path().join(FILE_NAME).exists());
    }
}
