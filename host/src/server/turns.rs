//! Turns for work that is heavy on the processor: handshakes.
//!
//! A handshake waits for its client most of its time, and computes for a
//! moment. It has a turn for that moment only, so that clients that stall hold
//! up nobody, however many they are. And a turn that was used is given back
//! only after everything else that is ready had its own: a flood of handshakes
//! waits here, and not in the queue in which the answers to others wait.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{sync::Semaphore, task::yield_now};

/// So many at once.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Drives a future that computes only when it has a turn.
    pub(super) async fn drive<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            // It fails only when closed, which it never is.
            let turn = Arc::clone(&self.0).acquire_owned().await.ok();
            let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
            tokio::spawn(async move {
                yield_now().await;
                drop(turn);
            });
            if let Poll::Ready(done) = polled {
                return done;
            }
            // Whatever the work waits for wakes this task.
            let mut woken = false;
            poll_fn(|_| if std::mem::replace(&mut woken, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    #[tokio::test]
    async fn who_waits_holds_no_turn() {
        let turns = Arc::new(Turns::new(1));
        let (send, receive) = oneshot::channel();
        let stalled = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.drive(receive).await }
        });
        yield_now().await;
        for _ in 0..100 {
            let quick = async {
                yield_now().await;
                1
            };
            assert_eq!(timeout(Duration::from_secs(10), turns.drive(quick)).await.unwrap(), 1);
        }
        send.send(2).unwrap();
        assert_eq!(timeout(Duration::from_secs(10), stalled).await.unwrap().unwrap(), Ok(2));
        // Who gave up holds none either.
        drop(timeout(Duration::from_millis(1), turns.drive(std::future::pending::<()>())).await);
        assert_eq!(timeout(Duration::from_secs(10), turns.drive(async { 3 })).await.unwrap(), 3);
    }

    /// On one thread: in each round of what is ready, a flood gets as many
    /// turns as there are, and others get theirs.
    #[tokio::test]
    async fn a_flood_leaves_room() {
        let turns = Arc::new(Turns::new(2));
        let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for _ in 0..1000 {
            let (turns, done) = (Arc::clone(&turns), Arc::clone(&done));
            tokio::spawn(async move {
                turns.drive(async { done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) }).await;
            });
        }
        for _ in 0..20 {
            yield_now().await;
        }
        let so_far = done.load(std::sync::atomic::Ordering::Relaxed);
        assert!((2..=100).contains(&so_far), "{so_far}");
        let all = async {
            while done.load(std::sync::atomic::Ordering::Relaxed) < 1000 {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), all).await.unwrap();
    }
}
