//! Syncing files to the disk, several side by side, and what is known to be
//! there.

use std::{
    collections::{HashMap, VecDeque},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::{fs::fsync, io::Errno};

use super::{errors::failure, locks::guard, stamp::Identity, together::Together};
use crate::storage::{Failure, Key};

const MAX_THREADS: usize = 32;
const IDLE: Duration = Duration::from_secs(10);
/// Directories and objects known to be on the disk; forgotten all together
/// when they are more.
const MAX_KNOWN: usize = 65_536;

/// Something to be synced.
pub(super) enum Target {
    /// A file: any error counts.
    File(Arc<OwnedFd>),
    /// A directory: some filesystems cannot.
    Directory(Arc<OwnedFd>),
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::File(file) | Self::Directory(file) => file.as_fd(),
        }
    }
}

/// Threads that wait for the disk.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    weak: Arc<AtomicBool>,
    together: Together,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

struct Job {
    target: Target,
    weak: Arc<AtomicBool>,
    done: mpsc::Sender<Result<(), Errno>>,
}

impl Flusher {
    pub(super) fn new(together: Together) -> Self {
        Self { shared: Arc::default(), weak: Arc::default(), together }
    }

    /// Whether a directory was met that cannot be synced.
    pub(super) fn is_weak(&self) -> bool {
        self.weak.load(Ordering::Relaxed)
    }

    /// Syncs all of them; returns the first error when all are done.
    pub(super) fn sync(&self, mut targets: Vec<Target>) -> Result<(), Failure> {
        let _waiting = self.together.wait();
        if self.together.sync(&targets) {
            return Ok(());
        }
        let Some(own) = targets.pop() else { return Ok(()) };
        let (sender, receiver) = mpsc::channel();
        for target in targets {
            self.post(Job { target, weak: self.weak.clone(), done: sender.clone() });
        }
        drop(sender);
        let mut result = sync(&own, &self.weak);
        // Ends when the last job is done and its sender gone.
        for other in receiver {
            result = result.and(other);
        }
        result.map_err(|errno| match failure(errno, "fsync") {
            Failure::NotFound | Failure::WrongKind => Failure::Io(format!("fsync: {errno}")),
            other => other,
        })
    }

    fn post(&self, job: Job) {
        let mut queue = guard(&self.shared.queue);
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() || queue.threads >= MAX_THREADS {
            drop(queue);
            self.shared.wake.notify_one();
            return;
        }
        queue.threads += 1;
        drop(queue);
        let shared = self.shared.clone();
        if thread::Builder::new()
            .name(String::from("fsync"))
            .stack_size(256 * 1024)
            .spawn(move || work(&shared))
            .is_err()
        {
            let job = {
                let mut queue = guard(&self.shared.queue);
                queue.threads -= 1;
                queue.jobs.pop_back()
            };
            if let Some(job) = job {
                job.run();
            }
        }
    }
}

impl Job {
    fn run(self) {
        // The receiver waits until all senders are gone.
        let _ = self.done.send(sync(&self.target, &self.weak));
    }
}

fn work(shared: &Shared) {
    let mut queue = guard(&shared.queue);
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            drop(queue);
            job.run();
            queue = guard(&shared.queue);
            continue;
        }
        queue.idle += 1;
        let (again, wait) = shared.wake.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
        queue = again;
        queue.idle -= 1;
        if wait.timed_out() && queue.jobs.is_empty() {
            queue.threads -= 1;
            return;
        }
    }
}

fn sync(target: &Target, weak: &AtomicBool) -> Result<(), Errno> {
    match target {
        Target::File(file) => fsync(file),
        Target::Directory(directory) => match fsync(directory) {
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY) => {
                if !weak.swap(true, Ordering::Relaxed) {
                    tracing::warn!("this filesystem cannot sync directories: durability is weak");
                }
                Ok(())
            }
            done => done,
        },
    }
}

/// Keys whose names, up to the root, this process saw reach the disk; of
/// objects their content too.
#[derive(Default)]
pub(super) struct Known {
    map: Mutex<HashMap<Key, Identity>>,
}

impl Known {
    pub(super) fn has(&self, key: &Key, identity: Option<Identity>) -> bool {
        identity.is_some() && guard(&self.map).get(key).copied() == identity
    }

    pub(super) fn add(&self, key: Key, identity: Option<Identity>) {
        let Some(identity) = identity else { return };
        let mut map = guard(&self.map);
        if map.len() >= MAX_KNOWN {
            map.clear();
        }
        map.insert(key, identity);
    }
}
