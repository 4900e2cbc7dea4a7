//! The worker that empties the outbox.
//!
//! A mail is leased, prepared (a code that died while it waited is replaced), sent, and only then
//! struck off: it can be sent twice if the process dies in between, but never lost. What was leased
//! by the sign-up that owes it, a moment ago, was prepared there too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Duration as Span;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dispatch::Handed;
use super::{
    Composer, DeliveryError, Dispatch, Letter, LinkToken, MAX_CONNECTIONS, MailCounters,
    RelayHealth, RelayLimits, Transport,
};
use crate::clock::SharedClock;
use crate::entropy::jitter;
use crate::registration::{DisownToken, code_of};
use crate::secret_key::{SecretKeys, hex};
use crate::store::{Claim, Lease, LeasedMail, MailRules, Outgoing, Store, StoreError};
use crate::telemetry::AUDIT;

/// How often the outbox is looked at when nobody rings: other instances' mail, retries, and what
/// a worker left behind when it died.
const POLL: Duration = Duration::from_millis(500);

/// How often the lease of a mail under way is kept: the store may fail three times in a row.
const KEEP_LEASE_EVERY: Duration = Duration::from_secs(2);

/// How often it is tried to record what became of a mail, all within its lease: the relay has it,
/// and forgetting so would send it twice.
const RECORD_TRIES: u32 = 5;
const RECORD_PAUSE: Duration = Duration::from_millis(200);

/// How long an owner is left in peace between two words that somebody used their address.
const QUIET_SECONDS: i64 = 3600;

/// How long deliveries may take to finish when the application stops.
const STOP_AFTER: Duration = Duration::from_secs(10);

const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Of a mail that the relay puts off.
const SLOWEST_RETRY: Duration = Duration::from_secs(300);
/// Of a mail that had no chance because the relay fails: how often that is asked is up to
/// [`RelayHealth`].
const SLOWEST_WHILE_RELAY_FAILS: Duration = Duration::from_secs(30);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After this another worker takes a mail on, unless its lease is kept. What a worker that
    /// died had in hand is so taken on within ten seconds.
    pub lease: Span,
    pub relay: RelayLimits,
}

impl Pace {
    /// How mail is taken on at this pace.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease {
            lasts: self.lease,
            delivery_limit: self.delivery_limit(),
        }
    }

    fn delivery_limit(&self) -> Span {
        Span::from_std(self.relay.delivery).unwrap_or(self.lease)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lease: Span::seconds(8),
            relay: RelayLimits::default(),
        }
    }
}

/// Sends what the outbox owes.
pub struct MailWorker {
    pub store: Arc<Store>,
    pub composer: Composer,
    pub transport: Transport,
    pub keys: SecretKeys,
    pub clock: SharedClock,
    /// Shared with whoever puts mail into the outbox.
    pub dispatch: Arc<Dispatch>,
    pub health: Arc<RelayHealth>,
    pub counters: Arc<MailCounters>,
    pub pace: Pace,
    /// `code.ttl_seconds`.
    pub code_ttl_seconds: u32,
    /// `limits.notices_per_day`.
    pub notices_per_day: u32,
}

/// What is to be recorded of a mail.
enum Fate {
    /// There is nothing to record.
    Settled,
    /// The relay has it, or it looks so.
    Taken { claim: Box<Claim>, told: bool },
    /// The relay will never take it, or it looks so.
    Refused { told: bool },
    /// It is tried again later.
    Postponed(Span),
}

