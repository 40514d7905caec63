//! Looks at the storage that several requests share. One that begins after a
//! request came tells it what a look of its own would, so all that wait when
//! it begins may rest on it.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Poll, Waker},
    thread::{self, ThreadId},
};

/// Requests that look by themselves after one that waited for others in vain.
const ALONE: u32 = 16;

/// The requests for one answer.
#[derive(Default)]
pub struct Crowd {
    /// So many more do not wait for others.
    alone: AtomicU32,
    /// One at the most for each thread: to wake what another thread runs
    /// costs more than a look.
    next: Mutex<Vec<Arc<Turn>>>,
}

/// A look that has not begun, or whose end was not told.
struct Turn {
    thread: ThreadId,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// What came of it; none where whoever was to look is gone.
    outcome: Option<Option<bool>>,
    waiting: Vec<Waker>,
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crowd {
    /// What `look` says, called from now on by this request or by another one.
    pub async fn ask(&self, look: impl Fn() -> bool) -> bool {
        // Inexact where several count down at once: it is only how often.
        let alone = self.alone.load(Ordering::Relaxed);
        if alone > 0 {
            self.alone.store(alone - 1, Ordering::Relaxed);
            return look();
        }
        let (turn, first) = {
            let (here, mut next) = (thread::current().id(), guard(&self.next));
            match next.iter().find(|turn| turn.thread == here) {
                Some(turn) => (Arc::clone(turn), false),
                None => {
                    let turn = Arc::new(Turn { thread: here, told: Mutex::default() });
                    next.push(Arc::clone(&turn));
                    (turn, true)
                }
            }
        };
        if !first {
            return turn.told().await.unwrap_or_else(look);
        }
        let mut lead = Lead { crowd: self, turn, outcome: None };
        // Requests that came by now get as far as this before it goes on.
        tokio::task::yield_now().await;
        lead.close();
        let outcome = look();
        lead.outcome = Some(outcome);
        outcome
    }
}

impl Turn {
    async fn told(&self) -> Option<bool> {
        poll_fn(|context| {
            let mut told = guard(&self.told);
            match told.outcome {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    told.waiting.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// The request that looks for all; if it is gone before, each of the others
/// looks for itself.
struct Lead<'a> {
    crowd: &'a Crowd,
    turn: Arc<Turn>,
    outcome: Option<bool>,
}

impl Lead<'_> {
    /// Who comes now waits for the next look.
    fn close(&self) {
        guard(&self.crowd.next).retain(|turn| !Arc::ptr_eq(turn, &self.turn));
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.close();
        let mut told = guard(&self.turn.told);
        told.outcome = Some(self.outcome);
        let waiting = std::mem::take(&mut told.waiting);
        drop(told);
        if waiting.is_empty() {
            self.crowd.alone.store(ALONE, Ordering::Relaxed);
        }
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        sync::atomic::AtomicUsize,
        task::Context,
    };

    use super::*;

    /// Polls once.
    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn those_who_wait_share_one_look() {
        for outcome in [true, false] {
            let (crowd, looks) = (Crowd::default(), AtomicUsize::new(0));
            let look = || {
                looks.fetch_add(1, Ordering::Relaxed);
                outcome
            };
            let asked = tokio::join!(crowd.ask(look), crowd.ask(look), crowd.ask(look));
            assert_eq!((asked, looks.load(Ordering::Relaxed)), ((outcome, outcome, outcome), 1));
            assert!(guard(&crowd.next).is_empty());
            // Whoever comes later sees for itself.
            assert_eq!((crowd.ask(look).await, looks.load(Ordering::Relaxed)), (outcome, 2));
        }
    }

    #[tokio::test]
    async fn who_comes_while_one_looks_waits_for_the_next() {
        let (crowd, inner) = (Crowd::default(), AtomicUsize::new(0));
        let late = || inner.fetch_add(1, Ordering::Relaxed) == 0;
        let mut second = pin!(crowd.ask(late));
        let mut begun = false;
        {
            let second = std::cell::RefCell::new((&mut second, &mut begun));
            let first = || {
                let (second, begun) = &mut *second.borrow_mut();
                **begun = poll(second.as_mut()).is_none();
                true
            };
            assert!(crowd.ask(first).await);
        }
        assert!(begun && inner.load(Ordering::Relaxed) == 0);
        assert!(second.await);
        assert_eq!(inner.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn if_the_first_is_gone_each_looks_for_itself() {
        let (crowd, looks) = (Crowd::default(), AtomicUsize::new(0));
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            true
        };
        let mut first = Box::pin(crowd.ask(look));
        assert_eq!(poll(first.as_mut()), None);
        let mut others = [Box::pin(crowd.ask(look)), Box::pin(crowd.ask(look))];
        assert!(others.iter_mut().all(|other| poll(other.as_mut()).is_none()));
        drop(first);
        assert!(others.iter_mut().all(|other| poll(other.as_mut()) == Some(true)));
        assert_eq!(looks.load(Ordering::Relaxed), 2);
        assert!(guard(&crowd.next).is_empty());
    }

    #[tokio::test]
    async fn one_alone_waits_for_nobody_for_a_while() {
        let crowd = Crowd::default();
        assert!(crowd.ask(|| true).await);
        for _ in 0..ALONE {
            assert_eq!(poll(pin!(crowd.ask(|| true))), Some(true));
        }
        assert_eq!(poll(pin!(crowd.ask(|| true))), None);
    }
}
