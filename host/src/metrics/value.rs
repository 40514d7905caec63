//! What counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// So many till now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// More, or with a negative number less.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// This many.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// This many now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// One more for as long as the returned value lives.
    #[must_use]
    pub fn hold(self: &Arc<Self>) -> Held {
        self.add(1);
        Held(self.clone())
    }
}

/// One of what a [`Gauge`] counts.
#[derive(Debug)]
pub struct Held(Arc<Gauge>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// Upper bounds of a histogram's buckets, in microseconds: from an answer out
/// of memory to a large layer over a bad link.
const BOUNDS: [u64; 14] = [
    250,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
    600_000_000,
];

/// How long things took.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One a bound, not cumulative.
    buckets: [AtomicU64; BOUNDS.len()],
    /// Longer than every bound.
    beyond: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// One more, of this length.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets.get(at).unwrap_or(&self.beyond).fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// Cumulative counts with their bounds in seconds, then the count of all
    /// and their sum in seconds.
    pub(super) fn snapshot(&self) -> (Vec<(f64, u64)>, u64, f64) {
        let mut all = 0;
        let mut rows = Vec::with_capacity(BOUNDS.len());
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            all += bucket.load(Relaxed);
            rows.push((seconds(*bound), all));
        }
        all += self.beyond.load(Relaxed);
        (rows, all, seconds(self.micros.load(Relaxed)))
    }
}

/// Precise enough: a sum of microseconds fits 53 bits for 285 years.
#[allow(clippy::cast_precision_loss)]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
