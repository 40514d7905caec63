//! The workloads.

mod alone;
mod blobs;
mod disk;
mod handshakes;
mod images;
mod lists;
mod pushes;
mod small;

use crate::{
    ground::Fixtures,
    load::Sample,
    options::Sizes,
    servers::{Server, Who},
};

/// What a row's figure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests, connections, … a second; processor time of each in µs.
    PerSecond(&'static str),
    /// Bytes; processor time of a GiB in ms.
    MibPerSecond,
    /// Images of so many objects; processor time of each in ms.
    ImagesPerSecond(usize),
    /// Milliseconds each; processor time of each in ms.
    Milliseconds,
    /// Bytes of memory.
    Mib,
}

const MIB: f64 = 1_048_576.0;

impl Unit {
    /// As it is shown: of the figure, of the processor time.
    pub fn names(self) -> (String, &'static str) {
        match self {
            Self::PerSecond(what) => (format!("{what}/s"), "µs each"),
            Self::MibPerSecond => ("MiB/s".to_owned(), "ms per GiB"),
            Self::ImagesPerSecond(_) => ("images/s".to_owned(), "ms each"),
            Self::Milliseconds => ("ms".to_owned(), "ms each"),
            Self::Mib => ("MiB".to_owned(), ""),
        }
    }

    /// Whether more is better.
    pub fn more(self) -> bool {
        !matches!(self, Self::Milliseconds | Self::Mib)
    }

    /// Figure and processor time of a sample.
    pub fn figures(self, sample: &Sample) -> (f64, Option<f64>) {
        let Sample { units, seconds, cpu, .. } = *sample;
        let cpu = |each: f64| (units > 0.0).then_some(cpu / units * each);
        match self {
            Self::PerSecond(_) => (units / seconds, cpu(1e6)),
            Self::MibPerSecond => (units / seconds / MIB, cpu(1024.0 * MIB * 1e3)),
            Self::ImagesPerSecond(objects) => (units / seconds / objects as f64, cpu(objects as f64 * 1e3)),
            Self::Milliseconds => (seconds / units * 1e3, cpu(1e3)),
            Self::Mib => (units / MIB, None),
        }
    }
}

/// One line of the results.
pub struct Row {
    pub name: String,
    pub title: String,
    pub unit: Unit,
}

impl Row {
    fn new(name: impl Into<String>, title: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), title: title.into(), unit }
    }
}

/// What a measurement is given.
pub struct Context<'a> {
    pub fixtures: &'a Fixtures,
    pub sizes: &'a Sizes,
}

/// Measures a server that runs.
type OfRunning = dyn Fn(&Context<'_>, &Server) -> Sample;
/// Starts a server and measures it: a sample for each row.
type OfStarting = dyn Fn(&Context<'_>, Who) -> Vec<Sample>;

/// How a server comes to a workload.
pub enum Run {
    /// It runs all the time.
    Shared(Box<OfRunning>),
    /// It is started for this.
    Alone(Box<OfStarting>),
}

pub use disk::run as on_disk;

/// What is measured.
pub struct Workload {
    pub rows: Vec<Row>,
    pub servers: Vec<Who>,
    /// Once is enough where a round takes long.
    pub once: bool,
    pub run: Run,
}

impl Workload {
    fn shared(row: Row, servers: &[Who], run: impl Fn(&Context<'_>, &Server) -> Sample + 'static) -> Self {
        Self { rows: vec![row], servers: servers.to_vec(), once: false, run: Run::Shared(Box::new(run)) }
    }
}

/// All of them, in the order of the results.
pub fn all(sizes: &Sizes) -> Vec<Workload> {
    let mut all = small::workloads(sizes);
    all.extend(blobs::workloads(sizes));
    all.extend(pushes::workloads(sizes));
    all.extend(images::workloads(sizes));
    all.extend(handshakes::workloads());
    all.extend(alone::workloads(sizes));
    all.extend(lists::workloads(sizes));
    all
}
