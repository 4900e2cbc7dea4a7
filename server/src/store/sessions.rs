//! Sessions of tower-sessions, in the same store as everything else.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use surrealdb::types::{RecordId, SurrealValue, Value};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use super::{Store, StoreError, vars};
use crate::secret_key::hex;

/// tower-sessions' view of the store.
///
/// Our own rather than `tower-sessions-surrealdb-store`: there the session's id stands in the
/// store as it is, and whoever reads a backup could take sessions over.
#[derive(Clone)]
pub struct SessionRecords(Arc<Store>);

#[derive(SurrealValue)]
struct SessionRow {
    state: String,
    expires_at: DateTime<Utc>,
}

/// Fails when the id is taken.
const CREATE: &str = "{
    CREATE ONLY $record SET state = $state, expires_at = $expires_at;
    RETURN NONE
}";

const SAVE: &str = "{
    UPSERT ONLY $record SET state = $state, expires_at = $expires_at;
    RETURN NONE
}";

const LOAD: &str =
    "{ RETURN (SELECT state, expires_at FROM ONLY $record WHERE expires_at > $now) }";

const DELETE: &str = "{ DELETE $record; RETURN NONE }";

impl SessionRecords {
    /// The sessions kept in `store`.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    async fn write(&self, block: &'static str, record: &Record) -> Result<()> {
        let state =
            serde_json::to_string(&record.data).map_err(|e| Error::Encode(e.to_string()))?;
        let expires_at = from_time(record.expiry_date)
            .ok_or_else(|| Error::Encode("the expiry date is out of range".to_owned()))?;
        self.0
            .run::<Value>(
                block,
                vars([
                    ("record", session_id(&record.id).into_value()),
                    ("state", state.into_value()),
                    ("expires_at", expires_at.into_value()),
                ]),
            )
            .await
            .map(drop)
            .map_err(backend)
    }
}

#[async_trait]
impl SessionStore for SessionRecords {
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.write(CREATE, record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.write(SAVE, record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row: Option<SessionRow> = self
            .0
            .run(
                LOAD,
                vars([
                    ("record", session_id(id).into_value()),
                    ("now", self.0.clock.now().into_value()),
                ]),
            )
            .await
            .map_err(backend)?;
        row.map(|row| {
            Ok(Record {
                id: *id,
                data: serde_json::from_str(&row.state).map_err(|e| Error::Decode(e.to_string()))?,
                expiry_date: to_time(row.expires_at)
                    .ok_or_else(|| Error::Decode("the expiry date is out of range".to_owned()))?,
            })
        })
        .transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0
            .run::<Value>(DELETE, vars([("record", session_id(id).into_value())]))
            .await
            .map(drop)
            .map_err(backend)
    }
}

impl fmt::Debug for SessionRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionRecords")
    }
}

fn session_id(id: &Id) -> RecordId {
    RecordId::new("session", hex(&Sha256::digest(id.0.to_le_bytes())))
}

fn backend(error: StoreError) -> Error {
    Error::Backend(error.to_string())
}

fn from_time(moment: OffsetDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(moment.unix_timestamp(), moment.nanosecond())
}

fn to_time(moment: DateTime<Utc>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(moment.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    #[tokio::test]
    async fn a_session_is_kept_under_a_name_that_does_not_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = DatabaseConfig::default();
        let store = Store::open(&database, folder.path(), Arc::new(SystemClock)).await;
        let sessions = SessionRecords::new(Arc::new(store.unwrap()));
        let expiry_date = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
        let mut record = Record {
            id: Id(42),
            data: [("key".to_owned(), serde_json::json!({"a": 1}))].into(),
            expiry_date,
        };
        assert_eq!(sessions.load(&record.id).await.unwrap(), None);
        sessions.delete(&record.id).await.unwrap();
        sessions.create(&mut record).await.unwrap();
        assert!(
            sessions.create(&mut record).await.is_err(),
            "an id is used once"
        );
        assert_eq!(
            sessions.load(&record.id).await.unwrap(),
            Some(record.clone())
        );
        let names: Vec<String> = sessions
            .0
            .run(
                "{ RETURN (SELECT VALUE record::id(id) FROM session) }",
                vars([]),
            )
            .await
            .unwrap();
        assert_eq!(names.len(), 1);
        assert!(!names[0].contains(&record.id.to_string()));
        sessions.delete(&record.id).await.unwrap();
        assert_eq!(sessions.load(&record.id).await.unwrap(), None);
    }
}
