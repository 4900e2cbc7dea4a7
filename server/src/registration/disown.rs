//! Disown: whoever has the mailbox says that a sign-up was not theirs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration as Span;
use subtle::ConstantTimeEq;

use super::{Registration, RegistrationError};
use crate::network::ClientNetwork;
use crate::secret_key::{SecretKeys, hex};
use crate::store::{Claim, HANDLE_DIGITS};
use crate::telemetry::AUDIT;

/// How long the network that caused a disowned claim can cause no mail to its address.
const STOP_FOR: Span = Span::hours(24);

const HANDLE_BYTES: usize = HANDLE_DIGITS / 2;
/// 96 bits, which nobody guesses over a network.
const TAG_BYTES: usize = 12;

/// What the link in a mail carries: which claim is meant, and that it came from a mail of it. Says
/// nothing about the address, the password or the code, and is stored nowhere.
#[derive(Clone)]
pub struct DisownToken {
    handle: [u8; HANDLE_BYTES],
    tag: [u8; TAG_BYTES],
}

impl DisownToken {
    /// The token of a claim: the same in each of its mails, until the claim begins anew.
    #[must_use]
    pub fn of(keys: &SecretKeys, claim: &Claim) -> Option<Self> {
        let digits = claim.key.get(..HANDLE_DIGITS)?;
        let mut handle = [0; HANDLE_BYTES];
        for (byte, at) in handle.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
        }
        let mut tag = [0; TAG_BYTES];
        let parts: [&[u8]; 5] = [
            claim.address.as_bytes(),
            &[0],
            claim.key.as_bytes(),
            &[0],
            claim.seed.as_bytes(),
        ];
        tag.copy_from_slice(&keys.disown_tag(&parts)[..TAG_BYTES]);
        Some(Self { handle, tag })
    }

    /// Reads what a link says; `None` when no mail of ours can have said it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (handle, tag) = bytes.split_at_checked(HANDLE_BYTES)?;
        Some(Self {
            handle: handle.try_into().ok()?,
            tag: tag.try_into().ok()?,
        })
    }

    /// For a link: letters, digits, `-` and `_`.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.handle[..], &self.tag[..]].concat())
    }

    fn handle(&self) -> String {
        hex(&self.handle)
    }

    fn fits(&self, keys: &SecretKeys, claim: &Claim) -> bool {
        Self::of(keys, claim).is_some_and(|expected| expected.tag.ct_eq(&self.tag).into())
    }
}

impl Registration {
    /// The claim that a link is about; `None` when it is gone, disowned, or has begun anew.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disownable(
        &self,
        token: &DisownToken,
    ) -> Result<Option<Claim>, RegistrationError> {
        let claims = self.store.claims_by_handle(&token.handle()).await?;
        Ok(claims
            .into_iter()
            .find(|claim| token.fits(&self.keys, claim)))
    }

    /// Disowns the claim that a link is about, once: no code opens it any more, and its network
    /// causes no mail to its address for a day. Whoever made it sees no difference. `false` when
    /// there is nothing to disown.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn disown(
        &self,
        token: &DisownToken,
        network: ClientNetwork,
    ) -> Result<bool, RegistrationError> {
        let Some(claim) = self.disownable(token).await? else {
            return Ok(false);
        };
        let ledger = self.keys.address_ledger(&claim.address);
        let disowned = self
            .store
            .disown(&claim.id(), &claim.seed, &ledger, STOP_FOR)
            .await?;
        if disowned {
            tracing::warn!(
                target: AUDIT,
                event = "disowned",
                email = claim.masked_address(),
                reference = claim.reference,
                %network,
                "the mailbox's owner says that a sign-up was not theirs"
            );
        }
        Ok(disowned)
    }
}
