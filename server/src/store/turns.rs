//! Turns: statements about one address, one after the other.
//!
//! Of two transactions that write the same record one is refused and has to begin anew; that is how
//! instances stay out of each other's way. Within one process waiting is cheaper: whoever reads their
//! mail at once has it verified while its being taken is still written down.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use tokio::sync::{Mutex, MutexGuard};

/// Addresses that share a line wait for each other without need, which with so many is rare.
const LINES: usize = 256;

pub(super) struct Turns {
    lines: Vec<Mutex<()>>,
    /// Keyed, so that nobody can choose addresses that share a line.
    hasher: RandomState,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            lines: (0..LINES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until nobody else has the turn of this address, and has it until the guard is dropped.
    ///
    /// Take it before the clock is read, and one at a time: who holds a turn and waits for another
    /// may wait for ever.
    pub(super) async fn of(&self, address: &str) -> MutexGuard<'_, ()> {
        self.lines[self.line(address)].lock().await
    }

    /// The turns of those of these addresses that nobody else has now. Waits for none.
    pub(super) fn free<'a>(&self, addresses: impl Iterator<Item = &'a str>) -> FreeTurns<'_> {
        let lines: BTreeSet<usize> = addresses.map(|address| self.line(address)).collect();
        let turns = lines.into_iter().filter_map(|line| {
            let turn = self.lines[line].try_lock().ok()?;
            Some((line, turn))
        });
        FreeTurns {
            of: self,
            turns: turns.collect(),
        }
    }

    fn line(&self, address: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "any line will do")]
        let line = self.hasher.hash_one(address) as usize;
        line % LINES
    }
}

/// Several turns, until they are dropped.
pub(super) struct FreeTurns<'a> {
    of: &'a Turns,
    turns: BTreeMap<usize, MutexGuard<'a, ()>>,
}

impl FreeTurns<'_> {
    /// Whether that of this address is among them.
    pub(super) fn have(&self, address: &str) -> bool {
        self.turns.contains_key(&self.of.line(address))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::sync::Arc;

    use chrono::DateTime;

    use super::super::{AddressLedger, Claim, Guess, LeasedMail, Store};
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::DatabaseConfig;

    /// The two that meet when somebody types in a code at once.
    #[tokio::test]
    async fn a_guess_and_a_mail_that_was_taken_wait_for_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let database = DatabaseConfig::default();
        let store = Store::open(&database, folder.path(), clock).await.unwrap();
        let moment = DateTime::UNIX_EPOCH;
        let text = String::new;
        let claim = Claim {
            address: "foo@bar.com".to_owned(),
            key: text(),
            typed_address: text(),
            password_hash: text(),
            reference: text(),
            seed: text(),
            delivery: 1,
            digits: 4,
            attempts_left: 3,
            mail: text(),
            requested_at: moment,
            code_expires_at: moment,
            language: None,
            disowned: None,
            created_at: moment,
            expires_at: moment,
            site: None,
            handle: None,
            ticket: None,
            tries: None,
            due_at: None,
            telling: None,
        };
        let mail = LeasedMail {
            address: claim.address.clone(),
            key: text(),
            ticket: text(),
            tries: 1,
            requested_at: moment,
        };
        let ledger = AddressLedger {
            digest: text(),
            site: text(),
            mails: 1,
            mails_per_site: 1,
            wrong_codes: 1,
            counts: false,
        };
        let id = claim.id();
        let guess = || {
            store.guess(Guess {
                id: &id,
                is_right: &|_| false,
                spent_code: "tag",
                hash_of_today: None,
                at_once: false,
                refund: &[],
                ledger: &ledger,
            })
        };
        let taken = || store.mail_taken(&mail, &claim, chrono::Duration::minutes(1), false);
        let turn = store.turns.of(&claim.address).await;
        let soon = Duration::from_millis(600);
        assert!(tokio::time::timeout(soon, guess()).await.is_err());
        assert!(tokio::time::timeout(soon, taken()).await.is_err());
        drop(turn);
        guess().await.unwrap();
        taken().await.unwrap();
    }

    #[tokio::test]
    async fn of_several_turns_those_that_are_free_are_had_and_none_is_waited_for() {
        let turns = Turns::new();
        let taken = turns.of("foo@bar.com").await;
        let addresses = ["foo@bar.com", "a@bar.com", "a@bar.com"];
        let free = turns.free(addresses.into_iter());
        assert!(!free.have("foo@bar.com"));
        assert!(free.have("a@bar.com") || turns.line("a@bar.com") == turns.line("foo@bar.com"));
        assert!(turns.free(addresses.into_iter()).turns.is_empty());
        drop((taken, free));
        assert!(turns.free(addresses.into_iter()).have("foo@bar.com"));
    }

    #[tokio::test]
    async fn only_who_comes_for_the_same_address_waits() {
        let turns = Turns::new();
        let soon = |address| tokio::time::timeout(Duration::from_millis(20), turns.of(address));
        let others: Vec<String> = (0..20).map(|number| format!("{number}@bar.com")).collect();
        let turn = turns.of("foo@bar.com").await;
        assert!(soon("foo@bar.com").await.is_err());
        let mut free = 0;
        for other in &others {
            free += usize::from(soon(other).await.is_ok());
        }
        assert!(free > 10, "{free}");
        drop(turn);
        assert!(soon("foo@bar.com").await.is_ok());
    }
}
