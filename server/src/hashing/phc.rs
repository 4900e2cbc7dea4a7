//! PHC strings: a hash with everything that is needed to make it again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParameters {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

impl HashParameters {
    /// What every PHC string made with these begins with.
    #[must_use]
    pub fn phc_prefix(self) -> String {
        let Self {
            memory_kib,
            iterations,
            parallelism,
        } = self;
        format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}$")
    }
}

/// Parameters and salt under which a password is hashed: everything of a PHC string but the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSettings {
    pub parameters: HashParameters,
    pub salt: [u8; 16],
}

impl HashSettings {
    /// The PHC string of this hash.
    pub(super) fn phc(self, hash: &[u8]) -> String {
        format!(
            "{}{}${}",
            self.parameters.phc_prefix(),
            STANDARD_NO_PAD.encode(self.salt),
            STANDARD_NO_PAD.encode(hash)
        )
    }

    /// The settings that a PHC string was made with; `None` when it is not one of ours.
    #[must_use]
    pub fn of(phc: &str) -> Option<Self> {
        let mut parts = phc.strip_prefix("$argon2id$v=19$")?.split('$');
        let mut numbers = parts.next()?.split(',');
        let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.parse().ok();
        let parameters = HashParameters {
            memory_kib: number("m=")?,
            iterations: number("t=")?,
            parallelism: number("p=")?,
        };
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        Some(Self {
            parameters,
            salt: salt.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_no_phc_string() {
        for text in [
            "",
            "$argon2id$v=19$",
            "$argon2i$v=19$m=8,t=1,p=1$AA$AA",
            "$argon2id$v=19$m=x,t=1,p=1$AA$AA",
        ] {
            assert_eq!(HashSettings::of(text), None, "{text}");
        }
    }

    #[test]
    fn a_phc_string_says_what_it_was_made_with() {
        let settings = HashSettings {
            parameters: HashParameters {
                memory_kib: 19_456,
                iterations: 2,
                parallelism: 1,
            },
            salt: *b"somesaltsomesalt",
        };
        let phc = settings.phc(&[7; 32]);
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"));
        assert_eq!(HashSettings::of(&phc), Some(settings));
    }
}
