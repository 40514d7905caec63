//! Threads on which connections stay.
//!
//! Threads of one runtime take work from each other. For an answer out of
//! memory that costs more than it brings: to have a connection's state fetched
//! from another core takes as long as a third of the answer. A connection stays
//! on the loop that it is given. One of HTTP/1.1 does one thing at a time, and
//! all of it there; one of HTTP/2 reads, frames and encrypts there, while its
//! requests are worked on side by side, by the runtime.
//!
//! What takes long gives way, as it has to on a runtime's threads: files that
//! are not in memory are read by other threads, and a guest yields by the clock.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
};

/// Event loops, each with a thread of its own; all end when this is dropped.
pub struct EventLoops {
    loops: Arc<[EventLoop]>,
    stop: watch::Sender<bool>,
    /// Closed when the last has ended.
    ended: mpsc::Receiver<()>,
}

struct EventLoop {
    runtime: Handle,
    /// Held by its connections: so many are there.
    connections: Arc<()>,
}

/// How long a loop waits for what still blocks when it ends (a sync of a slow
/// disk).
const PATIENCE: Duration = Duration::from_secs(2);

impl EventLoops {
    /// What a loop takes of the files that may be open: to wait, to be woken,
    /// and to hear of signals.
    pub const DESCRIPTORS: usize = 4;

    /// So many loops, whose threads call `waits` before they wait for more to
    /// do. With none, connections stay with the runtime.
    ///
    /// # Errors
    /// Threads or descriptors are used up.
    pub fn start(count: usize, waits: fn()) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (running, ended) = mpsc::channel();
        let mut loops = Vec::new();
        for _ in 0..count {
            let runtime = Builder::new_current_thread().enable_all().on_thread_park(waits).build()?;
            let handle = runtime.handle().clone();
            let (mut stopped, running) = (stopped.clone(), running.clone());
            thread::Builder::new().name("skerry-loop".into()).spawn(move || {
                // An error means that nobody is there to say so any more.
                let _ = runtime.block_on(stopped.wait_for(|stopped| *stopped));
                runtime.shutdown_timeout(PATIENCE);
                drop(running);
            })?;
            loops.push(EventLoop { runtime: handle, connections: Arc::default() });
        }
        Ok(Self { loops: loops.into(), stop, ended })
    }

    /// Ends them all, and with them what still runs there.
    pub fn shutdown(self) {
        self.stop.send_replace(true);
        let _ = self.ended.recv_timeout(PATIENCE * 2);
    }

    pub(super) fn spread(&self) -> Spread {
        Spread(Arc::clone(&self.loops))
    }
}

/// Gives connections to loops.
pub(super) struct Spread(Arc<[EventLoop]>);

impl Spread {
    /// Whether connections move to a loop when they are [spawned](Self::spawn).
    pub(super) fn moves(&self) -> bool {
        !self.0.is_empty()
    }

    /// Runs `connection` on the loop that has the fewest; where there is none,
    /// on the runtime that this is called on.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        match self.0.iter().min_by_key(|one| Arc::strong_count(&one.connections)) {
            Some(one) => {
                let counted = Arc::clone(&one.connections);
                one.runtime.spawn(async move {
                    connection.await;
                    drop(counted);
                });
            }
            None => drop(tokio::spawn(connection)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        collections::HashSet,
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };

    use tokio::sync::mpsc;

    use super::EventLoops;

    #[tokio::test]
    async fn connections_are_spread() {
        static WAITS: AtomicUsize = AtomicUsize::new(0);
        let loops = EventLoops::start(3, || {
            WAITS.fetch_add(1, SeqCst);
        });
        let loops = loops.unwrap();
        let (spread, (said, mut heard)) = (loops.spread(), mpsc::unbounded_channel());
        let held = Arc::new(());
        for _ in 0..3 {
            let (said, held) = (said.clone(), Arc::clone(&held));
            spread.spawn(async move {
                said.send(thread::current().id()).unwrap();
                pending::<()>().await;
                drop(held);
            });
        }
        let mut threads = HashSet::new();
        for _ in 0..3 {
            threads.insert(heard.recv().await.unwrap());
        }
        assert_eq!(threads.len(), 3);
        assert!(!threads.contains(&thread::current().id()));
        loops.shutdown();
        assert_eq!(Arc::strong_count(&held), 1, "what ran there has ended");
        assert!(WAITS.load(SeqCst) >= 3);
    }

    #[tokio::test]
    async fn without_loops() {
        let loops = EventLoops::start(0, || ()).unwrap();
        let (said, mut heard) = mpsc::unbounded_channel();
        loops.spread().spawn(async move { said.send(thread::current().id()).unwrap() });
        assert_eq!(heard.recv().await.unwrap(), thread::current().id());
    }
}
