//! What has expired goes.

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::SurrealValue;

use super::{Store, StoreError, vars};

/// Begins where the last batch ended: the engine still passes over the rows that it removed, and
/// would pass over all of them again and again.
macro_rules! sweep {
    ($table:literal, $field:literal) => {
        concat!(
            "{ LET $due = (SELECT id, ",
            $field,
            " AS at FROM ",
            $table,
            " WHERE ",
            $field,
            " >= $from AND ",
            $field,
            " <= $now LIMIT $limit);
            DELETE $due.id;
            RETURN { rows: count($due), last: array::max($due.at) } }"
        )
    };
}

/// In an index, a whole second comes after the fractions of that second.
const SAME_SECOND: Duration = Duration::seconds(1);

const KINDS: [&str; 4] = [
    sweep!("claim", "expires_at"),
    sweep!("session", "expires_at"),
    sweep!("budget", "full_at"),
    sweep!("address_ledger", "expires_at"),
];

/// One run over everything that has expired, in batches.
#[derive(Default)]
pub struct Sweep {
    kind: usize,
    from: DateTime<Utc>,
}

#[derive(SurrealValue)]
struct SweptRow {
    rows: u64,
    last: Option<DateTime<Utc>>,
}

impl Store {
    /// Removes the next `limit` rows at most, and says how many; `None` once nothing is left.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_batch(
        &self,
        sweep: &mut Sweep,
        limit: u32,
    ) -> Result<Option<u64>, StoreError> {
        while let Some(statement) = KINDS.get(sweep.kind) {
            let row: SweptRow = self
                .run(
                    statement,
                    vars([
                        ("now", self.clock.now().into_value()),
                        ("from", sweep.from.into_value()),
                        ("limit", i64::from(limit).into_value()),
                    ]),
                )
                .await?;
            match row.last {
                Some(last) => {
                    sweep.from = last - SAME_SECOND;
                    return Ok(Some(row.rows));
                }
                None => {
                    *sweep = Sweep {
                        kind: sweep.kind + 1,
                        ..Sweep::default()
                    }
                }
            }
        }
        Ok(None)
    }

    /// Removes all that has expired, `limit` rows at a time, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, limit: u32) -> Result<u64, StoreError> {
        let mut sweep = Sweep::default();
        let mut swept = 0;
        while let Some(rows) = self.sweep_batch(&mut sweep, limit).await? {
            swept += rows;
        }
        Ok(swept)
    }
}
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use surrealdb::types::Value;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[tokio::test]
    async fn all_that_has_expired_goes_whole_seconds_too() {
        const BUDGETS: &str = "{
            FOR $number IN 0..60 {
                CREATE type::record('budget', [$number]) SET full_at =
                    d'2020-01-01T00:00:00Z' + <duration> (<string> ($number * 100) + 'ms')
            };
            CREATE budget:later SET full_at = $now + 1h;
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock)
            .await
            .unwrap();
        let now = vars([("now", store.clock.now().into_value())]);
        store.run::<Value>(BUDGETS, now).await.unwrap();
        assert_eq!(store.sweep(7).await.unwrap(), 60);
        assert_eq!(store.sweep(7).await.unwrap(), 0);
    }
}
