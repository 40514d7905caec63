//! Little memory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use skerry_tests::{Options, Registry, vitals::Vitals};

use crate::{words, works};

const BYTES: u64 = 64 << 20;

/// Where groups of version 1 are that bound memory.
const FIRST: &str = "/sys/fs/cgroup/memory";
/// Where those of version 2 are: alone, or beside those of version 1, which
/// then have most of the controllers.
const SECOND: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// A group of processes that may have so much of something together.
struct Group(PathBuf);

impl Group {
    /// So much memory, with what the kernel keeps of files for them: by version
    /// 1 or 2, whichever is there; nothing where this machine lets nobody make
    /// one.
    fn of_memory() -> Option<Self> {
        let bytes = BYTES.to_string();
        let first = || Self::make(Path::new(FIRST), "memory.limit_in_bytes", &bytes);
        let group = first().or_else(|| Self::second("memory", "memory.max", &bytes))?;
        // No swap: it would be more memory by another name.
        let _ = fs::write(group.0.join("memory.swap.max"), "0");
        Some(group)
    }

    /// By version 2.
    fn second(controller: &str, limit: &str, value: &str) -> Option<Self> {
        SECOND.iter().map(Path::new).filter(|place| place.join("cgroup.controllers").exists()).find_map(|place| {
            // It may be on already.
            let _ = fs::write(place.join("cgroup.subtree_control"), format!("+{controller}"));
            Self::make(place, limit, value)
        })
    }

    fn make(place: &Path, limit: &str, value: &str) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("skerry-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let group = place.join("cgroup.procs").exists().then(|| Self(place.join(name)))?;
        let made = fs::create_dir(&group.0).is_ok() && fs::write(group.0.join(limit), value).is_ok();
        made.then_some(group)
    }

    /// What a program is started through, so that it is in the group.
    fn through(&self) -> Vec<String> {
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", self.0.display());
        words(&["/bin/sh", "-c", &script])
    }

    /// How many processes the kernel ended for want of memory.
    fn killed(&self) -> u64 {
        let said = ["memory.oom_control", "memory.events"].map(|file| fs::read_to_string(self.0.join(file)));
        killed(&said.into_iter().find_map(Result::ok).expect("the group says what it ended"))
    }
}

/// The same, of what a group says.
fn killed(said: &str) -> u64 {
    let count = said.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"))
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
    let group = Group::of_memory();
    let through = group.as_ref().map(Group::through).unwrap_or_default();
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

/// Where version 1 has the controller of memory, the one above goes that way;
/// what it does by version 2 is then done with another controller.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_group_of_version_2_is_made_and_entered() {
    let limits = [("memory", "memory.max"), ("pids", "pids.max"), ("hugetlb", "hugetlb.2MB.max")];
    let found = limits.into_iter().find_map(|(controller, limit)| Group::second(controller, limit, "max"));
    let Some(group) = found else {
        eprintln!("NO GROUP OF VERSION 2 CAN BE MADE HERE");
        return;
    };
    let name = group.0.file_name().unwrap().to_str().unwrap().to_owned();
    let mut registry = Registry::start(Options { through: group.through(), ..Options::default() });
    works(&registry);
    let pid = registry.service().pid();
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(groups.lines().any(|line| line.starts_with("0::/") && line.ends_with(&name)), "{groups}");
    assert!(fs::read_to_string(group.0.join("cgroup.procs")).unwrap().lines().any(|line| line == pid.to_string()));
    registry.stop();
    let place = group.0.clone();
    drop(group);
    assert!(!place.exists());
}

#[test]
fn what_groups_say_of_those_that_were_ended() {
    assert_eq!(killed("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
    assert_eq!(killed("low 0\nhigh 0\nmax 7\noom 3\noom_kill 3\noom_group_kill 0\n"), 3);
}
