//! Little memory.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use skerry_tests::{Options, Registry, vitals::Vitals};

use crate::{words, works};

const BYTES: u64 = 64 << 20;

/// A group of processes that may have so much memory together, with what the
/// kernel keeps of files for them.
struct Group(PathBuf);

impl Group {
    /// By version 1 or 2, whichever is there; nothing where this machine lets
    /// nobody make one.
    fn new() -> Option<Self> {
        let name = format!("skerry-test-{}", std::process::id());
        let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        for (place, limit) in places {
            let group = Self(Path::new(place).join(&name));
            if !Path::new(place).join("cgroup.procs").exists() {
                continue;
            }
            if place == "/sys/fs/cgroup" {
                // It may be on already.
                let _ = fs::write(Path::new(place).join("cgroup.subtree_control"), "+memory");
            }
            if fs::create_dir(&group.0).is_ok() && fs::write(group.0.join(limit), BYTES.to_string()).is_ok() {
                // No swap: it would be more memory by another name.
                let _ = fs::write(group.0.join("memory.swap.max"), "0");
                return Some(group);
            }
        }
        None
    }

    /// How many processes the kernel ended for want of memory.
    fn killed(&self) -> u64 {
        let said = ["memory.oom_control", "memory.events"].map(|file| fs::read_to_string(self.0.join(file)));
        let said = said.into_iter().find_map(Result::ok).expect("the group says what it ended");
        let count = said.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Who was in it may be about to end.
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn sixty_four_mebibytes_of_memory() {
    let group = Group::new();
    let through = match &group {
        Some(group) => {
            let script = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", group.0.display());
            words(&["/bin/sh", "-c", &script])
        }
        None => Vec::new(),
    };
    let mut registry = Registry::start(Options { through, ..Options::default() });
    works(&registry);
    works(&registry);
    match &group {
        Some(group) => assert_eq!(group.killed(), 0),
        None => {
            eprintln!("NO MEMORY CGROUP CAN BE MADE HERE: what it took at the most is looked at instead");
            let vitals = Vitals::of(registry.service().pid());
            assert!(vitals.peak <= BYTES, "{vitals:?}");
        }
    }
    registry.stop();
}
