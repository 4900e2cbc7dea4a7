//! Codes: computed from the claim, never stored.

use latchkey_app::domain::VerificationCode;
use subtle::ConstantTimeEq;

use crate::entropy::{Entropy, EntropyError};
use crate::secret_key::{SecretKeys, hex};
use crate::store::Claim;

/// The code of a claim's current delivery.
///
/// Digits drawn without bias: 64-bit numbers from the key's stream, those from the incomplete
/// last cycle rejected (for 4 digits one in 10^16).
#[must_use]
pub fn code_of(keys: &SecretKeys, claim: &Claim) -> Option<VerificationCode> {
    draw(keys, &claim.seed, claim.delivery, claim.digits)
}

fn draw(keys: &SecretKeys, seed: &str, delivery: i64, digits: i64) -> Option<VerificationCode> {
    let width = usize::try_from(digits).ok()?;
    let modulus = 10_u64.checked_pow(u32::try_from(digits).ok()?)?;
    let limit = u64::MAX - u64::MAX % modulus;
    let number = (0_u32..).find_map(|round| {
        let block = keys.code_block(&[
            seed.as_bytes(),
            &[0],
            &delivery.to_be_bytes(),
            &round.to_be_bytes(),
        ]);
        let number = u64::from_be_bytes(block[..8].try_into().ok()?);
        (number < limit).then_some(number % modulus)
    })?;
    VerificationCode::parse(&format!("{number:0width$}")).ok()
}

/// Whether a guess is the code, in a time that says nothing about the digits.
#[must_use]
pub fn is_right(code: &VerificationCode, guess: &VerificationCode) -> bool {
    code.expose()
        .as_bytes()
        .ct_eq(guess.expose().as_bytes())
        .into()
}

/// What makes a new claim's codes its own: 128 bits.
///
/// # Errors
/// When there is no randomness to be had.
pub fn new_seed(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    digits(entropy)
}

/// What tells one wish for a mail from any other: 128 bits.
///
/// # Errors
/// When there is no randomness to be had.
pub fn new_ticket(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    digits(entropy)
}

fn digits(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// A short text by which a person tells two mails apart: 4 letters and digits that are not
/// mistaken for one another, and never digits alone, which would look like the code.
///
/// # Errors
/// When there is no randomness to be had.
pub fn new_reference(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    const LETTERS: &[u8; 16] = b"ACDEFHJKLMNPQRTV";
    const ALL: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes)?;
    let [first, rest @ ..] = bytes;
    Ok(std::iter::once(LETTERS[usize::from(first % 16)])
        .chain(rest.map(|byte| ALL[usize::from(byte % 32)]))
        .map(char::from)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn code(delivery: i64, digits: i64) -> String {
        let keys = SecretKeys::derive(&[5; 32]);
        draw(&keys, "seed", delivery, digits)
            .unwrap()
            .expose()
            .to_owned()
    }

    #[test]
    fn a_code_is_the_same_for_the_same_delivery_and_another_for_the_next() {
        assert_eq!(code(1, 8), code(1, 8));
        assert_ne!(code(1, 8), code(2, 8));
    }

    #[test]
    fn codes_are_drawn_evenly_and_keep_their_leading_zeros() {
        // 100,000 codes over 10,000 values. Under even drawing the statistic has mean 9,999 and
        // standard deviation 141; the bound is seven of them, and the draw is deterministic.
        let mut counts = vec![0_u32; 10_000];
        for delivery in 0..100_000 {
            let code = code(delivery, 4);
            assert_eq!(code.len(), 4);
            counts[code.parse::<usize>().unwrap()] += 1;
        }
        let chi_squared: f64 = counts
            .iter()
            .map(|&count| (f64::from(count) - 10.0).powi(2) / 10.0)
            .sum();
        assert!((9_000.0..11_000.0).contains(&chi_squared), "{chi_squared}");
        let with_leading_zero: u32 = counts[..1_000].iter().sum();
        assert!((9_500..10_500).contains(&with_leading_zero));
    }

    #[test]
    fn a_guess_is_right_only_as_a_whole() {
        let code = VerificationCode::parse("0746").unwrap();
        for (guess, right) in [
            ("0746", true),
            ("07-46", true),
            ("0747", false),
            ("07460", false),
        ] {
            assert_eq!(
                is_right(&code, &VerificationCode::parse(guess).unwrap()),
                right
            );
        }
    }

    #[test]
    fn a_reference_is_never_mistaken_for_a_code() {
        for _ in 0..1_000 {
            let reference = new_reference(&SystemEntropy).unwrap();
            assert_eq!(reference.len(), 4);
            assert!(reference.starts_with(|c: char| c.is_ascii_uppercase()));
        }
    }
}
