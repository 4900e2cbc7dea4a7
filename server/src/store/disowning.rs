//! Disowning: whoever has a mailbox says that a sign-up was not theirs.

use chrono::Duration;
use surrealdb::types::SurrealValue;

use super::budgets::ledger_id;
use super::claims::Claim;
use super::{ClaimId, Store, StoreError, vars};

/// An account is no claim: nothing here can find one.
const BY_HANDLE: &str = "{
    RETURN (SELECT * FROM claim WHERE handle = $handle)
        [WHERE expires_at > $now AND !(disowned ?? false)]
}";

/// Once. The network that asked for the claim's mail last is stopped with it.
const DISOWN: &str = "{
    LET $old = (SELECT * FROM ONLY $claim WHERE expires_at > $now);
    IF $old = NONE OR $old.seed != $seed OR ($old.disowned ?? false) { RETURN false };
    UPDATE ONLY $claim SET disowned = true;
    LET $record = (SELECT * FROM ONLY $ledger);
    LET $stopped = ($record.stopped ?? [])[WHERE until > $now AND site != $old.site];
    UPSERT ONLY $ledger SET
        mails = mails ?? [],
        notices = notices ?? [],
        wrong_codes = wrong_codes ?? [],
        stopped = IF $old.site = NONE { $stopped }
            ELSE { array::append($stopped, { site: $old.site, until: $until }) },
        expires_at = time::max([expires_at ?? $now, $until]);
    RETURN true
}";

impl Store {
    /// The claims with this handle that nobody has disowned: one, or by a rare chance more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claims_by_handle(&self, handle: &str) -> Result<Vec<Claim>, StoreError> {
        self.run(
            BY_HANDLE,
            vars([
                ("handle", handle.into_value()),
                ("now", self.clock.now().into_value()),
            ]),
        )
        .await
    }

    /// Disowns a claim that still has this seed, and for so long stops mail from the network that
    /// caused it to the address whose ledger this is; `false` when there is no such claim (any
    /// more).
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn disown(
        &self,
        id: &ClaimId,
        seed: &str,
        ledger: &str,
        stop_for: Duration,
    ) -> Result<bool, StoreError> {
        let _turn = self.turns.of(&id.address).await;
        let now = self.clock.now();
        self.run(
            DISOWN,
            vars([
                ("claim", id.claim().into_value()),
                ("seed", seed.into_value()),
                ("ledger", ledger_id(ledger).into_value()),
                ("until", (now + stop_for).into_value()),
                ("now", now.into_value()),
            ]),
        )
        .await
    }
}
