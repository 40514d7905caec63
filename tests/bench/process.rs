//! What the kernel knows of a server's processes.

use std::{fs, path::PathBuf};

/// Of a second, in which `/proc` counts time; the same on all of Linux's
/// platforms that we run on.
const TICKS: f64 = 100.0;

/// A server's process and all that it started.
#[derive(Debug, Clone)]
pub struct Processes(Vec<u32>);

impl Processes {
    /// Of a process, as they are now.
    pub fn of(root: u32) -> Self {
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid: u32| Some((pid, stat(pid)?.get(1)?.parse().ok()?)))
            .collect();
        let mut all = vec![root];
        let mut next = 0;
        while let Some(&parent) = all.get(next) {
            all.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        Self(all)
    }

    /// Of a process without those that it started.
    pub fn alone(pid: u32) -> Self {
        Self(vec![pid])
    }

    /// Seconds that they computed so far, in user and kernel.
    pub fn cpu(&self) -> f64 {
        let ticks = |pid: &u32| {
            let stat = stat(*pid).unwrap_or_default();
            let field = |index: usize| stat.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            // utime and stime; `stat` begins at the third field.
            field(11) + field(12)
        };
        self.0.iter().map(ticks).sum::<u64>() as f64 / TICKS
    }

    /// Bytes of memory that they have resident, in all: shared pages count
    /// once for each process.
    pub fn resident(&self) -> u64 {
        let kibibytes = |pid: &u32| {
            let text = fs::read_to_string(file(*pid, "status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        self.0.iter().filter_map(kibibytes).sum::<u64>() * 1024
    }

    /// Their ids: for a profiler.
    pub fn all(&self) -> &[u32] {
        &self.0
    }
}

fn file(pid: u32, name: &str) -> PathBuf {
    PathBuf::from("/proc").join(pid.to_string()).join(name)
}

/// The fields of `/proc/PID/stat` from the third on: the second is a name that
/// may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(file(pid, "stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
