//! The outbox: mail owed to somebody.

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::{SurrealValue, Value};

use super::accounts::account_id;
use super::claims::Claim;
use super::{ClaimId, Store, StoreError, vars};

/// A mail that this process has taken on until its lease ends.
#[derive(Clone, Debug, SurrealValue)]
pub struct LeasedMail {
    pub address: String,
    pub key: String,
    /// Which wish for a mail this is: a later one is not fulfilled by sending this.
    pub generation: i64,
    /// How often it was taken on, this time included.
    pub tries: i64,
    /// When it was asked for.
    pub queued_at: DateTime<Utc>,
}

impl LeasedMail {
    /// The claim that owes this mail.
    #[must_use]
    pub fn claim(&self) -> ClaimId {
        ClaimId {
            address: self.address.clone(),
            key: self.key.clone(),
        }
    }
}

/// What a leased mail turns out to be when it is about to leave.
pub enum Outgoing {
    /// The code of this claim, which is live.
    Code(Box<Claim>),
    /// Word to the owner of a verified address that somebody tried to sign up with it.
    AlreadyRegistered(Box<Claim>),
    /// Nothing: the claim is gone, its guesses are used up, or its owner was told a while ago.
    Nothing,
}

const LEASE: &str = "{
    LET $due = (SELECT id, due_at FROM outbox WHERE due_at <= $now ORDER BY due_at LIMIT $limit);
    RETURN (UPDATE $due.id SET due_at = $leased_until, tries += 1 RETURN AFTER)
}";

/// A code that died while it waited is replaced by the next one: no mail carries a dead code. Its
/// attempts are not renewed, for nobody paid for them.
const PREPARE: &str = "{
    LET $old = (SELECT * FROM ONLY $claim WHERE expires_at > $now);
    LET $told = (SELECT VALUE notified_at FROM ONLY $account);
    IF $old = NONE OR $old.attempts_left <= 0 OR ($old.decoy AND $told > $quiet_since) {
        UPDATE $claim SET mail = 'taken', code_expires_at = $code_expires_at WHERE mail = 'queued';
        DELETE $outbox WHERE generation = $generation;
        RETURN NONE
    };
    IF $old.code_expires_at > $now { RETURN $old };
    RETURN (UPDATE ONLY $claim SET delivery += 1, code_expires_at = $code_expires_at RETURN AFTER)
}";

/// The code's life counts from the relay's word, if it is still the same code.
const TAKEN: &str = "{
    UPDATE $claim SET mail = 'taken', code_expires_at = $code_expires_at
        WHERE delivery = $delivery;
    IF $notified { UPDATE $account SET notified_at = $now };
    DELETE $outbox WHERE generation = $generation;
    RETURN NONE
}";

const REFUSED: &str = "{
    UPDATE $claim SET mail = 'refused';
    DELETE $outbox WHERE generation = $generation;
    RETURN NONE
}";

const POSTPONE: &str = "{
    UPDATE $outbox SET due_at = $due_at WHERE generation = $generation;
    RETURN NONE
}";

impl Store {
    /// Takes on up to `limit` mails that are due, until `lease` has passed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lease_mail(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<LeasedMail>, StoreError> {
        let now = self.clock.now();
        self.run(
            LEASE,
            vars([
                ("now", now.into_value()),
                ("limit", i64::from(limit).into_value()),
                ("leased_until", (now + lease).into_value()),
            ]),
        )
        .await
    }

    /// When the mail that waits longest was asked for; `None` when none waits.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn oldest_mail(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        const OLDEST: &str = "{ RETURN (SELECT VALUE queued_at FROM outbox
            ORDER BY queued_at LIMIT 1)[0] }";
        self.run(OLDEST, vars([])).await
    }

    /// Makes sure that what is about to leave is worth sending, and says what it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prepare_mail(
        &self,
        mail: &LeasedMail,
        code_ttl: Duration,
        quiet: Duration,
    ) -> Result<Outgoing, StoreError> {
        let now = self.clock.now();
        let claim: Option<Claim> = self
            .run(
                PREPARE,
                vars([
                    ("claim", mail.claim().claim().into_value()),
                    ("outbox", mail.claim().outbox().into_value()),
                    ("account", account_id(&mail.address).into_value()),
                    ("generation", mail.generation.into_value()),
                    ("now", now.into_value()),
                    ("quiet_since", (now - quiet).into_value()),
                    ("code_expires_at", (now + code_ttl).into_value()),
                ]),
            )
            .await?;
        Ok(match claim {
            None => Outgoing::Nothing,
            Some(claim) if claim.decoy => Outgoing::AlreadyRegistered(Box::new(claim)),
            Some(claim) => Outgoing::Code(Box::new(claim)),
        })
    }

    /// Records that the relay took the mail.
    ///
    /// # Errors
    /// When the store fails; then the mail will be sent once more.
    pub async fn mail_taken(
        &self,
        mail: &LeasedMail,
        claim: &Claim,
        code_ttl: Duration,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.run::<Value>(
            TAKEN,
            vars([
                ("claim", mail.claim().claim().into_value()),
                ("outbox", mail.claim().outbox().into_value()),
                ("account", account_id(&mail.address).into_value()),
                ("generation", mail.generation.into_value()),
                ("delivery", claim.delivery.into_value()),
                ("notified", claim.decoy.into_value()),
                ("now", now.into_value()),
                ("code_expires_at", (now + code_ttl).into_value()),
            ]),
        )
        .await
        .map(drop)
    }

    /// Records that the relay refused the mail for good.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mail_refused(&self, mail: &LeasedMail) -> Result<(), StoreError> {
        self.run::<Value>(
            REFUSED,
            vars([
                ("claim", mail.claim().claim().into_value()),
                ("outbox", mail.claim().outbox().into_value()),
                ("generation", mail.generation.into_value()),
            ]),
        )
        .await
        .map(drop)
    }

    /// Gives a mail back, to be taken on again after `delay`.
    ///
    /// # Errors
    /// When the store fails; then it falls due when its lease ends.
    pub async fn postpone_mail(
        &self,
        mail: &LeasedMail,
        delay: Duration,
    ) -> Result<(), StoreError> {
        self.run::<Value>(
            POSTPONE,
            vars([
                ("outbox", mail.claim().outbox().into_value()),
                ("generation", mail.generation.into_value()),
                ("due_at", (self.clock.now() + delay).into_value()),
            ]),
        )
        .await
        .map(drop)
    }
}
