//! The worker that empties the outbox.
//!
//! A mail is leased, prepared (a code that died while it waited is replaced), sent, and only then
//! struck off: it can be sent twice if the process dies in between, but never lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Duration as Span;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Composer, DeliveryError, Letter, MAX_CONNECTIONS, RelayHealth, Transport};
use crate::clock::SharedClock;
use crate::entropy::jitter;
use crate::registration::code_of;
use crate::secret_key::{SecretKeys, hex};
use crate::store::{Claim, LeasedMail, MailRules, Outgoing, Store, StoreError};
use crate::telemetry::AUDIT;

/// How often the outbox is looked at when nobody rings: other instances' mail, retries, and what
/// a worker left behind when it died.
const POLL: Duration = Duration::from_secs(1);

/// After this another worker may take the mail on; every delivery gives up earlier.
const LEASE_SECONDS: i64 = 60;

/// How long an owner is left in peace between two words that somebody used their address.
const QUIET_SECONDS: i64 = 3600;

/// How long deliveries may take to finish when the application stops.
const STOP_AFTER: Duration = Duration::from_secs(10);

const FIRST_RETRY: Duration = Duration::from_millis(1_500);
const SLOWEST_RETRY: Duration = Duration::from_secs(300);

/// Sends what the outbox owes.
pub struct MailWorker {
    pub store: Arc<Store>,
    pub composer: Composer,
    pub transport: Transport,
    pub keys: SecretKeys,
    pub clock: SharedClock,
    /// Rung by whoever puts mail into the outbox.
    pub bell: Arc<Notify>,
    pub health: Arc<RelayHealth>,
    /// `code.ttl_seconds`.
    pub code_ttl_seconds: u32,
    /// `limits.notices_per_day`.
    pub notices_per_day: u32,
}

