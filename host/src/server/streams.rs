//! The streams of an HTTP/2 connection, which send their answers in its own task.
//!
//! What a stream gives is framed and encrypted by the connection. Were they
//! tasks of their own, each part of an answer would wake one thread to take it
//! and another to read the next. What a handler does for an answer is apart
//! ([`Apart`]): requests of one connection are worked on side by side.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{
    stream::{FuturesUnordered, StreamExt as _},
    task::AtomicWaker,
};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle, coop},
};

/// How often a connection and its streams call one another before the other
/// connections have their turn: with parts of 64 KiB, 2 MiB.
const ROUNDS: u32 = 32;

type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Streams that begin.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Vec<Stream>>>);

impl Streams {
    fn begun(&self) -> Vec<Stream> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(stream));
    }
}

pin_project! {
    /// A connection with its streams.
    pub(super) struct Multiplexed<C> {
        #[pin]
        connection: C,
        begin: Streams,
        streams: FuturesUnordered<Stream>,
        calls: Arc<Calls>,
        waker: Waker,
    }
}

impl<C> Multiplexed<C> {
    /// `connection` begins streams by `begin`.
    pub(super) fn new(connection: C, begin: Streams) -> Self {
        let calls = Arc::new(Calls::default());
        Self { connection, begin, streams: FuturesUnordered::new(), waker: Waker::from(calls.clone()), calls }
    }

    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for Multiplexed<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        this.calls.task.register(cx.waker());
        let mut inner = Context::from_waker(this.waker);
        for _ in 0..ROUNDS {
            this.calls.state.store(POLLED, Ordering::SeqCst);
            if let Poll::Ready(ended) = this.connection.as_mut().poll(&mut inner) {
                return Poll::Ready(ended);
            }
            this.streams.extend(this.begin.begun());
            while let Poll::Ready(Some(())) = this.streams.poll_next_unpin(&mut inner) {}
            if !this.calls.called() {
                return Poll::Pending;
            }
            if !coop::has_budget_remaining() {
                break;
            }
        }
        this.calls.state.store(WAITS, Ordering::SeqCst);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

const WAITS: u8 = 0;
const POLLED: u8 = 1;
const CALLED: u8 = 2;

/// Who is called while it is polled is not woken, but polled once more.
#[derive(Default)]
struct Calls {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Calls {
    /// Whether there was a call since it was polled; from now on calls wake it.
    fn called(&self) -> bool {
        self.state.compare_exchange(POLLED, WAITS, Ordering::SeqCst, Ordering::SeqCst).is_err()
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Between two polls it stays as it is: every call wakes, as the last
        // one may have been for a task that was polled in the meantime.
        if self.state.compare_exchange(POLLED, CALLED, Ordering::SeqCst, Ordering::SeqCst) == Err(WAITS) {
            self.task.wake();
        }
    }
}

/// Work in a task of its own, which ends when nobody waits for it.
pub(super) struct Apart<T>(JoinHandle<T>);

impl<T: Send + 'static> Apart<T> {
    pub(super) fn new(runtime: &Handle, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(runtime.spawn(work))
    }
}

impl<T> Future for Apart<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        future::{pending, poll_fn},
        pin::pin,
        sync::{Weak, atomic::AtomicU32},
        time::Duration,
    };

    use tokio::time::timeout;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once: what came of it, and how often that woke the task.
    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> (Poll<T>, u32) {
        let woken = Arc::new(Woken::default());
        let polled = future.poll(&mut Context::from_waker(&Waker::from(woken.clone())));
        (polled, woken.0.load(Ordering::SeqCst))
    }

    /// A connection that is called by a stream so often, and ends.
    fn called(times: u32) -> Multiplexed<impl Future<Output = ()>> {
        let (begin, calls) = (Streams::default(), Arc::new(AtomicU32::new(0)));
        let connection = Arc::new(AtomicWaker::new());
        let (counted, caller) = (calls.clone(), connection.clone());
        let mut stream = Some(poll_fn(move |cx| {
            if counted.fetch_add(1, Ordering::SeqCst) < times {
                cx.waker().wake_by_ref();
                caller.wake();
            }
            Poll::Pending
        }));
        let streams = begin.clone();
        let work = poll_fn(move |cx| {
            connection.register(cx.waker());
            stream.take().into_iter().for_each(|stream| streams.execute(stream));
            if calls.load(Ordering::SeqCst) > times { Poll::Ready(()) } else { Poll::Pending }
        });
        Multiplexed::new(work, begin)
    }

    #[test]
    fn calls_among_themselves_wake_nobody() {
        assert_eq!(poll(pin!(called(ROUNDS / 2))), (Poll::Ready(()), 0));
    }

    #[test]
    fn others_have_their_turn() {
        let mut endless = pin!(called(u32::MAX - 1));
        assert_eq!(poll(endless.as_mut()), (Poll::Pending, 1));
        assert_eq!(poll(endless), (Poll::Pending, 1));
    }

    #[test]
    fn a_call_from_elsewhere_wakes() {
        let connection = Arc::new(AtomicWaker::new());
        let registered = connection.clone();
        let mut waits = pin!(Multiplexed::new(
            poll_fn(move |cx| {
                registered.register(cx.waker());
                Poll::<()>::Pending
            }),
            Streams::default()
        ));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        for times in 1..4 {
            assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            connection.wake();
            assert_eq!(woken.0.load(Ordering::SeqCst), times);
        }
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let held = Arc::new(());
        let seen: Weak<()> = Arc::downgrade(&held);
        let apart = Apart::new(&Handle::current(), async move {
            let _held = held;
            pending::<()>().await;
        });
        drop(apart);
        let ended = async {
            while seen.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), ended).await.unwrap();
    }
}
