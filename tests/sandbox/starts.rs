//! Modules that are refused at start, and what goes wrong before the first
//! request, and between requests.

use std::fs;

use skerry_tests::command::called;
use wasm_encoder::Instruction;

use crate::{
    behaviours::Elsewhere,
    guest::{self, failed, logged, served, start_with},
    modules::{self, Draft, endless},
    surface,
};

/// What is said where a module stops the start.
#[track_caller]
pub fn refused(name: &str, bytes: &[u8], sandbox: &str, says: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join(name);
    fs::write(&module, bytes).unwrap();
    let output = guest::serve(directory.path(), &module, sandbox);
    assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
    let shown = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for part in says.iter().chain([&name]) {
        assert!(shown.contains(part), "{name}: {part}: {shown}");
    }
}

#[test]
fn a_module_that_does_not_fit_stops_the_start() {
    let draft = Draft::default;
    let trap = || vec![Instruction::Unreachable];
    let component = draft().component();
    let precompiled = modules::precompiled();
    let behind = [&component[..8], &precompiled].concat();
    let invalid = "is no WebAssembly component that this host can run";
    let world = "does not fit the world";
    let none = "is of no world that this host offers: it exports";
    let rules =
        "package other:thing@1.0.0; interface rule { decide: func() -> list<string>; } world rules { export rule; }";
    let asked = "failed when it was first asked";
    for (name, bytes, says) in [
        ("text.wasm", b"not a module".to_vec(), [invalid, ""]),
        ("nothing.wasm", Vec::new(), [invalid, ""]),
        ("core.wasm", b"\0asm\x01\0\0\0".to_vec(), [invalid, "it is a core module; make a component of it"]),
        ("half.wasm", component[..component.len() / 2].to_vec(), [invalid, ""]),
        ("elf.wasm", b"\x7fELF\x02\x01\x01\x00".to_vec(), ["is precompiled", ""]),
        ("precompiled.wasm", precompiled, ["is precompiled", ""]),
        ("behind.wasm", behind, [invalid, ""]),
        ("ill.wasm", modules::ill_typed(), [invalid, "type mismatch"]),
        // Of no world that is offered: an empty component, one of another
        // package, of another version, a policy.
        ("empty.wasm", b"\0asm\x0d\0\x01\0".to_vec(), [none, "nothing, and there are skerry:registry/registry@0.1.0"]),
        ("stranger.wasm", modules::stranger(rules, "rules"), [none, "other:thing/rule@1.0.0, and there are"]),
        (
            "newer.wasm",
            modules::stranger(
                &rules.replace("other:thing@1.0.0", "skerry:registry@0.2.0").replace("rule", "handler"),
                "handlers",
            ),
            [none, "skerry:registry/handler@0.2.0, and there are skerry:registry/registry@0.1.0"],
        ),
        (
            "policy.wasm",
            Draft { world: "storage-policy", ..draft() }.component(),
            ["is of the world skerry:registry/storage-policy@0.1.0", "and not a registry: name it in `policies`"],
        ),
        (
            "import.wasm",
            Draft { import: Some(("skerry:registry@0.2.0", "settings")), ..draft() }.component(),
            [world, "it wants skerry:registry/settings@0.2.0, and this host offers it skerry:registry/request@0.1.0"],
        ),
        (
            "powers.wasm",
            Draft { import: Some(("strange:host@0.1.0", "powers")), ..draft() }.component(),
            [world, "strange:host/powers@0.1.0"],
        ),
        (
            "network.wasm",
            Draft { import: Some(("wasi:sockets@0.2.0", "tcp")), ..draft() }.component(),
            [world, "wasi:sockets/tcp@0.2.0"],
        ),
        ("starts.wasm", Draft { start: Some(endless([])), ..draft() }.component(), [asked, "guard time"]),
        ("traps.wasm", Draft { start: Some(trap()), ..draft() }.component(), [asked, "guard trap"]),
        ("giant.wasm", Draft { pages: 65_536, ..draft() }.component(), [invalid, "exceeds the limit"]),
        ("table.wasm", Draft { elements: 10_000_000, ..draft() }.component(), [invalid, "exceeds the limit"]),
    ] {
        refused(name, &bytes, "  time: 100ms\n", &says);
        // Who asks beforehand is told the same.
        let directory = tempfile::tempdir().unwrap();
        let module = directory.path().join(name);
        fs::write(&module, &bytes).unwrap();
        let ended = called("skerry", &["guest", "check", &module.display().to_string()]);
        if name == "policy.wasm" {
            assert!(ended.code == 0 && ended.out.contains("storage-policy"), "{ended:?}");
        } else {
            assert!(ended.code == 1 && says.iter().all(|part| ended.err.contains(part)), "{name}: {ended:?}");
        }
    }
}

