//! What has expired goes.
//!
//! Claims are many, and go soon: an index says which have expired. In the other tables an index would
//! cost more, with every row that is written, than walking through all rows does now and then. An
//! expired row is as good as none to whoever meets it before.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Value};
use tokio_util::sync::CancellationToken;

use super::{Store, StoreError, rows_after, vars};

/// How often something is swept.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    every: Duration,
    /// Where rows could not be looked at, or removed.
    after_a_failure: Duration,
}

/// Of expired claims.
pub const SWEEP_CLAIMS: Rhythm = Rhythm {
    every: Duration::from_secs(60),
    after_a_failure: Duration::from_secs(60),
};

/// Of everything else that has expired, for which all rows are looked at.
pub const SWEEP_OTHERS: Rhythm = Rhythm {
    every: Duration::from_secs(3600),
    after_a_failure: Duration::from_secs(60),
};

/// How many rows are removed in one transaction. For as long as that took nothing is removed:
/// sign-ups come first.
const BATCH: usize = 50;

struct Kind {
    table: &'static str,
    /// The next rows that may have expired: where there is an index those that have, else all.
    search: &'static str,
    /// Whoever got a row prolonged in between keeps it.
    remove: &'static str,
}

/// Begins where the last batch ended: the engine still passes over the rows that it removed, and would
/// pass over all of them again and again.
const CLAIMS: &str = "{ RETURN (SELECT id, expires_at AS at FROM claim
    WHERE expires_at >= $from AND expires_at <= $now LIMIT $limit) }";

macro_rules! walk {
    ($field:literal) => {
        concat!(
            "{ RETURN (SELECT id, ",
            $field,
            " AS at FROM $rows LIMIT $walked) }"
        )
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
        search: CLAIMS,
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
const SAME_SECOND: TimeDelta = TimeDelta::seconds(1);

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
    /// A date, unless the row is damaged.
    at: Value,
}

impl SeenRow {
    /// When it expires. A row that does not say stays, and is in nobody's way.
    fn at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_value(self.at.clone()).ok()
    }
}

impl Sweep {
    fn of(kinds: &'static [Kind]) -> Self {
        Self {
            kinds,
            from: DateTime::UNIX_EPOCH,
            after: None,
            expired: Vec::new(),
        }
    }

    /// Over claims.
    #[must_use]
    pub fn of_claims() -> Self {
        Self::of(&KINDS[..1])
    }

    /// Over all that only a walk finds.
    #[must_use]
    pub fn of_others() -> Self {
        Self::of(&KINDS[1..])
    }

    fn go_on_with_next_kind(&mut self) {
        *self = Self::of(self.kinds.get(1..).unwrap_or_default());
    }
}

