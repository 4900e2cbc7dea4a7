//! The schema: numbered files, each applied once and recorded.

use std::time::Duration;

use anyhow::{Context, bail};
use surrealdb::types::{SurrealValue, Value, Variables};
use thiserror::Error;

use super::{Store, StoreError, vars};
use crate::entropy::jitter;

const MIGRATIONS: &[(&str, &str)] = &[
    (
        "001_accounts_and_claims",
        include_str!("schema/001_accounts_and_claims.surql"),
    ),
    ("002_sessions", include_str!("schema/002_sessions.surql")),
    ("003_budgets", include_str!("schema/003_budgets.surql")),
    ("004_mail", include_str!("schema/004_mail.surql")),
    (
        "005_installation",
        include_str!("schema/005_installation.surql"),
    ),
    (
        "006_mail_owed_by_claims",
        include_str!("schema/006_mail_owed_by_claims.surql"),
    ),
    (
        "007_walked_tables",
        include_str!("schema/007_walked_tables.surql"),
    ),
    (
        "008_verified_claims",
        include_str!("schema/008_verified_claims.surql"),
    ),
    (
        "009_spent_codes",
        include_str!("schema/009_spent_codes.surql"),
    ),
];

const DEFINE_MIGRATION: &str = "
    DEFINE TABLE IF NOT EXISTS migration SCHEMAFULL;
    DEFINE FIELD IF NOT EXISTS name ON migration TYPE string;
    DEFINE FIELD IF NOT EXISTS applied_at ON migration TYPE datetime;";

pub(super) const APPLIED: &str = "{ RETURN (SELECT VALUE name FROM migration ORDER BY name) }";

/// How often a change is tried when another instance that starts too gets in its way, and the time
/// between two tries.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Stands among the schema changes while a backup is being restored, so that no Latchkey, of
/// whatever version, takes half a store for a whole one.
const RESTORING: &str = "restore";

/// The store or backup knows schema changes that this version does not.
#[derive(Debug, Error)]
#[error("was made by a newer Latchkey (it has the schema change {0})")]
pub struct NewerSchema(pub String);

/// How many of this version's schema changes these are, oldest first.
///
/// # Errors
/// When there are others among them.
pub fn known_schema(names: &[String]) -> Result<usize, NewerSchema> {
    let unknown =
        |(at, name): &(usize, &String)| MIGRATIONS.get(*at).is_none_or(|(known, _)| known != name);
    match names.iter().enumerate().find(unknown) {
        Some((_, name)) => Err(NewerSchema(name.clone())),
        None => Ok(names.len()),
    }
}

impl Store {
    /// Applies what is missing.
    pub(crate) async fn migrate(&self) -> anyhow::Result<()> {
        self.migrate_by(MIGRATIONS).await
    }

    /// Applies what is missing, one transaction a file, so that an interrupted start goes on
    /// where it stopped.
    async fn migrate_by(&self, migrations: &[(&str, &str)]) -> anyhow::Result<()> {
        let applied = self.schema().await?;
        if applied.iter().any(|name| name == RESTORING) {
            bail!(
                "A restore into this store did not finish: run `latchkey restore FILE` again, \
                 which begins anew."
            );
        }
        let known = |name: &String| migrations.iter().any(|(known, _)| known == name);
        if let Some(unknown) = applied.iter().find(|name| !known(name)) {
            bail!(
                "The store was made by a newer Latchkey (it has the schema change {unknown}): \
                 start that version, or restore a backup made by this one."
            );
        }
        for (name, statements) in migrations {
            if !applied.iter().any(|done| done == name) {
                self.apply_unless_applied(name, statements).await?;
            }
        }
        Ok(())
    }

