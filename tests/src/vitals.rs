//! What a process holds of its machine, by what the kernel says.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    /// Open descriptors.
    pub files: usize,
    /// Resident bytes.
    pub resident: u64,
    /// Bytes that were resident at the most.
    pub peak: u64,
}

impl Vitals {
    /// Looks at a process.
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { files, resident: bytes("VmRSS:"), peak: bytes("VmHWM:") }
    }

    /// Waits until the process holds no more descriptors than these, and no
    /// more than `spare` bytes more; and at no time more than `peak` bytes
    /// more.
    #[track_caller]
    pub fn come_back(&self, pid: u32, spare: u64, peak: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::of(pid);
            assert!(now.peak <= self.resident + peak, "{self:?} before, {now:?} now");
            if now.files <= self.files && now.resident <= self.resident + spare {
                return;
            }
            assert!(Instant::now() < deadline, "{self:?} before, {now:?} now");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