impl Store {
    /// Sweeps again and again until it is to stop.
    pub async fn keep_swept(
        &self,
        begin: fn() -> Sweep,
        rhythm: Rhythm,
        stopping: CancellationToken,
    ) {
        loop {
            let mut sweep = begin();
            let (mut swept, mut failed) = (0, false);
            loop {
                let began = Instant::now();
                match self.sweep_batch(&mut sweep, BATCH).await {
                    Ok(None) => break,
                    Ok(Some(rows)) => swept += rows,
                    Err(error) => {
                        tracing::error!(%error, "expired rows could not be removed");
                        failed = true;
                    }
                }
                let pause = tokio::time::sleep(began.elapsed());
                if stopping.run_until_cancelled(pause).await.is_none() {
                    return;
                }
            }
            if swept > 0 {
                tracing::info!(rows = swept, "expired rows removed");
            }
            let pause = if failed {
                rhythm.after_a_failure
            } else {
                rhythm.every
            };
            let pause = tokio::time::sleep(pause);
            if stopping.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Removes the next `limit` rows at most, and says how many; none where it has only looked.
    /// `None` once nothing is left.
    ///
    /// # Errors
    /// When the store fails. What is wrong with rows of one kind keeps the others from nothing: the
    /// next batch is of those.
    async fn sweep_batch(
        &self,
        sweep: &mut Sweep,
        limit: usize,
    ) -> Result<Option<u64>, StoreError> {
        let swept = self.next_batch(sweep, limit).await;
        if swept.is_err() {
            sweep.go_on_with_next_kind();
        }
        swept
    }

    async fn next_batch(&self, sweep: &mut Sweep, limit: usize) -> Result<Option<u64>, StoreError> {
        while let Some(kind) = sweep.kinds.first() {
            if !sweep.expired.is_empty() {
                let limit = sweep.expired.len().min(limit);
                let expired: Vec<RecordId> = sweep.expired.drain(..limit).collect();
                return self.remove_expired(kind, expired).await.map(Some);
            }
            let seen = self.seen(kind, sweep, limit).await?;
            let Some(last) = seen.last() else {
                sweep.go_on_with_next_kind();
                continue;
            };
            sweep.after = Some(last.id.key.clone());
            sweep.from = last.at().map_or(sweep.from, |at| at - SAME_SECOND);
            let now = self.clock.now();
            let has_expired = |row: &SeenRow| row.at().is_some_and(|at| at <= now);
            let expired = seen.into_iter().filter(has_expired);
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
        limit: usize,
    ) -> Result<Vec<SeenRow>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let variables = vars([
            ("now", self.clock.now().into_value()),
            ("from", sweep.from.into_value()),
            ("limit", limit.into_value()),
            ("rows", rows_after(kind.table, sweep.after.clone())),
            ("walked", WALKED.into_value()),
        ]);
        self.look(kind.search, variables).await
    }

    async fn remove_expired(&self, kind: &Kind, expired: Vec<RecordId>) -> Result<u64, StoreError> {
        let variables = vars([
            ("expired", expired.clone().into_value()),
            ("now", self.clock.now().into_value()),
        ]);
        self.change(expired, kind.remove, variables).await
    }
}

#[cfg(test)]
impl Store {
    /// Removes all that has expired, `limit` rows at a time, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, limit: usize) -> Result<u64, StoreError> {
        let mut swept = 0;
        for mut sweep in [Sweep::of_claims(), Sweep::of_others()] {
            while let Some(rows) = self.sweep_batch(&mut sweep, limit).await? {
                swept += rows;
            }
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinHandle;

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
    async fn claims_go_without_a_walk() {
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
        let mut sweep = Sweep::of_others();
        store.sweep_batch(&mut sweep, 50).await.unwrap();
        assert_eq!(sweep.expired.len(), 10);
        let now = vars([("now", store.clock.now().into_value())]);
        store.run::<Value>(PROLONG, now).await.unwrap();
        assert_eq!(store.sweep_batch(&mut sweep, 50).await.unwrap(), Some(9));
        assert_eq!(counts(&store).await[..2], [61, 2]);
    }

    #[tokio::test]
    async fn a_walk_sees_each_row_once() {
        const MANY: &str = "{
            FOR $number IN 1000..3500 {
                CREATE type::record('budget', [$number]) SET full_at =
                    IF $number % 100 = 0 { $now } ELSE { $now + 1h }
            };
            FOR $name IN ['a', 'b'] { CREATE type::record('budget', $name) SET full_at = $now };
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder).await;
        let now = vars([("now", store.clock.now().into_value())]);
        store.run::<Value>(MANY, now).await.unwrap();
        let mut sweep = Sweep::of(&KINDS[2..3]);
        let (mut batches, mut swept) = (0, 0);
        while let Some(rows) = store.sweep_batch(&mut sweep, 100).await.unwrap() {
            batches += 1;
            assert!(batches < 10, "it walks in a circle");
            swept += rows;
        }
        // 61, 2500 and 2 rows, by a thousand.
        assert_eq!((batches, swept), (3, 60 + 25 + 2));
        assert_eq!(counts(&store).await[2], 1 + 2500 - 25);
    }

    #[tokio::test]
    async fn what_is_damaged_keeps_nothing_else_from_going() {
        const DAMAGE: &str = "{
            DEFINE FIELD OVERWRITE full_at ON budget TYPE any;
            UPDATE budget:[58] SET full_at = NONE;
            UPDATE budget:[59] SET full_at = 'soon';
            RETURN NONE
        }";
        const LOSE: &str = "{ REMOVE TABLE session; RETURN NONE }";
        let folder = tempfile::tempdir().unwrap();
        let store = filled(&folder).await;
        for damage in [DAMAGE, LOSE] {
            store.run::<Value>(damage, vars([])).await.unwrap();
        }
        let mut sweep = Sweep::of_others();
        let (mut failures, mut swept) = (0, 0);
        loop {
            match store.sweep_batch(&mut sweep, 100).await {
                Ok(None) => break,
                Ok(Some(rows)) => swept += rows,
                Err(_) => failures += 1,
            }
            assert!(failures < 5, "it stays where it is");
        }
        assert_eq!((failures, swept), (1, 58 + 60));
    }

    const SOON: Duration = Duration::from_millis(1);
    const NEVER: Duration = Duration::from_secs(86_400);

    /// Sweeps what only a walk finds, until the token says stop.
    fn sweeping(store: &Arc<Store>, rhythm: Rhythm) -> (JoinHandle<()>, CancellationToken) {
        let (store, stopping) = (Arc::clone(store), CancellationToken::new());
        let until = stopping.clone();
        let sweeping = async move { store.keep_swept(Sweep::of_others, rhythm, until).await };
        (tokio::spawn(sweeping), stopping)
    }

    async fn until_there_are(store: &Store, rows: [u64; 4]) {
        let gone = async {
            while counts(store).await != rows {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(60), gone).await;
        gone.expect("what has expired goes");
    }

    #[tokio::test]
    async fn it_goes_on_until_it_is_to_stop() {
        const AGAIN: &str = "{
            CREATE session:again SET state = '', expires_at = $now;
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(filled(&folder).await);
        let (sweeping, stopping) = sweeping(
            &store,
            Rhythm {
                every: SOON,
                after_a_failure: NEVER,
            },
        );
        for _ in 0..2 {
            until_there_are(&store, [61, 1, 1, 1]).await;
            let now = vars([("now", store.clock.now().into_value())]);
            store.run::<Value>(AGAIN, now).await.unwrap();
        }
        stopping.cancel();
        sweeping.await.unwrap();
    }

    #[tokio::test]
    async fn what_could_not_be_removed_is_tried_again_sooner() {
        const REFUSE: &str = "{
            DEFINE EVENT refuse ON session WHEN $event = 'DELETE' THEN { THROW 'no' };
            RETURN NONE
        }";
        const ALLOW: &str = "{ REMOVE EVENT refuse ON session; RETURN NONE }";
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(filled(&folder).await);
        store.run::<Value>(REFUSE, vars([])).await.unwrap();
        let (sweeping, stopping) = sweeping(
            &store,
            Rhythm {
                every: NEVER,
                after_a_failure: SOON,
            },
        );
        until_there_are(&store, [61, 61, 1, 1]).await;
        store.run::<Value>(ALLOW, vars([])).await.unwrap();
        until_there_are(&store, [61, 1, 1, 1]).await;
        stopping.cancel();
        sweeping.await.unwrap();
    }
}
