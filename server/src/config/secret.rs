//! The text form of `secret_key`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The 32 bytes of a secret key, unless it is not 32 bytes in base64.
pub fn decode(key: &SecretString) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(key.expose_secret().trim()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        let right = format!("{}=", "A".repeat(43));
        assert_eq!(decode(&right.into()).as_deref(), Some(&[0; 32]));
        for wrong in ["", "not base64!", "AAAA", &"A".repeat(44)] {
            assert!(decode(&wrong.into()).is_none(), "{wrong}");
        }
    }
}
