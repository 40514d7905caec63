//! What came of many crashes, for people.

use std::{collections::BTreeMap, fmt};

use crate::pusher::{Pusher, Request};

/// Counts of a run.
#[derive(Default)]
pub struct Report {
    seed: u64,
    points: u64,
    /// What each client waited for when the server was killed.
    in_flight: BTreeMap<&'static str, u64>,
    /// Kills that left a client in the middle of an upload.
    uploads: u64,
    /// What was acknowledged, by kind.
    acknowledged: BTreeMap<&'static str, u64>,
    /// Blobs with a name, whose bytes were read on the disk.
    read: usize,
    wrong: Vec<String>,
}

impl Report {
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The server was killed.
    pub fn killed(&mut self, pushers: &[Pusher]) {
        self.points += 1;
        for pusher in pushers {
            *self.in_flight.entry(pusher.doing().map_or("nothing", Request::name)).or_default() += 1;
            self.uploads += u64::from(pusher.uploads());
        }
    }

    /// So many blobs are whole on the disk.
    pub fn read(&mut self, blobs: usize) {
        self.read = blobs;
    }

    /// What was promised so far.
    pub fn acknowledged(&mut self, pushers: &[Pusher]) {
        self.acknowledged.clear();
        for (request, count) in pushers.iter().flat_map(Pusher::acknowledged) {
            *self.acknowledged.entry(request.name()).or_default() += count;
        }
    }

    /// Something is not as it must be.
    pub fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub fn is_well(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<&str, u64>| {
            let each: Vec<_> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
            each.join(", ")
        };
        writeln!(f, "kill -9 at {} random points, SKERRY_CRASH_SEED={}", self.points, self.seed)?;
        writeln!(f, "in flight:     {}", list(&self.in_flight))?;
        writeln!(f, "half uploaded: {}, each gone on with after the crash", self.uploads)?;
        writeln!(f, "acknowledged:  {}", list(&self.acknowledged))?;
        writeln!(f, "on the disk:   {} blobs read, each with the digest of its name", self.read)?;
        write!(f, "lost or torn:  {}", self.wrong.len())?;
        self.wrong.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))
    }
}
