//! The purge of uploads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{NOW, ROOT, push_blob, registry};
use skerry_registry::{
    memory::Memory,
    tend::{Purge, purge_uploads},
};

const DAY: u64 = 86_400;

fn run(memory: &Memory, budget: u32, dry_run: bool) -> (u64, u64, usize) {
    let purge = Purge { now: NOW, older_than: 7 * DAY, dry_run };
    let (mut examined, mut changed, mut steps, mut cursor) = (0, 0, 0, None::<String>);
    loop {
        let progress = purge_uploads(memory, purge, cursor.as_deref(), budget);
        examined += progress.examined;
        changed += progress.changed;
        steps += 1;
        assert!(steps < 10_000, "it ends");
        assert!(progress.examined <= u64::from(budget) + 8, "a step is bounded");
        let Some(next) = progress.cursor else {
            return (examined, changed, steps);
        };
        assert_ne!(cursor.as_ref(), Some(&next), "a step goes on");
        cursor = Some(next);
    }
}

fn upload(name: &str, number: u32) -> String {
    format!("{ROOT}/repositories/{name}/_uploads/{number:08x}-0000-4000-8000-000000000000")
}

#[test]
fn old_uploads_go_and_others_stay() {
    let memory = registry();
    let stamp = |days: u64| skerry_registry::time::format(NOW - days * DAY).into_bytes();
    let plant = |name: &str, number: u32, started: Option<Vec<u8>>, data: Option<u64>| {
        let directory = upload(name, number);
        if let Some(started) = started {
            memory.plant(&format!("{directory}/startedat"), &started);
        }
        if let Some(days) = data {
            memory.at(NOW - days * DAY);
            memory.plant(&format!("{directory}/data"), b"x");
            memory.plant(&format!("{directory}/hashstates/sha256/1"), b"x");
            memory.at(NOW);
        }
        directory
    };
    let gone = [
        plant("a", 1, Some(stamp(8)), Some(8)),
        plant("a/b", 2, None, Some(9)),
        plant("a/b", 3, Some(stamp(10)), None),
        plant("z", 4, Some(b"nonsense".to_vec()), Some(30)),
        plant("z", 5, Some(Vec::new()), None),
    ];
    let kept = [
        plant("a", 6, Some(stamp(6)), Some(6)),
        plant("a", 7, Some(stamp(30)), Some(1)),
        plant("c", 8, Some(stamp(1)), None),
        plant("c", 9, Some(skerry_registry::time::format(NOW + 900 * DAY).into_bytes()), Some(30)),
    ];
    let busy = plant("c", 10, Some(stamp(30)), Some(30));
    memory.occupy(&format!("{busy}/data"), true);
    memory.plant(&format!("{ROOT}/repositories/c/_uploads/other/data"), b"x");
    let blob = push_blob(&memory, "a", b"blob");

    // Only who takes an upload sees that somebody else uses it.
    assert_eq!(run(&memory, 1_000, true), (10, 6, 1));
    assert!(gone.iter().all(|directory| memory.has_directory(directory)), "a dry run changes nothing");
    assert_eq!(run(&memory, 1_000, false), (10, 5, 1));
    for directory in &gone {
        assert!(!memory.has_directory(directory), "{directory}");
    }
    for directory in kept.iter().chain([&busy]) {
        assert!(memory.has_directory(directory), "{directory}");
    }
    assert!(memory.has_directory(&format!("{ROOT}/repositories/c/_uploads/other")));
    assert_eq!(memory.send("GET", &format!("/v2/a/blobs/{blob}"), &[], b"").status, 200);
    assert_eq!(run(&memory, 1_000, false), (5, 0, 1));
}

#[test]
fn small_steps_come_to_the_same_end() {
    for budget in [1, 16, 40, 100, 5_000] {
        let memory = registry();
        memory.at(NOW - 30 * DAY);
        for number in 0..350_u32 {
            let name = format!("r{}/s{}", number % 5, number % 3);
            memory.plant(&format!("{}/data", upload(&name, number)), b"x");
            push_blob(&memory, &format!("other{number}"), b"x");
        }
        memory.at(NOW);
        let (examined, changed, steps) = run(&memory, budget, false);
        assert_eq!((examined, changed), (350, 350), "budget {budget}");
        assert!(budget > 1_000 || steps > 10, "budget {budget}: {steps} steps");
        assert!(!memory.keys().iter().any(|key| key.contains("_uploads")));
    }
}

#[test]
fn an_empty_volume() {
    assert_eq!(run(&registry(), 100, false), (0, 0, 1));
}
