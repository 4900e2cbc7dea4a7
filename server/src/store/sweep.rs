//! What has expired goes.
//!
//! Claims hold passwords' hashes and mail addresses, and are many: an index says which have expired.
//! In the other tables an index would cost more, with every row that is written, than walking through
//! all rows does now and then. An expired row is as good as none to whoever meets it before.

use std::ops::Bound;

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::{RecordId, RecordIdKey, RecordIdKeyRange, SurrealValue};

use super::{Store, StoreError, vars};

/// The next rows that may have expired: in an index those that have, else all.
enum Search {
    /// Begins where the last batch ended: the engine still passes over the rows that it removed, and
    /// would pass over all of them again and again.
    Index(&'static str),
    Walk(&'static str),
}

struct Kind {
    table: &'static str,
    search: Search,
    /// Whoever got a row prolonged in between keeps it.
    remove: &'static str,
}

macro_rules! walk {
    ($field:literal) => {
        Search::Walk(concat!(
            "{ RETURN (SELECT id, ",
            $field,
            " AS at FROM $rows LIMIT $limit) }"
        ))
    };
}

macro_rules! remove {
    ($field:literal) => {
        concat!(
            "{ RETURN count((DELETE $expired WHERE ",
            $field,
            " <= $now RETURN BEFORE)) }"
        )
    };
}

const KINDS: [Kind; 4] = [
    Kind {
        table: "claim",
        search: Search::Index(
            "{ RETURN (SELECT id, expires_at AS at FROM claim
                WHERE expires_at >= $from AND expires_at <= $now LIMIT $limit) }",
        ),
        remove: remove!("expires_at"),
    },
    Kind {
        table: "session",
        search: walk!("expires_at"),
        remove: remove!("expires_at"),
    },
    Kind {
        table: "budget",
        search: walk!("full_at"),
        remove: remove!("full_at"),
    },
    Kind {
        table: "address_ledger",
        search: walk!("expires_at"),
        remove: remove!("expires_at"),
    },
];

/// In an index, a whole second comes after the fractions of that second.
const SAME_SECOND: Duration = Duration::seconds(1);

/// Rows that are looked at together: the engine reads ahead by thousands, whatever little is asked
/// for.
const WALKED: i64 = 1000;

/// One run over what has expired, in batches.
pub struct Sweep {
    kinds: &'static [Kind],
    /// How far it has come with the first of them, in an index or in a walk.
    from: DateTime<Utc>,
    after: Option<RecordIdKey>,
    /// Found, and not removed yet.
    expired: Vec<RecordId>,
}

#[derive(SurrealValue)]
struct SeenRow {
    id: RecordId,
    at: DateTime<Utc>,
}

impl Sweep {
    /// Over everything.
    #[must_use]
    pub fn of_everything() -> Self {
        Self {
            kinds: &KINDS,
            from: DateTime::UNIX_EPOCH,
            after: None,
            expired: Vec::new(),
        }
    }

    /// Over what can be found without walking through all rows.
    #[must_use]
    pub fn of_claims() -> Self {
        Self {
            kinds: &KINDS[..1],
            ..Self::of_everything()
        }
    }
}