impl MailWorker {
    /// Works until cancelled, and then finishes what it has begun. A process has one worker.
    pub async fn run(self: Arc<Self>, cancelled: CancellationToken) {
        let mut handed = self.dispatch.attend().await;
        let sending = TaskTracker::new();
        while !cancelled.is_cancelled() {
            let slots = self.dispatch.free_slots(MAX_CONNECTIONS);
            let leased = self.lease(slots.len()).await;
            let is_behind = leased.len() == slots.len();
            self.dispatch.set_behind(is_behind);
            let has_begun = !leased.is_empty();
            for (mail, slot) in leased.into_iter().zip(slots) {
                let code_of = None;
                self.begin(
                    &sending,
                    Handed {
                        mail,
                        code_of,
                        slot,
                    },
                );
            }
            if has_begun && is_behind {
                continue;
            }
            let poll = tokio::time::sleep(POLL);
            tokio::pin!(poll);
            loop {
                tokio::select! {
                    Some(handed) = handed.recv() => self.begin(&sending, handed),
                    () = self.dispatch.rung() => break,
                    () = &mut poll => break,
                    () = cancelled.cancelled() => break,
                }
            }
        }
        handed.close();
        while let Some(handed) = handed.recv().await {
            self.begin(&sending, handed);
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

    fn begin(self: &Arc<Self>, sending: &TaskTracker, handed: Handed) {
        let worker = Arc::clone(self);
        sending.spawn(async move {
            worker.send(handed).await;
        });
    }

    async fn lease(&self, limit: usize) -> Vec<LeasedMail> {
        if limit == 0 {
            return Vec::new();
        }
        self.store
            .lease_mail(u32::try_from(limit).unwrap_or(1), self.pace.lease)
            .await
            .unwrap_or_else(|error| {
                // A server that is away has been told of, once.
                if !matches!(error, StoreError::Unreachable(_)) {
                    tracing::error!(%error, "the outbox cannot be read");
                }
                Vec::new()
            })
    }

    /// One mail, from lease to end. A store that fails here costs no mail: the lease ends, and
    /// the mail falls due again.
    async fn send(&self, handed: Handed) {
        let Handed {
            mail,
            code_of,
            slot,
        } = handed;
        let (over, lost) = (CancellationToken::new(), CancellationToken::new());
        let attempt = async {
            let fate = lost.run_until_cancelled(self.attempt(&mail, code_of)).await;
            over.cancel();
            fate
        };
        let (fate, ()) = tokio::join!(attempt, self.hold_lease(&mail, &over, &lost));
        // What is left asks nothing of the relay.
        self.dispatch.give_back(slot);
        let outcome = match fate {
            None => return tracing::warn!("a mail under way was taken on by somebody else"),
            Some(Err(error)) => Err(error),
            Some(Ok(fate)) => self.record(&mail, &fate).await,
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "the outbox cannot be written; the mail will be taken on again");
        }
    }

    /// Keeps the lease until the attempt is `over`; gives the attempt up when the lease is `lost`.
    async fn hold_lease(
        &self,
        mail: &LeasedMail,
        over: &CancellationToken,
        lost: &CancellationToken,
    ) {
        while over
            .run_until_cancelled(tokio::time::sleep(KEEP_LEASE_EVERY))
            .await
            .is_some()
        {
            // A store that fails now may be back before the lease ends.
            if let Ok(false) = self.store.keep_lease(mail, self.pace.lease).await {
                return lost.cancel();
            }
        }
    }

    async fn record(&self, mail: &LeasedMail, fate: &Fate) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let recorded = match fate {
                Fate::Settled => Ok(()),
                Fate::Taken { claim, told } => {
                    let ttl = self.code_ttl();
                    self.store.mail_taken(mail, claim, ttl, *told).await
                }
                Fate::Refused { told } => self.store.mail_refused(mail, *told).await,
                Fate::Postponed(delay) => self.store.postpone_mail(mail, *delay).await,
            };
            if recorded.is_ok() || tries == RECORD_TRIES {
                return recorded;
            }
            tokio::time::sleep(RECORD_PAUSE * tries).await;
            tries += 1;
        }
    }

    async fn prepare(&self, mail: &LeasedMail) -> Result<Outgoing, StoreError> {
        let rules = MailRules {
            ledger: self.keys.address_ledger(&mail.address),
            code_ttl: self.code_ttl(),
            delivery_limit: self.pace.delivery_limit(),
            quiet: Span::seconds(QUIET_SECONDS),
            notices_per_day: self.notices_per_day,
        };
        self.store.prepare_mail(mail, &rules).await
    }

    async fn attempt(
        &self,
        mail: &LeasedMail,
        code_of: Option<Box<Claim>>,
    ) -> Result<Fate, StoreError> {
        let outgoing = match code_of {
            Some(claim) => Outgoing::Code(claim),
            None => self.prepare(mail).await?,
        };
        let told = matches!(outgoing, Outgoing::AlreadyRegistered { .. });
        let (letter, claim) = match outgoing {
            Outgoing::Nothing => return Ok(Fate::Settled),
            Outgoing::Code(claim) => (self.code_letter(&claim), claim),
            Outgoing::AlreadyRegistered { claim, language } => {
                let letter = claim
                    .email()
                    .map(|to| Letter::AlreadyRegistered { to, language });
                (letter, claim)
            }
            Outgoing::Silence { claim, refused } => {
                return Ok(self.pretend(mail, claim, refused).await);
            }
        };
        let Some(letter) = letter else {
            tracing::error!(
                reference = claim.reference,
                "a claim in the store is damaged"
            );
            return Ok(Fate::Refused { told });
        };
        let began = self.clock.now();
        let composed = match self
            .composer
            .compose(&letter, &message_id(mail, &claim), began)
        {
            Ok(composed) => composed,
            Err(error) => {
                tracing::error!(%error, reference = claim.reference, "a mail cannot be composed");
                return Ok(Fate::Refused { told });
            }
        };
        let started = Instant::now();
        let delivered = self.transport.deliver(&composed).await;
        match &delivered {
            Ok(()) => self.health.took(started.elapsed()),
            Err(error) if error.is_about_the_mail() => self.health.answered(),
            Err(_) => self.health.failed(began, self.clock.now()),
        }
        Ok(match delivered {
            Ok(()) => {
                let waited_ms = (self.clock.now() - mail.requested_at).num_milliseconds();
                self.counters.sent(u64::try_from(waited_ms).unwrap_or(0));
                tracing::info!(
                    target: AUDIT,
                    event = if told { "owner_told" } else { "code_sent" },
                    email = claim.masked_address(),
                    reference = claim.reference,
                    tries = mail.tries,
                    waited_ms,
                    "mail taken by the relay"
                );
                Fate::Taken { claim, told }
            }
            Err(error @ DeliveryError::Permanent { .. }) => {
                self.counters.refused();
                tracing::warn!(
                    target: AUDIT,
                    event = "mail_refused",
                    reason = %error,
                    email = claim.masked_address(),
                    reference = claim.reference,
                    "mail refused for good"
                );
                Fate::Refused { told }
            }
            Err(error @ DeliveryError::Transient { .. }) => {
                self.counters.retried();
                let delay = retry_delay(mail.tries, slowest_retry(&error));
                tracing::warn!(
                    %error,
                    reference = claim.reference,
                    tries = mail.tries,
                    retry_in_ms = delay.num_milliseconds(),
                    "mail not taken, will be tried again"
                );
                Fate::Postponed(delay)
            }
        })
    }

    /// What a mail would have looked like from outside, had there been one to send: with a relay
    /// that is away, it would wait.
    async fn pretend(&self, mail: &LeasedMail, claim: Box<Claim>, refused: bool) -> Fate {
        let (began, started) = (self.clock.now(), Instant::now());
        if self.transport.reach().await.is_err() {
            self.health.failed(began, self.clock.now());
            return Fate::Postponed(retry_delay(mail.tries, SLOWEST_WHILE_RELAY_FAILS));
        }
        self.health.answered();
        let took = started.elapsed();
        tokio::time::sleep(self.health.last_delivery().saturating_sub(took)).await;
        if refused {
            return Fate::Refused { told: false };
        }
        Fate::Taken { claim, told: false }
    }

    fn code_ttl(&self) -> Span {
        Span::seconds(self.code_ttl_seconds.into())
    }

    fn code_letter(&self, claim: &Claim) -> Option<Letter> {
        Some(Letter::Code {
            to: claim.email()?,
            language: claim.language(),
            code: code_of(&self.keys, claim)?,
            reference: claim.reference.clone(),
            ttl_seconds: self.code_ttl_seconds,
            disown_token: LinkToken(DisownToken::of(&self.keys, claim)?.expose()),
        })
    }
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

