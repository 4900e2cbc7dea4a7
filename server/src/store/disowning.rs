//! Disowning: whoever has a mailbox says that a sign-up was not theirs.

use chrono::Duration;
use surrealdb::types::SurrealValue;

use super::accounts::{Account, account_id};
use super::claims::Claim;
use super::decision::Decision;
use super::ledger::{Ledger, ledger_id};
use super::{ClaimId, Store, StoreError, vars};

/// An account is no claim: nothing here can find one.
const BY_HANDLE: &str = "{ RETURN (SELECT * FROM claim WHERE handle = $handle) }";

impl Store {
    /// The claims with this handle that nobody has disowned: one, or by a rare chance more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claims_by_handle(&self, handle: &str) -> Result<Vec<Claim>, StoreError> {
        let handle = vars([("handle", handle.into_value())]);
        let mut claims: Vec<Claim> = self.look(BY_HANDLE, handle).await?;
        let now = self.clock.now();
        claims.retain(|claim| !claim.is_disowned());
        let mut standing = Vec::new();
        for claim in claims {
            let account = self.account(&claim.address).await?;
            standing.extend(claim.stands(account.as_ref(), now).then_some(claim));
        }
        Ok(standing)
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
        let records = [id.claim(), account_id(&id.address), ledger_id(ledger)];
        let [claim_id, account_id, ledger_id] = &records;
        self.decide(&records, |found| {
            let account: Option<Account> = found.row(account_id)?;
            let claim: Option<Claim> = found.row(claim_id)?;
            let claim = claim.filter(|claim| {
                claim.stands(account.as_ref(), now) && claim.seed == seed && !claim.is_disowned()
            });
            let Some(mut claim) = claim else {
                return Ok(Decision::new(false));
            };
            claim.disowned = Some(true);
            let ledger: Ledger = found.row(ledger_id)?.unwrap_or_default();
            let ledger = ledger.with_stop(claim.site.as_deref(), now + stop_for, now);
            Ok(Decision::new(true)
                .put(claim_id, claim)
                .put(ledger_id, ledger)
                .hold([account_id]))
        })
        .await
    }
}
