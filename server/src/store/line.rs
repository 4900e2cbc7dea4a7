//! What several want at once is done for them together.
//!
//! A statement costs the engine as much as the few rows that it reads or writes (docs/PERFORMANCE.md).
//! So while one is under way, whatever else comes waits for it, and is then done by one statement.
//! Nobody waits for others to come: what comes alone is done at once.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How many are done together.
const AT_ONCE: usize = 32;

/// Something that can be done for several at once.
pub(super) trait Shared: Send + Sync + Sized + 'static {
    type Item: Clone + Send + Sync + 'static;
    type Answer: Send + 'static;

    /// Whether this can be done together with those.
    fn goes_with(item: &Self::Item, group: &[&Self::Item]) -> bool;

    /// Does it for all, and answers each in the same order; `None` if each is to do it alone.
    fn together(
        &self,
        items: Vec<Self::Item>,
    ) -> impl Future<Output = Option<Vec<Self::Answer>>> + Send;
}

/// Those who want it.
pub(super) struct Line<S: Shared> {
    shared: S,
    state: Mutex<State<S>>,
}

struct State<S: Shared> {
    /// Whether it is being done for somebody.
    is_busy: bool,
    waiting: Vec<Waiting<S>>,
}

struct Waiting<S: Shared> {
    item: S::Item,
    /// Dropped when it has to be done alone.
    told: oneshot::Sender<Told<S>>,
}

/// How an item is done.
pub(super) enum Told<S: Shared> {
    /// It was, together with others.
    Together(S::Answer),
    /// By whoever wants it: nobody else does.
    First(Busy<S>),
    /// By whoever wants it: together it did not work.
    Alone,
}

/// Whoever has it does it, and others wait.
pub(super) struct Busy<S: Shared>(Arc<Line<S>>);

impl<S: Shared> Drop for Busy<S> {
    fn drop(&mut self) {
        self.0.go_on();
    }
}

impl<S: Shared> Line<S> {
    pub(super) fn new(shared: S) -> Arc<Self> {
        Arc::new(Self {
            shared,
            state: Mutex::new(State {
                is_busy: false,
                waiting: Vec::new(),
            }),
        })
    }

    pub(super) fn shared(&self) -> &S {
        &self.shared
    }

    /// Has it done together with others, if there are any.
    pub(super) async fn line_up(self: &Arc<Self>, item: &S::Item) -> Told<S> {
        let Some(busy) = self.begin() else {
            return self.wait(item).await;
        };
        // Others that are as far as this, because something was done for all of them, catch up.
        tokio::task::yield_now().await;
        if self.lock().waiting.is_empty() {
            return Told::First(busy);
        }
        let waiting = self.wait(item);
        drop(busy);
        waiting.await
    }

    fn begin(self: &Arc<Self>) -> Option<Busy<S>> {
        let mut state = self.lock();
        let was_busy = mem::replace(&mut state.is_busy, true);
        (!was_busy).then(|| Busy(self.clone()))
    }

    /// Waits from now on, not from when it is asked to.
    fn wait(&self, item: &S::Item) -> impl Future<Output = Told<S>> + use<S> {
        let (tell, told) = oneshot::channel();
        self.lock().waiting.push(Waiting {
            item: item.clone(),
            told: tell,
        });
        async { told.await.unwrap_or(Told::Alone) }
    }

    /// Those who wait are next.
    fn go_on(self: &Arc<Self>) {
        let mut group = {
            let mut state = self.lock();
            let group = state.take_group();
            state.is_busy = !group.is_empty();
            group
        };
        if group.is_empty() {
            return;
        }
        let busy = Busy(self.clone());
        if group.len() == 1 {
            // Whoever has given up meanwhile hands it on.
            let _ = group.remove(0).told.send(Told::First(busy));
        } else if let Ok(runtime) = Handle::try_current() {
            // A task of its own, so that nobody who gives up takes the others along.
            runtime.spawn(async move { busy.0.do_together(group).await });
        }
    }

    async fn do_together(&self, group: Vec<Waiting<S>>) {
        let items = group.iter().map(|waiting| waiting.item.clone()).collect();
        for (waiting, answer) in group
            .into_iter()
            .zip(self.shared.together(items).await.into_iter().flatten())
        {
            // Whoever has given up need not be told.
            let _ = waiting.told.send(Told::Together(answer));
        }
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }
}

impl<S: Shared> State<S> {
    fn take_group(&mut self) -> Vec<Waiting<S>> {
        let mut group: Vec<Waiting<S>> = Vec::new();
        for waiting in mem::take(&mut self.waiting) {
            if waiting.told.is_closed() {
                continue;
            }
            let others: Vec<&S::Item> = group.iter().map(|waiting| &waiting.item).collect();
            if others.len() < AT_ONCE && S::goes_with(&waiting.item, &others) {
                group.push(waiting);
            } else {
                self.waiting.push(waiting);
            }
        }
        group
    }
}
