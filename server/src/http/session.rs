//! What a browser's session remembers.

use chrono::{DateTime, TimeDelta, Utc};
use latchkey_app::texts::key;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::Record;
use tower_sessions::{Expiry, Session, session};

use super::answer::{Kind, Problem};
use super::verify::already_verified;
use crate::store::{Account, ClaimId, replace_session};

/// As long as a claim may live by default, counted from the last change.
pub const EXPIRY: Expiry = Expiry::OnInactivity(Duration::hours(24));

const KEY: &str = "latchkey";

/// A session proves the claim it made, or the account it verified or signed in to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    /// The sign-up that this browser has begun last.
    pub claim: Option<Begun>,
    /// The account that this browser has verified or signed in to.
    pub account: Option<Owner>,
    /// Of an id that has been replaced: how long it is still known.
    pub lingers_until: Option<DateTime<Utc>>,
}

/// A sign-up under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    pub id: ClaimId,
    /// Pages send it along: one that shows an older sign-up must not spend this one's attempts.
    pub reference: String,
}

/// Whose account it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The canonical address.
    pub address: String,
    /// Since when it is an account: one that is deleted and made anew is somebody else's. Sessions of
    /// older versions do not say it.
    pub verified_at: Option<DateTime<Utc>>,
}

impl Owner {
    /// Whether this is the account of its address now.
    pub fn has(&self, account: &Account) -> bool {
        let since = self.verified_at;
        self.address == account.address && since.is_none_or(|since| since == account.verified_at)
    }
}

impl Remembered {
    /// Why nothing can be done about a sign-up that this browser does not have.
    pub fn no_sign_up(&self) -> Problem {
        match &self.account {
            Some(_) => already_verified(),
            None => Problem::new(Kind::CodeStale, key::ERROR_NO_SIGN_UP),
        }
    }

    /// What this session remembers; nothing when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(session: &Session) -> Result<Self, Problem> {
        match session.get(KEY).await {
            Ok(remembered) => Ok(remembered.unwrap_or_default()),
            // Written by another version: as good as none.
            Err(session::Error::SerdeJson(_)) => Ok(Self::default()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Remembers this, under a new id where rights change: an id that somebody planted or saw
    /// before gains nothing (OWASP ASVS 5.0 7.2.4). The former one lingers.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, session: &Session, now: DateTime<Utc>) -> Result<(), Problem> {
        let former = Self::of(session).await?;
        self.replace(former, session, now).await
    }

    /// The same where the claim goes on as another: the former id lingers with that one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn go_on(&self, session: &Session, now: DateTime<Utc>) -> Result<(), Problem> {
        self.replace(self.clone(), session, now).await
    }

    /// Never under the same id: what was read before another answer replaced it would be written
    /// over what lingers, with an account that this browser has signed out of meanwhile.
    async fn replace(
        &self,
        former: Self,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        // An id that the store does not know is none once it was asked for.
        let lingering = session.id().and_then(|id| former.lingering(id, now));
        replace_session(session, lingering).await.map_err(failed)?;
        session.insert(KEY, self).await.map_err(failed)
    }

    /// Whether this id may still change the sign-up it knows.
    ///
    /// # Errors
    /// When another has taken its place, which the browser knows, or is about to.
    pub fn check_is_current(&self) -> Result<(), Problem> {
        match self.lingers_until {
            Some(_) => Err(Problem::new(Kind::OtherSignUp, key::ERROR_OTHER_SIGN_UP)),
            None => Ok(()),
        }
    }
}

/// Ends a session: whoever comes with its id again is nobody. It never lingers.
///
/// # Errors
/// When the store fails.
pub async fn forget(session: &Session) -> Result<(), Problem> {
    session.flush().await.map_err(failed)
}

/// How long an id that has been replaced is still known, with what it knew.
const LINGER: TimeDelta = TimeDelta::seconds(30);

impl Remembered {
    /// A double click, or a second tab, asks with the id that the first answer is just replacing. It
    /// must find what it knew, or the browser would be told that it has no sign-up and to forget the
    /// new id: tower-sessions has every cookie removed that opens nothing. Nothing is gained by it:
    /// the old id proves no more than it did before, and no account, so that nobody stays signed in
    /// by it who signs out; and asking again prolongs nothing.
    fn lingering(self, id: session::Id, now: DateTime<Utc>) -> Option<Record> {
        let until = self.lingers_until.unwrap_or(now + LINGER);
        let remembered = Self {
            claim: self.claim,
            account: None,
            lingers_until: Some(until),
        };
        let value = serde_json::to_value(remembered).ok()?;
        Some(Record {
            id,
            data: [(KEY.to_owned(), value)].into(),
            expiry_date: OffsetDateTime::from_unix_timestamp(until.timestamp()).ok()?,
        })
    }
}

impl Begun {
    /// Whether a page means this sign-up, when it says which it means.
    ///
    /// # Errors
    /// When it means another, begun earlier in this browser.
    pub fn check(&self, reference: Option<&str>) -> Result<(), Problem> {
        match reference {
            Some(reference) if reference != self.reference => {
                Err(Problem::new(Kind::OtherSignUp, key::ERROR_OTHER_SIGN_UP))
            }
            _ => Ok(()),
        }
    }
}

fn failed(error: session::Error) -> Problem {
    tracing::error!(%error, "a session could not be read or written");
    Problem::new(Kind::Unavailable, key::ERROR_SESSION).until(std::time::Duration::from_secs(5))
}