    /// Of instances that start at the same time each may find a change missing: one applies it.
    async fn apply_unless_applied(&self, name: &str, statements: &str) -> anyhow::Result<()> {
        let mut tries = 1;
        loop {
            let Err(error) = self.apply(name, statements).await else {
                tracing::info!(name, "schema change applied");
                return Ok(());
            };
            if self.applied().await?.iter().any(|done| done == name) {
                return Ok(());
            }
            if tries == TRIES {
                return Err(error);
            }
            tokio::time::sleep(PAUSE.mul_f64(jitter(0.5))).await;
            tries += 1;
        }
    }

    /// The schema changes that the store has seen, oldest first; none of a new one.
    async fn schema(&self) -> anyhow::Result<Vec<String>> {
        let mut tries = 1;
        while let Err(error) = self.query(DEFINE_MIGRATION, vars([])).await {
            if tries == TRIES {
                return Err(error).context("Failed to prepare the table of migrations");
            }
            tokio::time::sleep(PAUSE.mul_f64(jitter(0.5))).await;
            tries += 1;
        }
        self.applied().await
    }

    async fn applied(&self) -> anyhow::Result<Vec<String>> {
        self.run(APPLIED, vars([]))
            .await
            .context("Failed to read the table of migrations")
    }

    /// The statements and their record, together or not at all.
    async fn apply(&self, name: &str, statements: &str) -> anyhow::Result<()> {
        let transaction = format!(
            "BEGIN;\n{statements}\nCREATE type::record('migration', $name) \
             SET name = $name, applied_at = $now;\nCOMMIT;"
        );
        let variables = vars([
            ("name", Value::String(name.to_owned())),
            ("now", self.clock.now().into_value()),
        ]);
        self.query(&transaction, variables)
            .await
            .with_context(|| format!("Failed to apply the schema change {name}"))
    }

    /// Several statements, of which none may fail.
    async fn query(&self, statements: &str, variables: Variables) -> anyhow::Result<()> {
        let database = self.engine.database().await?;
        let answer = database.query(statements).bind(variables);
        tokio::select! {
            answer = answer.into_future() => answer?.check().map(drop)?,
            reason = self.engine.unreachable() => bail!(StoreError::Unreachable(reason)),
        }
        Ok(())
    }

