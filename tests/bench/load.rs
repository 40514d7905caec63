//! Load: connections on a few threads, and what was counted meanwhile.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use skerry_tests::client::Failure;
use tokio::task::LocalSet;

/// What one connection does.
pub type Job = Pin<Box<dyn Future<Output = ()>>>;

/// Failures after which a connection gives up: its sample is worth nothing.
const PATIENCE: u64 = 50;
/// Longest that work with an end may take.
const LONGEST: Duration = Duration::from_secs(300);

/// What all connections of a sample share.
#[derive(Default)]
pub struct Shared {
    pub units: AtomicU64,
    failures: AtomicU64,
    first: Mutex<Option<String>>,
}

impl Shared {
    /// Counts a failure; whether there is any use in going on.
    pub fn failed(&self, failure: &Failure) -> bool {
        self.first.lock().unwrap().get_or_insert_with(|| failure.to_string());
        self.failures.fetch_add(1, Ordering::Relaxed) < PATIENCE
    }
}

/// What came of one measurement.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Units of work: requests, bytes, images, …
    pub units: f64,
    pub seconds: f64,
    /// Seconds of the server's processors.
    pub cpu: f64,
    pub failures: u64,
    pub first: Option<String>,
}

/// How long a rate is measured, and how long it runs before that.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub before: Duration,
    pub time: Duration,
}

fn threads(connections: usize) -> usize {
    connections.min(thread::available_parallelism().map_or(2, usize::from))
}

fn start(connections: usize, end: Instant, shared: &Arc<Shared>, job: &(impl Fn(usize, Arc<Shared>) -> Job + Sync)) {
    let threads = threads(connections);
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let local = LocalSet::new();
                let jobs: Vec<_> = (first..connections)
                    .step_by(threads)
                    .map(|index| local.spawn_local(job(index, Arc::clone(shared))))
                    .collect();
                let all = async {
                    for job in jobs {
                        job.await.unwrap();
                    }
                };
                let all = local.run_until(all);
                let _ = runtime.block_on(async { tokio::time::timeout_at(end.into(), all).await });
            });
        }
    });
}

/// Measures what goes on for ever, within a window.
pub fn rate(
    cpu: impl Fn() -> f64,
    connections: usize,
    window: Window,
    job: impl Fn(usize, Arc<Shared>) -> Job + Sync,
) -> Sample {
    let shared = Arc::new(Shared::default());
    let begun = Instant::now();
    // A little longer than the window: it is measured at full load.
    let end = begun + window.before + window.time + Duration::from_millis(30);
    thread::scope(|scope| {
        scope.spawn(|| start(connections, end, &shared, &job));
        thread::sleep(window.before);
        let (before, from, cpu_before) = (shared.units.load(Ordering::Relaxed), Instant::now(), cpu());
        thread::sleep(window.time);
        let (after, seconds, cpu_after) = (shared.units.load(Ordering::Relaxed), from.elapsed().as_secs_f64(), cpu());
        sample(&shared, (after - before) as f64, seconds, cpu_after - cpu_before)
    })
}

/// Measures work that has an end; `units` is how much it is.
pub fn whole(
    cpu: impl Fn() -> f64,
    connections: usize,
    units: f64,
    job: impl Fn(usize, Arc<Shared>) -> Job + Sync,
) -> Sample {
    let shared = Arc::new(Shared::default());
    let (from, cpu_before) = (Instant::now(), cpu());
    start(connections, from + LONGEST, &shared, &job);
    let seconds = from.elapsed().as_secs_f64();
    if seconds >= LONGEST.as_secs_f64() {
        shared.failed(&"it did not end".into());
    }
    sample(&shared, units, seconds, cpu() - cpu_before)
}

/// Runs work for at most a time: only its failures are of interest.
pub fn until(longest: Duration, connections: usize, job: impl Fn(usize, Arc<Shared>) -> Job + Sync) -> Sample {
    let shared = Arc::new(Shared::default());
    let from = Instant::now();
    start(connections, from + longest, &shared, &job);
    sample(&shared, 0.0, from.elapsed().as_secs_f64(), 0.0)
}

fn sample(shared: &Shared, units: f64, seconds: f64, cpu: f64) -> Sample {
    let first = shared.first.lock().unwrap().clone();
    Sample { units, seconds, cpu, failures: shared.failures.load(Ordering::Relaxed), first }
}
