//! The ledger of one address: what has been caused to it lately, and what may be caused to it.

use chrono::{DateTime, Duration, Utc};
use surrealdb::types::{RecordId, SurrealValue};

/// The ledger of one address, and what may be caused to it.
#[derive(Clone, Debug)]
pub struct AddressLedger {
    /// A keyed digest of the address without its `+tag`.
    pub digest: String,
    /// Who causes it.
    pub site: String,
    /// Mails in any 24 hours, of everybody and of one site.
    pub mails: u32,
    pub mails_per_site: u32,
    /// Wrong codes in any 30 days after which codes are long.
    pub wrong_codes: u32,
    /// Whether this is written down and held against the numbers.
    pub counts: bool,
}

impl AddressLedger {
    pub(super) fn record(&self) -> RecordId {
        ledger_id(&self.digest)
    }
}

/// What happened later than this was written by a clock that ran ahead, and does not count.
pub(super) const CLOCKS_DIFFER: Duration = Duration::hours(1);

/// Whether something happened this long ago at most.
pub(super) fn is_within(span: Duration, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at > now - span && at < now + CLOCKS_DIFFER
}

/// How long mails are remembered.
const DAY: Duration = Duration::days(1);

/// How long wrong codes are remembered, and how long codes are long because of them.
const MONTH: Duration = Duration::days(30);

/// The digits of long codes.
pub(super) const LONG_CODE_DIGITS: i64 = 8;

pub(super) fn ledger_id(digest: &str) -> RecordId {
    RecordId::new("address_ledger", digest)
}

/// What the store has of it. Each address has one that says nothing until something is written.
#[derive(Clone, Default, SurrealValue)]
pub(super) struct Ledger {
    mails: Vec<CausedMail>,
    /// Words to the address's owner.
    notices: Vec<DateTime<Utc>>,
    wrong_codes: Vec<DateTime<Utc>>,
    long_codes_until: Option<DateTime<Utc>>,
    /// Sites from which its owner wants no mail to be caused.
    stopped: Option<Vec<Stop>>,
    expires_at: DateTime<Utc>,
}

#[derive(Clone, SurrealValue)]
struct CausedMail {
    at: DateTime<Utc>,
    site: String,
}

#[derive(Clone, SurrealValue)]
struct Stop {
    site: String,
    until: DateTime<Utc>,
}

impl Ledger {
    /// When there may be another mail. Of those that its owner has stopped, each site counts its
    /// own, so that it learns nothing, and nobody else does.
    pub(super) fn next_mail(&self, rules: &AddressLedger, now: DateTime<Utc>) -> DateTime<Utc> {
        let own = |mail: &&CausedMail| mail.site == rules.site;
        let counted = |mail: &&CausedMail| own(mail) || !self.has_stopped(&mail.site, now);
        let mails = self.mails_of_day(now);
        // The one that has to be a day old before there is room again.
        let full_until = |mails: Vec<&CausedMail>, room: u32| {
            let oldest = mails.len().checked_sub(room as usize)?;
            mails.get(oldest).map(|mail| mail.at + DAY)
        };
        [
            full_until(mails.iter().filter(counted).collect(), rules.mails),
            full_until(mails.iter().filter(own).collect(), rules.mails_per_site),
        ]
        .into_iter()
        .flatten()
        .fold(now, DateTime::max)
    }

    /// Whether the codes of the address are long.
    pub(super) fn is_long(&self, now: DateTime<Utc>) -> bool {
        self.long_codes_until.is_some_and(|until| until > now)
    }

    /// Whether the owner of the address has stopped mail that this site causes.
    pub(super) fn has_stopped(&self, site: &str, now: DateTime<Utc>) -> bool {
        let mut stops = self.stopped.iter().flatten();
        stops.any(|stop| stop.site == site && stop.until > now)
    }

    /// How often the owner was told of something within a day.
    pub(super) fn notices_of_day(&self, now: DateTime<Utc>) -> usize {
        let notices = self.notices.iter();
        notices.filter(|at| is_within(DAY, **at, now)).count()
    }

    fn mails_of_day(&self, now: DateTime<Utc>) -> Vec<CausedMail> {
        let mut mails = self.mails.clone();
        mails.retain(|mail| is_within(DAY, mail.at, now));
        mails
    }

    /// Writes a mail down that a site causes now.
    pub(super) fn with_mail(mut self, site: &str, now: DateTime<Utc>) -> Self {
        self.mails = self.mails_of_day(now);
        self.mails.push(CausedMail {
            at: now,
            site: site.to_owned(),
        });
        self.kept_until(now + DAY)
    }

    /// Writes a word to the owner down.
    pub(super) fn with_notice(mut self, now: DateTime<Utc>) -> Self {
        self.notices.retain(|at| is_within(DAY, *at, now));
        self.notices.push(now);
        self.kept_until(now + DAY)
    }

    /// Writes a wrong code down. The one that fills the ledger makes the address's codes long.
    pub(super) fn with_wrong_code(mut self, most: u32, now: DateTime<Utc>) -> Self {
        self.wrong_codes.retain(|at| is_within(MONTH, *at, now));
        self.wrong_codes.push(now);
        if self.wrong_codes.len() >= most as usize {
            self.wrong_codes.clear();
            self.long_codes_until = Some(now + MONTH);
        }
        self.kept_until(now + MONTH)
    }

    /// From now on this site can cause no mail to the address.
    pub(super) fn with_stop(
        mut self,
        site: Option<&str>,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let stopped = self.stopped.get_or_insert_default();
        stopped.retain(|stop| stop.until > now && Some(stop.site.as_str()) != site);
        stopped.extend(site.map(|site| Stop {
            site: site.to_owned(),
            until,
        }));
        self.kept_until(until)
    }

    fn kept_until(mut self, moment: DateTime<Utc>) -> Self {
        self.expires_at = self.expires_at.max(moment);
        self
    }
}