/// What no module of ours needs is off, and what one component may have is
/// bounded.
#[test]
fn a_module_for_a_greater_engine_stops_the_start() {
    for (name, bytes, says) in surface::all() {
        refused(name, &bytes, "", &["is no WebAssembly component that this host can run", says]);
    }
}

/// What is made here is a module as others are, where nothing is wrong with it.
#[test]
fn what_is_wrong_is_what_was_put_in() {
    let grow = [
        Instruction::RefNull(wasm_encoder::HeapType::FUNC),
        Instruction::I32Const(1000),
        Instruction::TableGrow(0),
        Instruction::Drop,
    ];
    for (draft, ends) in [
        (Draft::default(), None),
        (Draft { start: Some(Vec::new()), ..Draft::default() }, None),
        (Draft { handle: endless(grow), ..Draft::default() }, Some("guard table")),
        (Draft { handle: vec![Instruction::Unreachable], ..Draft::default() }, Some("guard trap")),
        // Itself, as often as the stack allows; it is the second of the three.
        (Draft { handle: vec![Instruction::Call(1), Instruction::Drop], ..Draft::default() }, Some("guard stack")),
        // And with the host on top of each: it has a stack's end of its own.
        (
            Draft {
                calls: Some(("skerry:registry/storage@0.1.0", "page", 7)),
                handle: [0, 0, 0, 0, 0, 1, 8192]
                    .map(Instruction::I32Const)
                    .into_iter()
                    .chain([Instruction::Call(0), Instruction::Call(2), Instruction::Drop])
                    .collect(),
                ..Draft::default()
            },
            Some("guard stack"),
        ),
        (Draft { after: Some(vec![Instruction::Unreachable]), ..Draft::default() }, Some("guard trap")),
        (Draft { after: Some(endless([])), ..Draft::default() }, Some("guard time")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let module = directory.path().join("made.wasm");
        fs::write(&module, draft.component()).unwrap();
        let mut registry = guest::start_module(&module, "  time: 100ms\n");
        let answer = registry.client().get("/");
        match ends {
            None => assert_eq!(answer.status, 200),
            Some(guard) => {
                assert_eq!(answer.status, 500, "{guard}");
                let cause = failed(&mut registry, "/");
                assert!(cause.starts_with(guard), "{guard}: {cause}");
            }
        }
        // It goes on as it did.
        assert_eq!(registry.client().get("/").status, answer.status);
        registry.stop();
    }
}

/// How it ends, where it misbehaves outside of requests: whether it starts at
/// all, and what is said. One row for each.
fn end(elsewhere: Elsewhere) -> (bool, &'static str) {
    match elsewhere {
        Elsewhere::FailureTraps => (false, "guard trap"),
        Elsewhere::FailureLoops => (false, "guard time"),
        Elsewhere::FailureSleeps => (false, "guard wait"),
        Elsewhere::FailureHuge => (false, "guard answer: too many bytes in the body"),
        Elsewhere::FailureFraming => (false, "guard answer: the header field \"transfer-encoding\" is the host's"),
        Elsewhere::TaskTraps => (true, "guard trap"),
        Elsewhere::TaskLoops => (true, "guard time"),
        Elsewhere::TaskSleeps => (true, "guard wait"),
        Elsewhere::TaskStands => (true, "the module makes no progress"),
        Elsewhere::TaskFloods => (true, "upload purging is done"),
    }
}

#[test]
fn a_module_that_misbehaves_outside_of_requests() {
    let bytes = fs::read(guest::misbehave()).unwrap();
    for &elsewhere in Elsewhere::ALL {
        let (starts, says) = end(elsewhere);
        let sandbox = format!("  time: 100ms\n  settings:\n    misbehave: {}\n", elsewhere.name());
        if !starts {
            refused("misbehave.wasm", &bytes, &sandbox, &["failed when it was first asked", says]);
            continue;
        }
        let storage = "maintenance:\n  uploadpurging: {enabled: true, age: 1h, interval: 1s, dryrun: false}\n";
        let mut registry =
            start_with(&sandbox, skerry_tests::Options { storage: storage.to_owned(), ..Default::default() });
        let client = registry.client();
        served(&client);
        logged(&mut registry, says);
        served(&client);
        let lines = registry.service().lines();
        let flood = lines.iter().filter(|line| line.contains("line of a task")).count();
        assert!(flood <= 200 && lines.iter().all(|line| !line.contains('\u{1b}')), "{flood} lines");
        // It is tried again, and others are served all the same.
        registry.stop();
    }
}
