//! Modules are compiled apart from the host, in a process with bounds, and what
//! comes of it is kept where nobody else may write.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use skerry_tests::{Options, Registry, command::called, push};

use crate::{
    guest::{misbehave, served},
    modules::{self, Draft},
    starts::refused,
};

#[test]
fn a_module_that_takes_too_long_or_too_much_is_refused() {
    let bomb = modules::bomb("registry", 8_000);
    refused(
        "slow.wasm",
        &bomb,
        "  compile_time: 1s\n",
        &["the module ", " is not taken: it was not compiled within 1s (`sandbox.compile_time`)"],
    );
    let sentence = " is not taken: compiling it takes more than 64 MiB (`sandbox.compile_memory`)";
    refused("large.wasm", &bomb, "  compile_memory: 64MiB\n", &["the module ", sentence]);
}

#[test]
fn a_policy_that_cannot_be_compiled_leaves_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("rule.wasm");
    let good = Draft { world: "storage-policy", ..Draft::default() }.component();
    fs::write(&module, &good).unwrap();
    let more = format!("sandbox:\n  compile_time: 1s\npolicies:\n- module: {}\n", module.display());
    let mut registry = Registry::start(Options { more, ..Options::default() });
    let client = registry.client();
    push::image(&client, "app", Some("v1"), 1);

    fs::write(&module, modules::bomb("storage-policy", 8_000)).unwrap();
    registry.signal(Signal::HUP);
    let said = registry
        .service()
        .wait_for("that it is refused", |line| line.contains("policies stay as they were").then(|| line.to_owned()));
    assert!(said.contains("rule.wasm is not taken: it was not compiled within 1s"), "{said}");
    push::image(&client, "app", Some("v2"), 2);
    let pid = registry.service().pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    assert_eq!(children.trim(), "", "a compiler is left");

    fs::write(&module, &good).unwrap();
    registry.signal(Signal::HUP);
    registry.service().wait_for("the next one", |line| line.contains("policies are loaded anew").then_some(()));
    push::image(&client, "app", Some("v3"), 3);
    registry.stop();
}

/// The one file of code in the host's own directory.
fn kept(volume: &Path) -> PathBuf {
    let modules = volume.join(".skerry/modules");
    assert_eq!(fs::metadata(&modules).unwrap().permissions().mode() & 0o777, 0o700);
    let mut files: Vec<_> = fs::read_dir(&modules).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600), "{files:?}");
    files.retain(|file| file.file_name().unwrap() != "key");
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn what_was_compiled_is_kept_and_trusted_as_it_is_alone() {
    let volume = tempfile::tempdir().unwrap();
    let run = |volume: &Path| {
        let more = format!("sandbox:\n  registry: {}\nremember:\n  enabled: false\n", misbehave().display());
        let mut registry = Registry::start(Options { volume: Some(volume.to_owned()), more, ..Options::default() });
        served(&registry.client());
        registry.stop();
        registry.service().last_lines().join("\n")
    };
    run(volume.path());
    let file = kept(volume.path());
    let (inode, code) = (fs::metadata(&file).unwrap().ino(), fs::read(&file).unwrap());
    // It is taken as it lies there: a new one would be another file.
    run(volume.path());
    assert_eq!(fs::metadata(kept(volume.path())).unwrap().ino(), inode);

    // What somebody changed, cut or replaced is none, and is made anew.
    let mut changed = code.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut vouched = code.clone();
    vouched[0] ^= 1;
    for forged in [changed, vouched, code[..code.len() / 2].to_vec(), code[32..].to_vec(), Vec::new()] {
        fs::write(&file, &forged).unwrap();
        run(volume.path());
        assert_eq!(fs::read(kept(volume.path())).unwrap(), code);
    }
    // By another key nothing holds; and where others may write, nothing is
    // kept.
    let key = volume.path().join(".skerry/modules/key");
    fs::write(&key, [7; 64]).unwrap();
    run(volume.path());
    assert_ne!(fs::read(kept(volume.path())).unwrap()[..32], code[..32]);
    fs::set_permissions(volume.path().join(".skerry/modules"), fs::Permissions::from_mode(0o770)).unwrap();
    let said = run(volume.path());
    assert!(said.contains("others may write to the host's own directory"), "{said}");
}

#[test]
fn the_compiler_is_bounded_before_it_is_fed() {
    for (arguments, says) in [
        (&["guest", "compile-apart", "--time", "1"][..], "--memory"),
        (&["guest", "compile-apart", "--time", "10", "--memory", "4000000000"], "error: "),
    ] {
        let ended = called("skerry", arguments);
        assert!(ended.code != 0 && ended.out.is_empty() && ended.err.contains(says), "{ended:?}");
    }
}
