//! The schema: numbered files, each applied once and recorded.

use anyhow::{Context, bail};
use surrealdb::types::{SurrealValue, Value};

use super::{Store, vars};

const MIGRATIONS: &[(&str, &str)] = &[
    (
        "001_accounts_and_claims",
        include_str!("schema/001_accounts_and_claims.surql"),
    ),
    ("002_sessions", include_str!("schema/002_sessions.surql")),
    ("003_budgets", include_str!("schema/003_budgets.surql")),
    ("004_mail", include_str!("schema/004_mail.surql")),
];

const DEFINE_MIGRATION: &str = "
    DEFINE TABLE IF NOT EXISTS migration SCHEMAFULL;
    DEFINE FIELD IF NOT EXISTS name ON migration TYPE string;
    DEFINE FIELD IF NOT EXISTS applied_at ON migration TYPE datetime;";

const APPLIED: &str = "{ RETURN (SELECT VALUE name FROM migration ORDER BY name) }";

impl Store {
    /// Applies what is missing, one transaction a file, so that an interrupted start goes on
    /// where it stopped.
    pub(super) async fn migrate(&self) -> anyhow::Result<()> {
        let database = self.engine.database().await?;
        database
            .query(DEFINE_MIGRATION)
            .await
            .and_then(surrealdb::IndexedResults::check)
            .context("Failed to prepare the table of migrations")?;
        let applied: Vec<String> = self
            .run(APPLIED, vars([]))
            .await
            .context("Failed to read the table of migrations")?;
        let known = |name: &String| MIGRATIONS.iter().any(|(known, _)| known == name);
        if let Some(unknown) = applied.iter().find(|name| !known(name)) {
            bail!(
                "The store was made by a newer Latchkey (it has the schema change {unknown}): \
                 start that version, or restore a backup made by this one."
            );
        }
        for (name, statements) in MIGRATIONS {
            if applied.iter().any(|done| done == name) {
                continue;
            }
            let transaction = format!(
                "BEGIN;\n{statements}\nCREATE type::record('migration', $name) \
                 SET name = $name, applied_at = $now;\nCOMMIT;"
            );
            database
                .query(transaction)
                .bind(vars([
                    ("name", Value::String((*name).to_owned())),
                    ("now", self.clock.now().into_value()),
                ]))
                .await
                .and_then(surrealdb::IndexedResults::check)
                .with_context(|| format!("Failed to apply the schema change {name}"))?;
            tracing::info!(name, "schema change applied");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latchkey_app::language::Language;

    use super::super::ClaimId;
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::config::DatabaseConfig;

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
