//! Where mail goes in development when there is no relay: into memory, to be read in a browser.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::compose::Composed;

/// Enough to look back on, too little to fill the memory.
const CAPACITY: usize = 200;

/// The newest mails of this process, shared by all clones.
#[derive(Clone, Default)]
pub struct DevelopmentMailbox {
    mails: Arc<Mutex<Ring>>,
}

/// A mail as the mailbox got it.
pub struct ReceivedMail {
    /// Counts up from 1 as long as the process lives.
    pub id: u64,
    pub received_at: DateTime<Utc>,
    /// The recipient of the envelope, domain in its ASCII form.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The message as a relay would have got it.
    pub raw: Vec<u8>,
}

#[derive(Default)]
struct Ring {
    last_id: u64,
    newest_first: VecDeque<Arc<ReceivedMail>>,
}

impl DevelopmentMailbox {
    /// Keeps `mail`; the oldest one makes room for it when the mailbox is full.
    pub fn deliver(&self, mail: &Composed) {
        let mut ring = self.ring();
        ring.last_id += 1;
        let received = ReceivedMail {
            id: ring.last_id,
            received_at: mail.date,
            to: mail.to(),
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            html: mail.html.clone(),
            raw: mail.message.clone().into_bytes(),
        };
        ring.newest_first.truncate(CAPACITY - 1);
        ring.newest_first.push_front(Arc::new(received));
    }

    /// All mails, newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Arc<ReceivedMail>> {
        self.ring().newest_first.iter().cloned().collect()
    }

    /// The mail with this id, unless newer ones have pushed it out.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<Arc<ReceivedMail>> {
        self.ring()
            .newest_first
            .iter()
            .find(|mail| mail.id == id)
            .cloned()
    }

    /// No code that holds the lock can leave the ring half changed, so a panic does not spoil it.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Mails hold codes and addresses: a log gets their number.
impl fmt::Debug for DevelopmentMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevelopmentMailbox({})", self.ring().newest_first.len())
    }
}

#[cfg(test)]
mod tests {
    use lettre::address::Envelope;

    use super::*;

    fn mail(subject: &str) -> Composed {
        Composed {
            envelope: Envelope::new(None, vec!["foo@bar.com".parse().unwrap()]).unwrap(),
            message: "Subject: x\r\n\r\nx".to_owned(),
            date: DateTime::from_timestamp(1_780_000_000, 0).unwrap(),
            subject: subject.to_owned(),
            text: "text".to_owned(),
            html: "<p>html".to_owned(),
        }
    }

    #[test]
    fn the_newest_mail_comes_first_and_is_found_by_its_id() {
        let mailbox = DevelopmentMailbox::default();
        mailbox.deliver(&mail("first"));
        mailbox.clone().deliver(&mail("second"));
        let mails = mailbox.newest_first();
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].subject, "second");
        assert_eq!(mailbox.find(1).unwrap().subject, "first");
        assert_eq!(mailbox.find(1).unwrap().to, "foo@bar.com");
        assert!(mailbox.find(3).is_none());
    }

    #[test]
    fn the_oldest_mails_make_room_for_new_ones() {
        let mailbox = DevelopmentMailbox::default();
        for n in 1..=CAPACITY + 5 {
            mailbox.deliver(&mail(&n.to_string()));
        }
        let mails = mailbox.newest_first();
        assert_eq!(mails.len(), CAPACITY);
        assert_eq!(mails[0].subject, (CAPACITY + 5).to_string());
        assert!(mailbox.find(5).is_none());
        assert!(mailbox.find(6).is_some());
    }

    #[test]
    fn nothing_of_a_mail_can_be_printed() {
        let mailbox = DevelopmentMailbox::default();
        mailbox.deliver(&mail("your code is 0746"));
        assert_eq!(format!("{mailbox:?}"), "DevelopmentMailbox(1)");
    }
}
