//! Stopping: first gently, then at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::unconstrained,
};

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not begun.
    Running,
    /// Nothing new is begun, what was begun goes on.
    Draining,
    /// All ends now.
    Stopping,
}

/// Says that it is time to stop.
#[derive(Debug, Clone)]
pub struct Trigger {
    sender: watch::Sender<Phase>,
    now: Arc<AtomicU8>,
}

impl Trigger {
    /// One to trigger with, one to wait on.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(Phase::Running);
        let now = Arc::new(AtomicU8::new(Phase::Running as u8));
        (Self { sender, now: Arc::clone(&now) }, Shutdown { receiver, now })
    }

    /// Goes on to the given phase; never back.
    pub fn advance(&self, to: Phase) {
        self.sender.send_if_modified(|phase| {
            let later = to > *phase;
            if later {
                *phase = to;
                self.now.store(to as u8, Ordering::SeqCst);
            }
            later
        });
    }

    /// Drains on the first SIGTERM or SIGINT and stops on the second, from now
    /// on and as long as the runtime runs.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let trigger = self.clone();
        tokio::spawn(async move {
            for phase in [Phase::Draining, Phase::Stopping] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!(?phase, "stop signal");
                trigger.advance(phase);
            }
        });
        Ok(())
    }
}

/// Says when it is time to stop.
#[derive(Debug, Clone)]
pub struct Shutdown {
    receiver: watch::Receiver<Phase>,
    /// The same, for those who ask often: to look at it takes no lock.
    now: Arc<AtomicU8>,
}

impl Shutdown {
    /// How far it is now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.now.load(Ordering::SeqCst) {
            now if now == Phase::Running as u8 => Phase::Running,
            now if now == Phase::Draining as u8 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Waits until that phase or a later one. If the trigger is gone, it waits
    /// for ever. Who polls it once is called, and need not ask again before.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.receiver.clone();
        // Whatever else its task has done: who asked once is called.
        if unconstrained(receiver.wait_for(|now| *now >= phase)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
        task::{Context, Poll, Wake, Waker},
    };

    use tokio::task::coop;

    use super::{Phase, Trigger};

    #[derive(Default)]
    struct Calls(AtomicU32);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[tokio::test]
    async fn who_has_done_much_is_called_as_well() {
        let (trigger, shutdown) = Trigger::new();
        let mut reached = pin!(shutdown.reached(Phase::Draining));
        let calls = Arc::new(Calls::default());
        let waker = Waker::from(calls.clone());
        poll_fn(|cx| {
            while let Poll::Ready(proceeds) = coop::poll_proceed(cx) {
                proceeds.made_progress();
            }
            assert!(reached.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!((calls.0.load(SeqCst), shutdown.phase()), (0, Phase::Running));
        trigger.advance(Phase::Draining);
        assert_eq!((calls.0.load(SeqCst), shutdown.phase()), (1, Phase::Draining));
        assert!(reached.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        trigger.advance(Phase::Running);
        assert_eq!(shutdown.phase(), Phase::Draining);
    }
}