impl Store {
    /// Removes the next `limit` rows at most, and says how many; none where it has only looked.
    /// `None` once nothing is left.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_batch(
        &self,
        sweep: &mut Sweep,
        limit: u32,
    ) -> Result<Option<u64>, StoreError> {
        while let Some((kind, others)) = sweep.kinds.split_first() {
            if !sweep.expired.is_empty() {
                let limit = sweep.expired.len().min(limit as usize);
                let expired: Vec<RecordId> = sweep.expired.drain(..limit).collect();
                return self.remove_expired(kind, expired).await.map(Some);
            }
            let seen = self.seen(kind, sweep, limit).await?;
            let Some(last) = seen.last() else {
                *sweep = Sweep {
                    kinds: others,
                    ..Sweep::of_everything()
                };
                continue;
            };
            sweep.from = last.at - SAME_SECOND;
            sweep.after = Some(last.id.key.clone());
            let now = self.clock.now();
            let expired = seen.into_iter().filter(|row| row.at <= now);
            sweep.expired = expired.map(|row| row.id).collect();
            if sweep.expired.is_empty() {
                return Ok(Some(0));
            }
        }
        Ok(None)
    }

    async fn seen(
        &self,
        kind: &Kind,
        sweep: &Sweep,
        limit: u32,
    ) -> Result<Vec<SeenRow>, StoreError> {
        match kind.search {
            Search::Index(statement) => {
                let variables = vars([
                    ("now", self.clock.now().into_value()),
                    ("from", sweep.from.into_value()),
                    ("limit", i64::from(limit).into_value()),
                ]);
                self.look(statement, variables).await
            }
            Search::Walk(statement) => {
                let rows = RecordIdKeyRange {
                    start: sweep
                        .after
                        .clone()
                        .map_or(Bound::Unbounded, Bound::Excluded),
                    end: Bound::Unbounded,
                };
                let rows = RecordId::new(kind.table, RecordIdKey::Range(Box::new(rows)));
                let variables = vars([("rows", rows.into_value()), ("limit", WALKED.into_value())]);
                self.look(statement, variables).await
            }
        }
    }

    async fn remove_expired(&self, kind: &Kind, expired: Vec<RecordId>) -> Result<u64, StoreError> {
        let variables = vars([
            ("expired", expired.clone().into_value()),
            ("now", self.clock.now().into_value()),
        ]);
        self.change(expired, kind.remove, variables).await
    }

    /// Removes all that has expired, `limit` rows at a time, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, limit: u32) -> Result<u64, StoreError> {
        let mut sweep = Sweep::of_everything();
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

    /// Of each kind sixty rows that have expired, a tenth of a second apart, and one that has not.
    const ROWS: [(&str, &str, &str); 4] = [
        (
            "claim",
            "expires_at",
            "address = 'foo@bar.com', key = '', typed_address = '', password_hash = '',
                reference = '', seed = '', delivery = 1, digits = 4, attempts_left = 3,
                mail = 'taken', requested_at = $now, code_expires_at = $now, created_at = $now,",
        ),
        ("session", "expires_at", "state = '',"),
        ("budget", "full_at", ""),
        (
            "address_ledger",
            "expires_at",
            "mails = [], notices = [], wrong_codes = [],",
        ),
    ];

    async fn filled(folder: &tempfile::TempDir) -> Store {
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock).await;
        let store = store.unwrap();
        for (table, field, others) in ROWS {
            let make: &'static str = Box::leak(Box::from(format!(
                "{{
                    FOR $number IN 0..60 {{
                        CREATE type::record('{table}', [$number]) SET {others} {field} =
                            d'2020-01-01T00:00:00Z' + <duration> (<string> ($number * 100) + 'ms')
                    }};
                    CREATE type::record('{table}', ['later']) SET {others} {field} = $now + 1h;
                    RETURN NONE
                }}"
            )));
            let now = vars([("now", store.clock.now().into_value())]);
            store.run::<Value>(make, now).await.unwrap();
        }
        store
    }

    async fn counts(store: &Store) -> [u64; 4] {
        let snapshot = store.snapshot().await.unwrap();
        let mut counts = [0; 4];
        for (count, (table, ..)) in counts.iter_mut().zip(ROWS) {
            *count = snapshot.count(table).await.unwrap();
        }
        snapshot.close().await.unwrap();
        counts
    }

    #[tokio::test]
    async fn all_that_has_expired_goes_whole_seconds_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder).await;
        assert_eq!(store.sweep(7).await.unwrap(), 240);
        assert_eq!(counts(&store).await, [1; 4]);
        assert_eq!(store.sweep(7).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn claims_go_without_a_walk_through_anything() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder).await;
        let mut sweep = Sweep::of_claims();
        let mut swept = Vec::new();
        while let Some(rows) = store.sweep_batch(&mut sweep, 25).await.unwrap() {
            swept.push(rows);
        }
        assert_eq!(swept, [25, 25, 10]);
        assert_eq!(counts(&store).await, [1, 61, 61, 61]);
    }

    /// What was found to have expired may have been prolonged by the time that it would go.
    #[tokio::test]
    async fn who_is_prolonged_meanwhile_stays() {
        const PROLONG: &str = "{
            UPDATE session:[59] SET expires_at = $now + 1h;
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder).await;
        let mut sweep = Sweep::of_everything();
        while sweep.kinds.len() == KINDS.len() {
            store.sweep_batch(&mut sweep, 50).await.unwrap();
        }
        assert_eq!(sweep.expired.len(), 10);
        let now = vars([("now", store.clock.now().into_value())]);
        store.run::<Value>(PROLONG, now).await.unwrap();
        assert_eq!(store.sweep_batch(&mut sweep, 50).await.unwrap(), Some(9));
        assert_eq!(counts(&store).await[..2], [1, 2]);
    }

    #[tokio::test]
    async fn a_walk_sees_each_row_once() {
        const MANY: &str = "{
            FOR $number IN 1000..3500 {
                CREATE type::record('budget', [$number]) SET full_at = $now + 1h
            };
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder).await;
        let now = vars([("now", store.clock.now().into_value())]);
        store.run::<Value>(MANY, now).await.unwrap();
        let mut sweep = Sweep {
            kinds: &KINDS[2..3],
            ..Sweep::of_everything()
        };
        let mut swept = Vec::new();
        while let Some(rows) = store.sweep_batch(&mut sweep, 60).await.unwrap() {
            swept.push(rows);
        }
        // 61 and 2500 rows, by a thousand.
        assert_eq!(swept, [60, 0, 0]);
        assert_eq!(counts(&store).await[2], 2501);
    }
}
