//! Queries of an operator's own.
//!
//! They run in a database of their own, in memory, in the operator's process, which was given only
//! what is [shown](super::shown()). What is not in there no alias, function or subquery can bring
//! out, and what is changed in there is changed nowhere else. It is refused all the same: by
//! SurrealDB's own judgement of what only reads, and then because a viewer asks.

use surrealdb::Surreal;
use surrealdb::engine::any::{self, Any};
use surrealdb::opt::Config;
use surrealdb::opt::auth::Database;
use surrealdb::opt::capabilities::Capabilities;
use surrealdb::types::{ErrorDetails, Object, RecordId, SurrealValue, Value};
use thiserror::Error;

use super::rows::Row;
use super::vars;
use crate::entropy::Entropy;
use crate::secret_key::hex;

const NAME: &str = "latchkey";

/// A database that is only looked at.
pub struct Viewer {
    /// Fills it: nobody is signed in, so everything is allowed.
    owner: Surreal<Any>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ViewerError {
    /// More than a look was asked for.
    #[error(
        "a query only reads: SELECT, RETURN, LET, INFO and their like, without functions that run others"
    )]
    Writes,
    /// The engine refused it.
    #[error("a query only reads: {0}")]
    NotAllowed(String),
    /// The query is wrong, or the engine failed.
    #[error("{0}")]
    Failed(String),
}