    /// What somebody would lose by a restore into this store: accounts and sign-ups under way.
    /// `None` when a restore may begin.
    pub(super) async fn in_the_way_of_restore(&self) -> anyhow::Result<Option<(u64, u64)>> {
        const PRESENT: &str = "{
            RETURN [count(SELECT VALUE id FROM account), count(SELECT VALUE id FROM claim)]
        }";
        let applied = self.schema().await?;
        if applied.is_empty() || applied.iter().any(|name| name == RESTORING) {
            return Ok(None);
        }
        let present: (u64, u64) = self.run(PRESENT, vars([])).await?;
        Ok((present != (0, 0)).then_some(present))
    }

    /// Empties the store and gives it the first schema changes, which its rows had. Until
    /// [`Store::end_restore`] nobody else opens it.
    pub(super) async fn begin_restore(&self, schema_changes: usize) -> anyhow::Result<()> {
        const EMPTY: &str = "
            REMOVE TABLE IF EXISTS account;
            REMOVE TABLE IF EXISTS claim;
            REMOVE TABLE IF EXISTS outbox;
            REMOVE TABLE IF EXISTS session;
            REMOVE TABLE IF EXISTS budget;
            REMOVE TABLE IF EXISTS address_ledger;
            REMOVE TABLE IF EXISTS hash_parameters;
            REMOVE TABLE IF EXISTS installation;
            REMOVE TABLE IF EXISTS probe;
            DELETE migration;";
        self.apply(RESTORING, EMPTY).await?;
        for (name, statements) in MIGRATIONS.iter().take(schema_changes) {
            self.apply(name, statements).await?;
        }
        Ok(())
    }

    /// From here on the store is one like any other.
    pub(super) async fn end_restore(&self) -> anyhow::Result<()> {
        const END: &str = "{ DELETE type::record('migration', $name); RETURN NONE }";
        let name = vars([("name", RESTORING.into_value())]);
        self.run::<Value>(END, name).await?;
        self.migrate().await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use latchkey_app::language::Language;
    use tokio::time::timeout;

    use super::super::{ClaimId, KEPT_TABLES};
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::config::DatabaseConfig;

    async fn opened(folder: &Path) -> Store {
        let config = DatabaseConfig::default();
        let opening = async {
            loop {
                // The engine lets go of a store that was dropped when it comes to it.
                match Store::connect(&config, folder, Arc::new(SystemClock)).await {
                    Ok(store) => return store,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        timeout(Duration::from_secs(60), opening).await.unwrap()
    }

    async fn accounts(store: &Store) -> Vec<String> {
        const ACCOUNTS: &str = "{ RETURN (SELECT VALUE address FROM account) }";
        store.run(ACCOUNTS, vars([])).await.unwrap()
    }

    #[tokio::test]
    async fn a_store_of_any_older_version_opens_and_loses_nothing() {
        const OLD: &str = "{
            CREATE account:['foo@bar.com'] SET address = 'foo@bar.com',
                typed_address = 'foo@bar.com', password_hash = 'hash', verified_at = $now;
            RETURN NONE
        }";
        for version in 1..MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let old = opened(folder.path()).await;
            old.migrate_by(&MIGRATIONS[..version]).await.unwrap();
            let now = vars([("now", SystemClock.now().into_value())]);
            old.run::<Value>(OLD, now).await.unwrap();
            drop(old);
            let new = opened(folder.path()).await;
            new.migrate().await.unwrap();
            assert_eq!(accounts(&new).await, ["foo@bar.com"]);
            assert_eq!(new.schema().await.unwrap().len(), MIGRATIONS.len());
        }
    }

    /// Before the sixth schema change mail was owed in a table of its own.
    #[tokio::test]
    async fn mail_that_an_older_version_owed_is_owed_still() {
        const OLD: &str = "{
            FOR $key IN ['owes', 'owes nothing'] {
                CREATE type::record('claim', ['foo@bar.com', $key]) SET address = 'foo@bar.com',
                    key = $key, typed_address = 'foo@bar.com', password_hash = 'hash',
                    reference = 'K7QD', seed = '00', delivery = 1, digits = 4, attempts_left = 3,
                    mail = IF $key = 'owes' { 'queued' } ELSE { 'taken' }, requested_at = $now,
                    code_expires_at = $now, created_at = $now, expires_at = $now + 1d
            };
            CREATE outbox:['foo@bar.com', 'owes'] SET address = 'foo@bar.com', key = 'owes',
                ticket = 'one', telling = false, tries = 2, due_at = $now, queued_at = $now;
            CREATE outbox:['foo@bar.com', 'gone'] SET address = 'foo@bar.com', key = 'gone',
                ticket = 'two', telling = false, tries = 0, due_at = $now, queued_at = $now;
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path()).await;
        store.migrate_by(&MIGRATIONS[..5]).await.unwrap();
        let now = SystemClock.now();
        let moment = vars([("now", now.into_value())]);
        store.run::<Value>(OLD, moment).await.unwrap();
        store.migrate().await.unwrap();
        let owed = store.outbox_depth().await.unwrap();
        assert_eq!((owed.mails, owed.oldest), (1, Some(now)));
        let lease = chrono::Duration::seconds(8);
        let mails = store.lease_mail(10, lease).await.unwrap();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].ticket, "one");
        assert_eq!((mails[0].key.as_str(), mails[0].tries), ("owes", 3));
        assert!(
            store
                .snapshot()
                .await
                .unwrap()
                .count("outbox")
                .await
                .is_err()
        );
    }

    /// Before the seventh schema change they were found by indices.
    #[tokio::test]
    async fn what_expired_in_an_older_version_goes_in_this_one() {
        const OLD: &str = "{
            FOR $name IN ['a', 'b'] {
                CREATE type::record('session', $name) SET state = '', expires_at = $now;
                CREATE type::record('budget', $name) SET full_at = $now;
                CREATE type::record('address_ledger', $name) SET mails = [], notices = [],
                    wrong_codes = [], expires_at = $now
            };
            RETURN NONE
        }";
        const PROLONG: &str = "{
            UPDATE session:a, address_ledger:a SET expires_at = $now + 1h;
            UPDATE budget:a SET full_at = $now + 1h;
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path()).await;
        store.migrate_by(&MIGRATIONS[..6]).await.unwrap();
        let now = || vars([("now", SystemClock.now().into_value())]);
        store.run::<Value>(OLD, now()).await.unwrap();
        store.migrate().await.unwrap();
        store.run::<Value>(PROLONG, now()).await.unwrap();
        assert_eq!(store.sweep(10).await.unwrap(), 3);
        assert_eq!(store.sweep(10).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_store_of_a_newer_version_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let newer = [
            MIGRATIONS,
            &[("999_later", "DEFINE TABLE later SCHEMAFULL;")],
        ]
        .concat();
        let store = opened(folder.path()).await;
        store.migrate_by(&newer).await.unwrap();
        drop(store);
        let store = opened(folder.path()).await;
        let refused = format!("{:#}", store.migrate().await.unwrap_err());
        assert!(
            refused.contains("was made by a newer Latchkey"),
            "{refused}"
        );
        assert!(refused.contains("999_later") && refused.lines().count() == 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn instances_that_start_together_apply_each_change_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(opened(folder.path()).await);
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = store.clone();
            starts.spawn(async move { store.migrate().await.unwrap() });
        }
        starts.join_all().await;
        assert_eq!(store.schema().await.unwrap().len(), MIGRATIONS.len());
    }

    #[tokio::test]
    async fn of_a_schema_change_that_fails_in_its_middle_nothing_stays() {
        const TABLES: &str = "{ RETURN object::keys((INFO FOR DB).tables) }";
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path()).await;
        let broken = [
            MIGRATIONS[0],
            (
                MIGRATIONS[1].0,
                "DEFINE TABLE half SCHEMAFULL; DEFINE TABLE session SCHEMAFULL; THROW 'cut';",
            ),
        ];
        assert!(store.migrate_by(&broken).await.is_err());
        drop(store);
        let store = opened(folder.path()).await;
        assert_eq!(store.schema().await.unwrap(), [MIGRATIONS[0].0]);
        store.migrate().await.unwrap();
        let tables: Vec<String> = store.run(TABLES, vars([])).await.unwrap();
        assert!(!tables.contains(&"half".to_owned()), "{tables:?}");
        // A backup has every table, but for these; what is added must be decided upon.
        for table in tables {
            let kept = KEPT_TABLES.contains(&table.as_str());
            let left_out = ["migration", "probe", "installation"].contains(&table.as_str());
            assert!(kept != left_out, "{table}: is it part of a backup?");
        }
    }

    #[tokio::test]
    async fn a_claim_from_before_the_last_schema_change_is_still_one() {
        const OLD: &str = "{
            CREATE claim:['foo@bar.com', 'key'] SET address = 'foo@bar.com', key = 'key',
                typed_address = 'foo@bar.com', password_hash = 'hash', reference = 'K7QD',
                seed = '00', delivery = 1, digits = 4, attempts_left = 3, mail = 'queued',
                requested_at = $now, code_expires_at = $now + 1m, created_at = $now,
                expires_at = $now + 1d;
            RETURN NONE
        }";
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = Store::open(&DatabaseConfig::default(), folder.path(), clock.clone())
            .await
            .unwrap();
        let now = vars([("now", clock.now().into_value())]);
        store.run::<Value>(OLD, now).await.unwrap();
        let id = ClaimId {
            address: "foo@bar.com".to_owned(),
            key: "key".to_owned(),
        };
        let claim = store.claim(&id).await.unwrap().unwrap();
        assert_eq!(claim.language(), Language::En);
        assert_eq!(claim.disowned, None);
    }
}
