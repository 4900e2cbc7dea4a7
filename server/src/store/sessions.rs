//! Sessions of tower-sessions, in the same store as everything else.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use surrealdb::types::{RecordId, SurrealValue, Value, Variables};
use time::OffsetDateTime;
use tower_sessions::session::{self, Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Session, SessionStore};

use super::writer::{Row, Writing};
use super::{Store, StoreError, vars};
use crate::secret_key::hex;

/// tower-sessions' view of the store.
///
/// Our own rather than `tower-sessions-surrealdb-store`: there the session's id stands in the
/// store as it is, and whoever reads a backup could take sessions over.
#[derive(Clone)]
pub struct SessionRecords(Arc<Store>);

#[derive(Serialize, Deserialize, SurrealValue)]
struct SessionRow {
    state: String,
    expires_at: DateTime<Utc>,
}

/// A session that has ended meanwhile does not begin anew.
const SAVE: &str = "{
    UPDATE $record SET state = $state, expires_at = $expires_at RETURN NONE;
    RETURN NONE
}";

const DELETE: &str = "{ DELETE $record; RETURN NONE }";

/// Under this a session's data says what it takes the place of, until it is created.
const REPLACES: &str = "replaces";

#[derive(Serialize, Deserialize)]
struct Replaced {
    /// As text: JSON has no numbers of 128 bits.
    id: String,
    lingering: Option<SessionRow>,
}

tokio::task_local! {
    /// Set where a session loses its id only to be created under another.
    static REPLACING: ();
}

/// Gives a session that the store knows another id. The store hears of it when the session is
/// created anew, with the answer; from then on the former id is nobody's, or for a while knows what
/// `lingering` says.
///
/// # Errors
/// When the session cannot be read.
pub async fn replace_session(
    session: &Session,
    lingering: Option<Record>,
) -> std::result::Result<(), session::Error> {
    let Some(id) = session.id() else {
        return Ok(());
    };
    let replaced = Replaced {
        id: id.to_string(),
        lingering: lingering.as_ref().map(row).transpose()?,
    };
    REPLACING.scope((), session.cycle_id()).await?;
    session.insert(REPLACES, replaced).await
}

impl SessionRecords {
    /// The sessions kept in `store`.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    async fn change(&self, id: &Id, block: &'static str, mut variables: Variables) -> Result<()> {
        let record = session_id(id);
        variables.insert("record".to_owned(), record.clone().into_value());
        self.0
            .change::<Value>([record], block, variables)
            .await
            .map(drop)
            .map_err(backend)
    }
}

#[async_trait]
impl SessionStore for SessionRecords {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let mut writing = Writing {
            can_wait: true,
            ..Writing::default()
        };
        if let Some(replaced) = record.data.remove(REPLACES) {
            let replaced: Replaced =
                serde_json::from_value(replaced).map_err(|e| Error::Decode(e.to_string()))?;
            let id = Id::from_str(&replaced.id).map_err(|e| Error::Decode(e.to_string()))?;
            // The one comes and the other goes, or stays for a while with what it may still know,
            // together or not at all.
            match replaced.lingering {
                None => writing.gone.push(session_id(&id)),
                Some(lingering) => writing.rewritten.push(Row::new(session_id(&id), lingering)),
            }
        }
        // Fails when the id is taken.
        writing
            .made
            .push(Row::new(session_id(&record.id), row(record)?));
        self.0
            .writer
            .write(writing)
            .await
            .map(drop)
            .map_err(backend)
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let row = row(record)?;
        let variables = vars([
            ("state", row.state.into_value()),
            ("expires_at", row.expires_at.into_value()),
        ]);
        self.change(&record.id, SAVE, variables).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row: Option<SessionRow> = self.0.row(session_id(id)).await.map_err(backend)?;
        let now = self.0.clock.now();
        let row = row.filter(|row| row.expires_at > now);
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
        if REPLACING.try_with(|()| ()).is_ok() {
            return Ok(());
        }
        self.change(id, DELETE, vars([])).await
    }
}

fn row(record: &Record) -> Result<SessionRow> {
    Ok(SessionRow {
        state: serde_json::to_string(&record.data).map_err(|e| Error::Encode(e.to_string()))?,
        expires_at: from_time(record.expiry_date)
            .ok_or_else(|| Error::Encode("the expiry date is out of range".to_owned()))?,
    })
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

    async fn sessions(folder: &tempfile::TempDir) -> SessionRecords {
        let database = DatabaseConfig::default();
        let store = Store::open(&database, folder.path(), Arc::new(SystemClock)).await;
        SessionRecords::new(Arc::new(store.unwrap()))
    }

    fn record(id: i128) -> Record {
        Record {
            id: Id(id),
            data: [("key".to_owned(), serde_json::json!({"a": 1}))].into(),
            expiry_date: OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_session_gets_another_id_when_it_is_saved_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = sessions(&folder).await;
        let former = Id::default();
        for lingering in [None, Some(record(former.0))] {
            sessions.create(&mut record(former.0)).await.unwrap();
            assert!(sessions.0.compare_what_is_known().await > 0);
            let session = Session::new(Some(former), Arc::new(sessions.clone()), None);
            replace_session(&session, lingering.clone()).await.unwrap();
            session.insert("more", 2).await.unwrap();
            assert!(
                sessions.load(&former).await.unwrap().is_some(),
                "an answer that fails changes nothing"
            );
            session.save().await.unwrap();
            assert_eq!(sessions.load(&former).await.unwrap(), lingering);
            sessions.0.compare_what_is_known().await;
            let new = session.id().unwrap();
            assert_ne!(new, former);
            let data = sessions.load(&new).await.unwrap().unwrap().data;
            assert_eq!(data.len(), 2, "{data:?}");
            sessions.delete(&former).await.unwrap();
            assert_eq!(sessions.load(&former).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_session_that_is_none_is_replaced_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = sessions(&folder).await;
        for id in [None, Some(Id(7))] {
            let session = Session::new(id, Arc::new(sessions.clone()), None);
            replace_session(&session, None).await.unwrap();
            session.insert("key", 1).await.unwrap();
            session.save().await.unwrap();
            assert_ne!(session.id(), id);
            assert!(
                sessions
                    .load(&session.id().unwrap())
                    .await
                    .unwrap()
                    .is_some()
            );
            assert_eq!(sessions.load(&Id(7)).await.unwrap(), None);
        }
    }

    /// Somebody signs out, or is deleted, while another answer to them is under way.
    #[tokio::test]
    async fn a_session_that_has_ended_does_not_begin_anew() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = sessions(&folder).await;
        let mut record = record(42);
        sessions.create(&mut record).await.unwrap();
        record.data.insert("more".to_owned(), 2.into());
        sessions.save(&record).await.unwrap();
        let known = sessions.load(&record.id).await.unwrap();
        assert_eq!(known, Some(record.clone()));
        sessions.delete(&record.id).await.unwrap();
        sessions.save(&record).await.unwrap();
        assert_eq!(sessions.load(&record.id).await.unwrap(), None);
        sessions.0.compare_what_is_known().await;
    }

    #[tokio::test]
    async fn a_session_is_kept_under_a_name_that_does_not_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = sessions(&folder).await;
        let mut record = record(42);
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
