//! Little room: address space, descriptors, rights, places to write to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod clock;
mod full;
mod memory;
mod weak;

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::{PermissionsExt as _, chown},
    thread,
    time::{Duration, Instant},
};

use skerry_tests::{Options, Registry, content::Noise, push, tools, vitals::Vitals};

/// What starts the registry, as words.
fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// One whose shell bounds it first.
fn bounded(by: &str, more: &str) -> Registry {
    let script = format!("ulimit {by} && exec \"$0\" \"$@\"");
    Registry::start(Options {
        through: words(&["/bin/sh", "-c", &script]),
        more: more.to_owned(),
        ..Options::default()
    })
}

/// Pushes and pulls, several at once.
#[track_caller]
fn works(registry: &Registry) {
    const NAMES: [&str; 4] = ["one", "two", "three", "four"];
    for (seed, name) in (1..).zip(NAMES) {
        push::image(&registry.client(), name, Some("t"), seed);
    }
    let bytes = Noise::new(9).bytes(20 << 20);
    let digest = push::blob(&registry.client(), "one", &bytes);
    let pulls: Vec<_> = NAMES
        .into_iter()
        .cycle()
        .take(16)
        .map(|name| {
            let client = registry.client();
            thread::spawn(move || push::whole(&client, name, "t").unwrap())
        })
        .collect();
    for pull in pulls {
        pull.join().unwrap();
    }
    push::whole_blob(&registry.http2(), "one", &digest).unwrap();
}

#[test]
fn a_gibibyte_of_address_space() {
    let mut registry = bounded("-v 1048576", "");
    works(&registry);
    let lines = registry.service().lines();
    let said = lines.iter().filter(|line| line.contains("address space")).count();
    assert_eq!(said, 1, "{}", lines.join("\n"));
    registry.stop();
}

/// What a processor of 39 bits (aarch64 and RISC-V boards) leaves a process,
/// half of that, and a quarter: there, fewer may wait for a body.
#[test]
fn thirty_nine_bits_of_address_space() {
    for (kibibytes, lines) in [("268435456", 0), ("134217728", 0), ("67108864", 1)] {
        let mut registry = bounded(&format!("-v {kibibytes}"), "");
        works(&registry);
        let said = registry.service().lines();
        let said: Vec<_> = said.iter().filter(|line| line.contains("address space")).collect();
        assert_eq!(said.len(), lines, "{said:?}");
        registry.stop();
    }
}

/// Less than is asked for, and the configuration was never so small.
#[test]
fn as_much_address_space_as_will_do() {
    let mut registry = bounded("-v 640000", "");
    push::image(&registry.client(), "one", Some("t"), 1);
    push::whole(&registry.client(), "one", "t").unwrap();
    registry.stop();
}

#[test]
fn sixty_four_open_files() {
    let mut registry = bounded("-n 64", "");
    works(&registry);
    let before = Vitals::of(registry.service().pid());
    assert!(before.files <= 32, "{before:?}");
    // More clients than there can be, who say nothing: those beyond wait.
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(registry.address()).unwrap()).collect();
    let pid = registry.service().pid();
    let deadline = Instant::now() + Duration::from_secs(30);
    while Vitals::of(pid).files < before.files + 10 {
        assert!(Instant::now() < deadline, "{:?}", Vitals::of(pid));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(Vitals::of(pid).files < 64);
    drop(idle);
    before.come_back(pid, 32 << 20, 64 << 20);
    works(&registry);
    let lines = registry.service().lines();
    assert!(lines.iter().any(|line| line.contains("limits.connections is 16")), "{}", lines.join("\n"));
    assert!(!lines.iter().any(|line| line.contains("Too many open files")), "{}", lines.join("\n"));
    registry.stop();
}

/// Nobody's directory is asked for, where the configuration says it all.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_user_without_a_home() {
    let volume = tempfile::tempdir().unwrap();
    chown(volume.path(), Some(65534), Some(65534)).unwrap();
    let through = [
        tools::find("setpriv").display().to_string(),
        "--reuid=65534".into(),
        "--regid=65534".into(),
        "--clear-groups".into(),
        "env".into(),
        "-u".into(),
        "HOME".into(),
        "-u".into(),
        "XDG_DATA_HOME".into(),
    ];
    let shell = words(&["/bin/sh", "-c", "chmod 755 . && chmod 644 key.pem && exec \"$0\" \"$@\""]);
    let mut registry = Registry::start(Options {
        volume: Some(volume.path().to_owned()),
        through: shell.into_iter().chain(through).collect(),
        ..Options::default()
    });
    works(&registry);
    let owner = fs::metadata(volume.path().join("docker")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 65534);
    registry.stop();
}

/// Nothing is written but to the volume.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_root_that_cannot_be_written_to() {
    let volume = tempfile::tempdir().unwrap();
    let script =
        format!("mount --bind {0} {0} && mount -o remount,ro,bind / && exec \"$0\" \"$@\"", volume.path().display());
    let through =
        [tools::find("unshare").display().to_string(), "--mount".into(), "/bin/sh".into(), "-c".into(), script];
    let mut registry = Registry::start(Options {
        volume: Some(volume.path().to_owned()),
        through: through.to_vec(),
        ..Options::default()
    });
    works(&registry);
    let permissions = fs::metadata(volume.path().join("docker")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o700, 0o700);
    registry.stop();
}
