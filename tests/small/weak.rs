//! Filesystems that can little.

use std::{fs, path::Path};

use skerry_tests::{Options, Registry, mounts::Mounts, push, registry::first_run_through};
use tempfile::TempDir;

/// A registry on a filesystem that `weak.py` makes, by what kind of one.
fn start(kind: &str) -> (Registry, Mounts, TempDir) {
    let directory = tempfile::Builder::new().prefix("skerry-weak-").tempdir().unwrap();
    let volume = directory.path().join("volume");
    fs::create_dir(&volume).unwrap();
    fs::create_dir(directory.path().join("lower")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("small/weak.py");
    // Of Debian, as the package that it needs.
    let mounts =
        Mounts::new(&format!("exec /usr/bin/python3 {} $1/lower $1/volume {kind}", script.display()), directory.path());
    let registry = Registry::start(Options {
        volume: Some(volume),
        through: mounts.through(),
        http: "debug:\n  addr: 127.0.0.1:0\n  prometheus: {enabled: true}".into(),
        ..Options::default()
    });
    (registry, mounts, directory)
}

fn said(registry: &mut Registry, what: &str) -> usize {
    registry.service().lines().iter().filter(|line| line.contains(what)).count()
}

fn metric(registry: &mut Registry, name: &str) -> String {
    let address = registry.service().wait_for("where the metrics are", |line| {
        let line = serde_json::from_str::<serde_json::Value>(line).ok()?;
        line["debug_address"].as_str().map(str::to_owned)
    });
    let text = skerry_tests::Client::plain(&address).get("/metrics").expect(200).text();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().to_owned()
}

#[test]
#[ignore = "needs root and FUSE: run by .ci/run"]
fn directories_that_cannot_be_synced() {
    let (mut registry, _mounts, _directory) = start("weak");
    crate::works(&registry);
    assert_eq!(said(&mut registry, "durability: weak"), 1);
    assert_eq!(said(&mut registry, "names: folded"), 0);
    assert_eq!(metric(&mut registry, "skerry_storage_weak"), "1");
    // A process that dies loses nothing.
    registry.kill9();
    registry.restart();
    push::whole(&registry.client(), "one", "t").unwrap();
    crate::works(&registry);
    registry.stop();
}

/// With all that is made the first time, keys and certificates too.
#[test]
#[ignore = "needs root and FUSE: run by .ci/run"]
fn a_first_run_there() {
    let (mut registry, mounts, directory) = start("weak");
    registry.stop();
    let mut service = first_run_through(&directory.path().join("volume"), &mounts.through());
    service.address();
    assert!(directory.path().join("lower/.skerry/tls/ca.pem").exists());
    assert!(service.terminate().success());
}

#[test]
#[ignore = "needs root and FUSE: run by .ci/run"]
fn names_that_differ_by_case_alone() {
    let (mut registry, _mounts, _directory) = start("folds");
    assert_eq!(said(&mut registry, "names: folded"), 1);
    assert_eq!(metric(&mut registry, "skerry_storage_folds_names"), "1");
    crate::works(&registry);
    registry.stop();
}
