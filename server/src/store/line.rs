//! What several want at once is done for them together.
//!
//! A statement costs the engine as much as the few rows that it reads or writes (docs/PERFORMANCE.md).
//! So while one is under way, whatever else comes waits for it, and is then done by one statement.
//! Nobody waits for others to come, what comes alone is done at once; except for whoever has said that
//! they can wait.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

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
    /// Whether it is only done with others, for the time being.
    can_wait: bool,
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
            state.wait(item.clone(), false)
        };
        drop(busy);
        told.await.unwrap_or(Told::Lost)
    }

    /// The same, but it waits for so long for somebody who cannot wait.
    pub(super) async fn wait_and_line_up(
        self: &Arc<Self>,
        item: &S::Item,
        patience: Duration,
    ) -> Told<S> {
        let mut told = self.lock().wait(item.clone(), true);
        let told = match timeout(patience, &mut told).await {
            Ok(told) => told,
            Err(_) => {
                self.hurry();
                told.await
            }
        };
        told.unwrap_or(Told::Lost)
    }

    /// Nobody else may look in between: whoever sees that somebody is busy must be seen to wait.
    fn begin(self: &Arc<Self>, item: &S::Item) -> Result<Busy<S>, oneshot::Receiver<Told<S>>> {
        let mut state = self.lock();
        if state.is_busy {
            return Err(state.wait(item.clone(), false));
        }
        state.is_busy = true;
        Ok(Busy(self.clone()))
    }

    /// Somebody's patience is at its end.
    fn hurry(self: &Arc<Self>) {
        let is_busy = {
            let mut state = self.lock();
            for waiting in &mut state.waiting {
                waiting.can_wait = false;
            }
            mem::replace(&mut state.is_busy, true)
        };
        if !is_busy {
            self.go_on();
        }
    }

    /// Those who wait are next, unless all of them can wait for longer.
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
    fn wait(&mut self, item: S::Item, can_wait: bool) -> oneshot::Receiver<Told<S>> {
        let (tell, told) = oneshot::channel();
        self.waiting.push(Waiting {
            item,
            told: tell,
            can_wait,
        });
        told
    }

    fn take_group(&mut self) -> Vec<Waiting<S>> {
        self.waiting.retain(|waiting| !waiting.told.is_closed());
        let mut group: Vec<Waiting<S>> = Vec::new();
        if self.waiting.iter().all(|waiting| waiting.can_wait) {
            return group;
        }
        for waiting in mem::take(&mut self.waiting) {
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
    use tokio::task::JoinSet;

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

    #[tokio::test]
    async fn whoever_can_wait_goes_with_the_next_who_cannot_or_when_their_time_is_up() {
        const LONG: Duration = Duration::from_secs(600);
        const SHORT: Duration = Duration::from_millis(20);
        let line = Line::new(Doubler);
        let can_wait = |item: i32, patience| {
            let line = line.clone();
            tokio::spawn(async move { line.wait_and_line_up(&item, patience).await })
        };
        let until_so_many_wait = async |count: usize| {
            while line.waiting() < count {
                tokio::task::yield_now().await;
            }
        };
        let answer = |told| match told {
            Told::Together(answer) => answer,
            _ => 0,
        };
        // With one who comes.
        let waits = can_wait(1, LONG);
        until_so_many_wait(1).await;
        assert_eq!(answer(line.line_up(&2).await), 4);
        assert_eq!(answer(waits.await.unwrap()), 2);
        // Not because somebody else is done.
        let Told::First(busy) = line.line_up(&1).await else {
            panic!("nobody else is there");
        };
        let waits = can_wait(1, LONG);
        until_so_many_wait(1).await;
        drop(busy);
        assert_eq!(line.waiting(), 1);
        // Nor because somebody gives up, but with one whose time is up.
        let gives_up = can_wait(3, LONG);
        until_so_many_wait(2).await;
        gives_up.abort();
        assert_eq!(answer(can_wait(2, SHORT).await.unwrap()), 4);
        assert_eq!(answer(waits.await.unwrap()), 2);
        // Alone, if there is nobody else.
        let alone = line.wait_and_line_up(&1, SHORT).await;
        assert!(matches!(alone, Told::First(_)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn nobody_is_forgotten() {
        let line = Line::new(Doubler);
        for _ in 0..3_000 {
            let mut tasks = JoinSet::new();
            for item in 1..4 {
                let line = line.clone();
                tasks.spawn(async move {
                    let told = match item {
                        3 => line.wait_and_line_up(&item, Duration::from_millis(1)).await,
                        _ => line.line_up(&item).await,
                    };
                    match told {
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
