//! How mail gets from the use case that owes it to the worker that sends it.
//!
//! Mostly the worker has a hand free. Then the transaction that owes a mail leases it to this
//! process at once, and the worker neither looks for it nor writes that it has found it. All else
//! waits in the outbox: what comes while the worker is behind, while the relay fails, or to a
//! process that dies now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, MutexGuard, Notify, OwnedSemaphorePermit, Semaphore};

use super::{MAX_CONNECTIONS, RelayHealth};
use crate::clock::SharedClock;
use crate::store::{Claim, Lease, LeasedMail};

/// Shared by the use cases and the worker of one process.
pub struct Dispatch {
    /// One for each mail that is, or is about to be, under way.
    slots: Arc<Semaphore>,
    /// Rung when there may be mail in the outbox.
    bell: Notify,
    /// Whether mail waits in the outbox for a slot: it was first.
    is_behind: AtomicBool,
    lease: Lease,
    health: Arc<RelayHealth>,
    clock: SharedClock,
    handing: UnboundedSender<Handed>,
    /// Held by the worker: given back even when it panics, and begins anew.
    handed: Mutex<UnboundedReceiver<Handed>>,
}

/// A mail with its slot: so there are never more than slots.
pub(crate) struct Handed {
    pub(crate) mail: LeasedMail,
    /// Whose code it is, if that is known to be what the mail is about.
    pub(crate) code_of: Option<Box<Claim>>,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// Room for a mail that is about to be owed. Dropped, it is free again.
pub struct Slot {
    permit: OwnedSemaphorePermit,
    lease: Lease,
    handing: UnboundedSender<Handed>,
}

impl Dispatch {
    /// What is leased here is leased so.
    #[must_use]
    pub fn new(lease: Lease, health: Arc<RelayHealth>, clock: SharedClock) -> Self {
        let (handing, handed) = unbounded_channel();
        Self {
            slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            bell: Notify::new(),
            is_behind: AtomicBool::new(false),
            lease,
            health,
            clock,
            handing,
            handed: Mutex::new(handed),
        }
    }

    /// Room for one mail, to be leased in the transaction that owes it; `None` when it must wait
    /// for its turn in the outbox, and [`Self::ring`] be called.
    #[must_use]
    pub fn reserve(&self) -> Option<Slot> {
        let mut permits = if self.is_behind.load(Ordering::Relaxed) || !self.is_attended() {
            Vec::new()
        } else {
            self.free_slots(1)
        };
        let Some(permit) = permits.pop() else {
            self.is_behind.store(true, Ordering::Relaxed);
            return None;
        };
        Some(Slot {
            permit,
            lease: self.lease,
            handing: self.handing.clone(),
        })
    }

    /// Says that there is mail in the outbox.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until somebody rings.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// As many slots as are free and as the relay is to be asked for, up to `limit`.
    pub(super) fn free_slots(&self, limit: usize) -> Vec<OwnedSemaphorePermit> {
        let under_way = MAX_CONNECTIONS.saturating_sub(self.slots.available_permits());
        let room = self.health.room(self.clock.now(), under_way);
        (0..room.min(limit))
            .map_while(|_| Arc::clone(&self.slots).try_acquire_owned().ok())
            .collect()
    }

    /// Makes the caller the worker of this process, as soon as there is no other.
    pub(crate) async fn attend(&self) -> MutexGuard<'_, UnboundedReceiver<Handed>> {
        self.handed.lock().await
    }

    /// Says whether mail is left in the outbox for which there was no slot.
    pub(super) fn set_behind(&self, is_behind: bool) {
        self.is_behind.store(is_behind, Ordering::Relaxed);
    }

    /// Gives a slot to whatever waits for one.
    pub(super) fn give_back(&self, slot: OwnedSemaphorePermit) {
        drop(slot);
        if self.is_behind.load(Ordering::Relaxed) {
            self.ring();
        }
    }

    fn is_attended(&self) -> bool {
        self.handed.try_lock().is_err()
    }
}

impl Slot {
    /// How the mail is to be leased.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// Hands over what was leased for this slot; `code_of` when the store has said just now that
    /// it is this claim's code. Should nobody be there any more, somebody takes it on when the
    /// lease ends.
    pub fn hand_over(self, mail: LeasedMail, code_of: Option<Box<Claim>>) {
        let _ = self.handing.send(Handed {
            mail,
            code_of,
            slot: self.permit,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn dispatch() -> Dispatch {
        Dispatch::new(Lease::default(), Arc::default(), Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn there_is_room_only_while_a_worker_is_there_and_not_behind() {
        let dispatch = dispatch();
        assert!(dispatch.reserve().is_none(), "nobody would send it");
        {
            let _worker = dispatch.attend().await;
            assert!(dispatch.reserve().is_none(), "somebody waits already");
            dispatch.set_behind(false);
            assert!(dispatch.reserve().is_some());
        }
        assert!(dispatch.reserve().is_none(), "the worker is gone");
        let _another = dispatch.attend().await;
        assert!(dispatch.reserve().is_none(), "somebody waits again");
    }

    #[tokio::test]
    async fn no_more_mails_are_under_way_than_there_are_connections() {
        let dispatch = dispatch();
        let _worker = dispatch.attend().await;
        let slots: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|_| dispatch.reserve().unwrap())
            .collect();
        assert!(dispatch.reserve().is_none());
        assert!(dispatch.free_slots(MAX_CONNECTIONS).is_empty());
        drop(slots);
        assert_eq!(dispatch.free_slots(MAX_CONNECTIONS).len(), MAX_CONNECTIONS);
    }
}