impl MailWorker {
    /// Works until cancelled, and then finishes what it has begun.
    pub async fn run(self: Arc<Self>, cancelled: CancellationToken) {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let sending = TaskTracker::new();
        while !cancelled.is_cancelled() {
            let free = u32::try_from(connections.available_permits()).unwrap_or(0);
            let leased = if free == 0 {
                Vec::new()
            } else {
                self.lease(free).await
            };
            if leased.is_empty() {
                tokio::select! {
                    () = self.bell.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                    () = cancelled.cancelled() => {}
                }
            }
            for mail in leased {
                let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
                    break;
                };
                let worker = Arc::clone(&self);
                sending.spawn(async move {
                    worker.send(&mail).await;
                    drop(permit);
                    worker.bell.notify_one();
                });
            }
        }
        sending.close();
        // Whoever is cut off here is taken on again when the lease ends.
        if tokio::time::timeout(STOP_AFTER, sending.wait())
            .await
            .is_err()
        {
            tracing::warn!("stopped in the middle of a delivery, which will be repeated");
        }
    }

    async fn lease(&self, limit: u32) -> Vec<LeasedMail> {
        self.store
            .lease_mail(limit, Span::seconds(LEASE_SECONDS))
            .await
            .unwrap_or_else(|error| {
                tracing::error!(%error, "the outbox cannot be read");
                Vec::new()
            })
    }

    /// One mail, from lease to end. A store that fails here costs no mail: the lease ends, and
    /// the mail falls due again.
    async fn send(&self, mail: &LeasedMail) {
        if let Err(error) = self.try_send(mail).await {
            tracing::error!(%error, "the outbox cannot be written; the mail will be taken on again");
        }
    }

    async fn try_send(&self, mail: &LeasedMail) -> Result<(), StoreError> {
        let code_ttl = Span::seconds(self.code_ttl_seconds.into());
        let rules = MailRules {
            ledger: self.keys.address_ledger(&mail.address),
            code_ttl,
            quiet: Span::seconds(QUIET_SECONDS),
            notices_per_day: self.notices_per_day,
        };
        let outgoing = self.store.prepare_mail(mail, &rules).await?;
        let told = matches!(outgoing, Outgoing::AlreadyRegistered(_));
        let (letter, claim) = match outgoing {
            Outgoing::Nothing => return Ok(()),
            Outgoing::Code(claim) => (self.code_letter(&claim), claim),
            Outgoing::AlreadyRegistered(claim) => (already_registered(&claim), claim),
            Outgoing::Silence { claim, refused } => {
                return self.pretend(mail, &claim, code_ttl, refused).await;
            }
        };
        let Some(letter) = letter else {
            tracing::error!(
                reference = claim.reference,
                "a claim in the store is damaged"
            );
            return self.store.mail_refused(mail, told).await;
        };
        let now = self.clock.now();
        let composed = match self
            .composer
            .compose(&letter, &message_id(mail, &claim), now)
        {
            Ok(composed) => composed,
            Err(error) => {
                tracing::error!(%error, reference = claim.reference, "a mail cannot be composed");
                return self.store.mail_refused(mail, told).await;
            }
        };
        let started = Instant::now();
        let delivered = self.transport.deliver(&composed).await;
        match &delivered {
            Ok(()) => self.health.took(started.elapsed()),
            Err(error) if error.is_about_the_mail() => self.health.answered(),
            Err(_) => self.health.failed(self.clock.now()),
        }
        match delivered {
            Ok(()) => {
                let waited_ms = (self.clock.now() - mail.queued_at).num_milliseconds();
                tracing::info!(
                    target: AUDIT,
                    event = if told { "owner_told" } else { "code_sent" },
                    email = claim.masked_address(),
                    reference = claim.reference,
                    tries = mail.tries,
                    waited_ms,
                    "mail taken by the relay"
                );
                self.store.mail_taken(mail, &claim, code_ttl, told).await
            }
            Err(error @ DeliveryError::Permanent { .. }) => {
                tracing::warn!(
                    target: AUDIT,
                    event = "mail_refused",
                    reason = %error,
                    email = claim.masked_address(),
                    reference = claim.reference,
                    "mail refused for good"
                );
                self.store.mail_refused(mail, told).await
            }
            Err(error @ DeliveryError::Transient { .. }) => {
                let delay = retry_delay(mail.tries);
                tracing::warn!(
                    %error,
                    reference = claim.reference,
                    tries = mail.tries,
                    retry_in_ms = delay.num_milliseconds(),
                    "mail not taken, will be tried again"
                );
                self.store.postpone_mail(mail, delay).await
            }
        }
    }

    /// What a mail would have looked like from outside, had there been one to send.
    async fn pretend(
        &self,
        mail: &LeasedMail,
        claim: &Claim,
        code_ttl: Span,
        refused: bool,
    ) -> Result<(), StoreError> {
        if self.health.failing_since(self.clock.now()).is_some() {
            return self
                .store
                .postpone_mail(mail, retry_delay(mail.tries))
                .await;
        }
        tokio::time::sleep(self.health.last_delivery()).await;
        if refused {
            return self.store.mail_refused(mail, false).await;
        }
        self.store.mail_taken(mail, claim, code_ttl, false).await
    }

    fn code_letter(&self, claim: &Claim) -> Option<Letter> {
        Some(Letter::Code {
            to: claim.email()?,
            code: code_of(&self.keys, claim)?,
            reference: claim.reference.clone(),
            ttl_seconds: self.code_ttl_seconds,
        })
    }
}

fn already_registered(claim: &Claim) -> Option<Letter> {
    Some(Letter::AlreadyRegistered { to: claim.email()? })
}

/// The same for every try with the same code, so that a mailbox can tell a repetition, and another
/// for another code, so that it does not take that for one.
fn message_id(mail: &LeasedMail, claim: &Claim) -> String {
    let mut digest = Sha256::new();
    digest.update(&mail.key);
    digest.update(&mail.ticket);
    digest.update(claim.delivery.to_be_bytes());
    hex(&digest.finalize()[..16])
}

/// Doubling, with jitter, so that a relay that comes back is not met by everybody at once.
fn retry_delay(tries: i64) -> Span {
    let doublings = u32::try_from(tries.clamp(1, 20) - 1).unwrap_or(0);
    let delay = FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(SLOWEST_RETRY)
        .mul_f64(jitter(0.25));
    Span::from_std(delay).unwrap_or(Span::seconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_comes_soon_and_the_last_ones_slowly() {
        assert!(retry_delay(1) <= Span::seconds(2));
        assert!(retry_delay(2) > retry_delay(1));
        for tries in [10, 100, i64::MAX] {
            let delay = retry_delay(tries);
            assert!((Span::seconds(200)..Span::seconds(400)).contains(&delay));
        }
    }
}