impl From<surrealdb::Error> for ViewerError {
    fn from(error: surrealdb::Error) -> Self {
        match error.details() {
            ErrorDetails::NotAllowed(_) => Self::NotAllowed(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl Viewer {
    /// An empty one, with these tables.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn new(tables: &[&str]) -> anyhow::Result<Self> {
        const DEFINE: &str = "{ DEFINE TABLE $table SCHEMALESS }";
        // No network, no scripts, no files: functions that only compute.
        let capabilities = Capabilities::none().with_all_functions_allowed();
        let owner = any::connect(("mem://", Config::new().capabilities(capabilities))).await?;
        owner.use_ns(NAME).use_db(NAME).await?;
        for table in tables {
            owner
                .query(DEFINE)
                .bind(vars([("table", (*table).into_value())]))
                .await?
                .check()?;
        }
        Ok(Self { owner })
    }

    /// Puts rows of one table into it.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn put(&self, table: &str, rows: Vec<Row>) -> anyhow::Result<()> {
        const PUT: &str = "{
            LET $into = type::table($table);
            INSERT INTO $into $rows RETURN NONE;
            RETURN NONE
        }";
        let rows: Vec<Object> = rows
            .into_iter()
            .map(|row| {
                let mut content = row.fields;
                content.insert("id", RecordId::new(table, row.key));
                content
            })
            .collect();
        self.owner
            .query(PUT)
            .bind(vars([
                ("table", table.into_value()),
                ("rows", rows.into_value()),
            ]))
            .await?
            .check()?;
        Ok(())
    }

    /// Asks, and gives one value for each statement.
    ///
    /// # Errors
    /// When the query is wrong or does more than read: then nothing else of it is told.
    pub async fn ask(
        self,
        query: &str,
        entropy: &dyn Entropy,
    ) -> Result<Vec<serde_json::Value>, ViewerError> {
        const REMOVE_VIEWER: &str = "REMOVE USER viewer ON DATABASE";
        if !only_reads(query)? {
            return Err(ViewerError::Writes);
        }
        let password =
            password(entropy).map_err(|error| ViewerError::Failed(format!("{error:#}")))?;
        // The statement takes no variable here; the password is made of hexadecimal digits.
        let define = format!("DEFINE USER viewer ON DATABASE PASSWORD '{password}' ROLES VIEWER");
        self.owner.query(define).await?.check()?;
        let viewer = self.owner.clone();
        viewer
            .signin(Database {
                namespace: NAME.to_owned(),
                database: NAME.to_owned(),
                username: "viewer".to_owned(),
                password,
            })
            .await?;
        // Who is signed in stays so, and INFO shows no hash, not even of this password.
        self.owner.query(REMOVE_VIEWER).await?.check()?;
        let mut response = viewer.query(query).await?.check()?;
        (0..response.num_statements())
            .map(|statement| {
                let value: Value = response.take(statement)?;
                Ok(value.into_json_value())
            })
            .collect()
    }
}

/// Whether nothing in it can change anything; what cannot be told from the text alone (functions
/// that evaluate others, closures that come as values) counts as if it could.
fn only_reads(query: &str) -> Result<bool, ViewerError> {
    let query =
        surrealdb_syn::parse(query).map_err(|error| ViewerError::Failed(error.to_string()))?;
    for statement in &query.expressions {
        if !statement.read_only() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn password(entropy: &dyn Entropy) -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use surrealdb::types::RecordIdKey;

    async fn viewer() -> Viewer {
        let viewer = Viewer::new(&["account"]).await.unwrap();
        let mut fields = Object::new();
        fields.insert("address", "foo@bar.com");
        let row = Row {
            table: "account".to_owned(),
            key: RecordIdKey::String("foo@bar.com".to_owned()),
            fields,
        };
        viewer.put("account", vec![row]).await.unwrap();
        viewer
    }

    async fn ask(query: &str) -> Result<Vec<serde_json::Value>, ViewerError> {
        viewer().await.ask(query, &SystemEntropy).await
    }

    #[tokio::test]
    async fn what_only_reads_is_answered() {
        for (query, answer) in [
            ("SELECT VALUE address FROM account", r#"[["foo@bar.com"]]"#),
            (
                "SELECT * FROM account",
                r#"[[{"address":"foo@bar.com","id":"account:`foo@bar.com`"}]]"#,
            ),
            (
                "SELECT count() FROM account GROUP ALL",
                r#"[[{"count":1}]]"#,
            ),
            (
                "LET $a = (SELECT * FROM account); RETURN count($a)",
                "[null,1]",
            ),
            ("RETURN string::uppercase('a')", r#"["A"]"#),
        ] {
            let told = ask(query).await.unwrap();
            assert_eq!(serde_json::Value::from(told).to_string(), answer, "{query}");
        }
    }

    #[tokio::test]
    async fn whatever_does_more_is_refused() {
        for query in [
            "CREATE account SET address = 'a@b.c'",
            "INSERT INTO account { address: 'a@b.c' }",
            "UPDATE account SET address = 'a@b.c'",
            "UPSERT account:a SET address = 'a@b.c'",
            "DELETE account",
            "RELATE account:a->knows->account:b",
            "RETURN (DELETE account RETURN BEFORE)",
            "SELECT *, (UPDATE account SET address = 'x') FROM account",
            "BEGIN; DELETE account; COMMIT",
            "DEFINE TABLE other",
            "DEFINE USER me ON DATABASE PASSWORD 'p' ROLES OWNER",
            "DEFINE FUNCTION fn::a() { RETURN 1 }",
            "REMOVE TABLE account",
            "ALTER TABLE account SCHEMAFULL",
            "REBUILD INDEX a ON account",
            "LIVE SELECT * FROM account",
            "USE NS other DB other",
            "FOR $a IN [1] { DELETE account }",
            "IF true { DELETE account }",
            "LET $f = || (DELETE account); RETURN $f()",
            "RETURN [1].map(|$x| (DELETE account))",
            "RETURN api::invoke('/a')",
            "RETURN fn::anything()",
            "RETURN function() { return 1 }",
        ] {
            let told = ask(query).await;
            let refused = matches!(told, Err(ViewerError::Writes | ViewerError::Failed(_)));
            assert!(refused, "{query}: {told:?}");
        }
    }

    #[tokio::test]
    async fn nothing_leads_out() {
        for query in [
            "RETURN file::get(f'b:/etc/passwd')",
            "DEFINE BUCKET b BACKEND 'file:/etc'",
            "RETURN ml::a<1>(1)",
            "RETURN http::get('http://127.0.0.1/')",
            "INFO FOR ROOT",
            "INFO FOR NS",
            "SELECT * FROM claim",
            "SELECT * FROM type::table('cla' + 'im')",
            "SELECT FROM",
        ] {
            let told = ask(query).await;
            assert!(told.is_err(), "{query}: {told:?}");
        }
        let info = ask("INFO FOR DB").await.unwrap();
        assert!(
            !serde_json::Value::from(info)
                .to_string()
                .contains("$argon2")
        );
    }
}