fn slowest_retry(error: &DeliveryError) -> Duration {
    if error.is_about_the_mail() {
        SLOWEST_RETRY
    } else {
        SLOWEST_WHILE_RELAY_FAILS
    }
}

/// Doubling, with jitter, so that those who were put off together do not come back together.
fn retry_delay(tries: i64, slowest: Duration) -> Span {
    let doublings = u32::try_from(tries.clamp(1, 20) - 1).unwrap_or(0);
    let delay = FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(slowest)
        .mul_f64(jitter(0.25));
    Span::from_std(delay).unwrap_or(Span::seconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_comes_within_two_seconds_and_the_last_ones_slowly() {
        for _ in 0..1_000 {
            let found_again = Span::from_std(POLL).unwrap();
            assert!(retry_delay(1, SLOWEST_RETRY) + found_again < Span::seconds(2));
        }
        assert!(retry_delay(2, SLOWEST_RETRY) > retry_delay(1, SLOWEST_RETRY));
        for tries in [10, 100, i64::MAX] {
            let delay = retry_delay(tries, SLOWEST_RETRY);
            assert!((Span::seconds(200)..Span::seconds(400)).contains(&delay));
        }
    }

    #[test]
    fn what_a_dead_worker_had_in_hand_is_taken_on_within_ten_seconds() {
        let lease = Pace::default().lease;
        assert!(lease + Span::from_std(POLL).unwrap() < Span::seconds(10));
        let kept_in_vain = Span::from_std(KEEP_LEASE_EVERY * 3).unwrap();
        assert!(
            kept_in_vain < lease,
            "one failure of the store loses no lease"
        );
        let recording: Duration = (1..RECORD_TRIES).map(|tries| RECORD_PAUSE * tries).sum();
        let recording = recording + crate::store::TAKEN_WAITS * RECORD_TRIES;
        assert!(Span::from_std(KEEP_LEASE_EVERY + recording).unwrap() < lease);
    }
}
