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

    /// Does it for all, and answers each in the same order; `None` if nothing was done, and each is
    /// to do it alone.
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
    told: oneshot::Sender<Told<S>>,
}

/// How an item is done.
pub(super) enum Told<S: Shared> {
    /// It was, together with others.
    Together(S::Answer),
    /// By whoever wants it: nobody else does.
    First(Busy<S>),
    /// By whoever wants it: together it did not work, and nothing was done.
    Alone,
    /// Nobody knows whether it was.
    Lost,
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
        let busy = match self.begin(item) {
            Ok(busy) => busy,
            Err(told) => return told.await.unwrap_or(Told::Lost),
        };
        // Others that are as far as this, because something was done for all of them, catch up.
        tokio::task::yield_now().await;
        let told = {
            let mut state = self.lock();
            if state.waiting.is_empty() {
                return Told::First(busy);
            }
            state.wait(item.clone())
        };
        drop(busy);
        told.await.unwrap_or(Told::Lost)
    }

    /// Nobody else may look in between: whoever sees that somebody is busy must be seen to wait.
    fn begin(self: &Arc<Self>, item: &S::Item) -> Result<Busy<S>, oneshot::Receiver<Told<S>>> {
        let mut state = self.lock();
        if state.is_busy {
            return Err(state.wait(item.clone()));
        }
        state.is_busy = true;
        Ok(Busy(self.clone()))
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
        let (items, told): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|waiting| (waiting.item, waiting.told))
            .unzip();
        let answers: Vec<_> = match self.shared.together(items).await {
            Some(answers) => answers.into_iter().map(Told::Together).collect(),
            None => told.iter().map(|_| Told::Alone).collect(),
        };
        for (told, answer) in told.into_iter().zip(answers) {
            // Whoever has given up need not be told.
            let _ = told.send(answer);
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
    fn wait(&mut self, item: S::Item) -> oneshot::Receiver<Told<S>> {
        let (tell, told) = oneshot::channel();
        self.waiting.push(Waiting { item, told: tell });
        told
    }

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    /// Doubles numbers, if they are positive; and panics at zero.
    struct Doubler;

    impl Shared for Doubler {
        type Item = i32;
        type Answer = i32;

        fn goes_with(_: &i32, _: &[&i32]) -> bool {
            true
        }

        async fn together(&self, items: Vec<i32>) -> Option<Vec<i32>> {
            tokio::task::yield_now().await;
            assert!(!items.contains(&0));
            let is_fine = items.iter().all(|item| *item > 0);
            is_fine.then(|| items.into_iter().map(|item| 2 * item).collect())
        }
    }

    /// How these are told that come while somebody is busy.
    async fn told(line: &Arc<Line<Doubler>>, items: [i32; 3]) -> Vec<Told<Doubler>> {
        let Told::First(busy) = line.line_up(&1).await else {
            panic!("nobody else is there");
        };
        let all = items.map(|item| {
            let line = line.clone();
            tokio::spawn(async move { line.line_up(&item).await })
        });
        while line.waiting() < items.len() {
            tokio::task::yield_now().await;
        }
        drop(busy);
        let mut told = Vec::new();
        for one in all {
            told.push(one.await.unwrap());
        }
        told
    }

    #[tokio::test]
    async fn each_is_told_what_became_of_it() {
        let line = Line::new(Doubler);
        let answers = told(&line, [1, 2, 3]).await;
        let answers = answers.into_iter().map(|told| match told {
            Told::Together(answer) => answer,
            _ => 0,
        });
        assert_eq!(answers.collect::<Vec<_>>(), [2, 4, 6]);
        let alone = told(&line, [1, -2, 3]).await;
        assert!(alone.iter().all(|told| matches!(told, Told::Alone)));
        let lost = told(&line, [1, 0, 3]).await;
        assert!(lost.iter().all(|told| matches!(told, Told::Lost)));
        assert!(
            matches!(line.line_up(&1).await, Told::First(_)),
            "it goes on"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn nobody_is_forgotten() {
        let line = Line::new(Doubler);
        for _ in 0..3_000 {
            let mut tasks = JoinSet::new();
            for item in 1..4 {
                let line = line.clone();
                tasks.spawn(async move {
                    match line.line_up(&item).await {
                        Told::First(_busy) => 2 * item,
                        Told::Together(answer) => answer,
                        Told::Alone | Told::Lost => 0,
                    }
                });
            }
            let all = timeout(Duration::from_secs(60), tasks.join_all()).await;
            assert_eq!(all.unwrap().iter().sum::<i32>(), 12);
        }
    }
}
