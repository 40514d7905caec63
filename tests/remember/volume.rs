//! Whoever else changes the volume, and however: the next answer is right.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use skerry_tests::{Client, Options, binary, children, push, sha256};

use crate::host::Host;

/// A little more than what a file must have been left alone.
const SETTLED: Duration = Duration::from_millis(2_100);

fn over(volume: &Path, remember: &str) -> Host {
    Host::start(Options { volume: Some(volume.into()), ..Options::default() }, remember)
}

fn alone(volume: &Path, remember: &str) -> Host {
    Host::start(Options { volume: Some(volume.into()), exclusive: true, ..Options::default() }, remember)
}

/// The digest of what a tag names.
fn digest(client: &Client, name: &str, tag: &str) -> String {
    let answer = client.get(&format!("/v2/{name}/manifests/{tag}")).expect(200);
    let digest = answer.header("docker-content-digest").to_owned();
    assert_eq!(digest, sha256(&answer.body));
    digest
}

/// Where the registry keeps what a tag names, and the repository.
fn link(volume: &Path, name: &str, tag: &str) -> PathBuf {
    volume.join(format!("docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link"))
}

fn repository(volume: &Path, name: &str) -> PathBuf {
    volume.join("docker/registry/v2/repositories").join(name)
}

#[test]
fn a_second_process_moves_a_tag() {
    let volume = tempfile::tempdir().unwrap();
    let (one, other) = (over(volume.path(), ""), over(volume.path(), ""));
    let first = push::image(&other.client, "a", Some("t"), 1);
    let second = push::image(&other.client, "a", None, 2);
    // Right from the first moment, remembered as soon as it may be.
    assert_eq!(digest(&one.client, "a", "t"), sha256(&first));
    assert!(!one.recalls("/v2/a/manifests/t") && one.not_kept("young") >= 2);
    thread::sleep(SETTLED);
    one.client.get("/v2/a/manifests/t").expect(200);
    for target in ["/v2/a/manifests/t", "/v2/a/tags/list"] {
        one.client.get(target).expect(200);
        assert!(one.recalls(target), "{target}");
    }
    push::manifest(&other.client, "a", "t", skerry_tests::content::IMAGE, &second);
    assert_eq!(digest(&one.client, "a", "t"), sha256(&second));
    push::manifest(&other.client, "a", "u", skerry_tests::content::IMAGE, &second);
    assert_eq!(one.client.get("/v2/a/tags/list").json()["tags"], serde_json::json!(["t", "u"]));
    other.client.delete("/v2/a/manifests/t").expect(202);
    one.client.get("/v2/a/manifests/t").expect(404);
    assert_eq!(one.client.get("/v2/a/tags/list").json()["tags"], serde_json::json!(["u"]));
    assert!(one.counts().stale >= 2, "{:?}", one.counts());
}

/// The server itself answers heads that are the same, byte by byte; what they
/// are answered is looked at all the same.
#[test]
fn heads_that_are_the_same() {
    let volume = tempfile::tempdir().unwrap();
    let (one, other) = (over(volume.path(), ""), over(volume.path(), ""));
    let images = [1, 2].map(|seed| push::image(&other.client, "a", Some("t"), seed));
    for (n, image) in [1, 0, 1].map(|n| &images[n]).into_iter().enumerate() {
        if n > 0 {
            push::manifest(&other.client, "a", "t", skerry_tests::content::IMAGE, image);
            assert_eq!(digest(&one.client, "a", "t"), sha256(image));
        }
        thread::sleep(SETTLED);
        let (repeats, hits) = (one.repeats(), one.counts().hits);
        // Computed, out of memory twice, and from then on by its bytes.
        for _ in 0..6 {
            assert_eq!(digest(&one.client, "a", "t"), sha256(image));
        }
        assert!(one.repeats() >= repeats + 3 && one.counts().hits >= hits + 5, "{:?}", one.counts());
    }
    let repeats = one.repeats();
    one.forget();
    let patience = Instant::now() + Duration::from_secs(20);
    while one.counts().entries > 0 {
        assert!(Instant::now() < patience, "{:?}", one.counts());
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(digest(&one.client, "a", "t"), sha256(&images[1]));
    assert_eq!(one.repeats(), repeats);
    for _ in 0..6 {
        digest(&one.client, "a", "t");
    }
    assert!(one.repeats() > repeats);
    other.client.delete("/v2/a/manifests/t").expect(202);
    one.client.get("/v2/a/manifests/t").expect(404);
}

#[test]
fn a_link_is_rewritten_in_place() {
    let volume = tempfile::tempdir().unwrap();
    let host = over(volume.path(), "");
    let digests = [1, 2].map(|seed| sha256(push::image(&host.client, "a", Some("t"), seed)));
    thread::sleep(SETTLED);
    assert_eq!(digest(&host.client, "a", "t"), digests[1]);
    assert!(host.recalls("/v2/a/manifests/t"));
    // As many bytes, the same inode, and time stamps as near as can be.
    for n in 0..200 {
        let wanted = &digests[n % 2];
        fs::write(link(volume.path(), "a", "t"), wanted).unwrap();
        assert_eq!(digest(&host.client, "a", "t"), *wanted, "{n}");
    }
}

#[test]
fn a_directory_is_moved_and_made_anew() {
    let volume = tempfile::tempdir().unwrap();
    let host = over(volume.path(), "age: 0s");
    let first = sha256(push::image(&host.client, "a", Some("t"), 1));
    let second = sha256(push::image(&host.client, "b", Some("t"), 2));
    let (a, b, away) = (repository(volume.path(), "a"), repository(volume.path(), "b"), volume.path().join("away"));
    let read = || (host.client.get("/v2/a/manifests/t").status, host.client.get("/v2/a/tags/list").status);
    for _ in 0..2 {
        assert_eq!(digest(&host.client, "a", "t"), first);
    }
    assert!(host.recalls("/v2/a/manifests/t"));
    fs::rename(&a, &away).unwrap();
    assert_eq!(read(), (404, 404));
    fs::rename(&b, &a).unwrap();
    assert_eq!(digest(&host.client, "a", "t"), second);
    fs::remove_dir_all(&a).unwrap();
    assert_eq!(read(), (404, 404));
    // Behind a link, which is not followed, though all is as it was.
    fs::rename(&away, &a).unwrap();
    assert_eq!(digest(&host.client, "a", "t"), first);
    assert!(host.recalls("/v2/a/manifests/t"));
    fs::rename(&a, &away).unwrap();
    std::os::unix::fs::symlink(&away, &a).unwrap();
    assert_eq!(read(), (404, 404));
    fs::remove_file(&a).unwrap();
    fs::rename(&away, &a).unwrap();
    assert_eq!(digest(&host.client, "a", "t"), first);
}

#[test]
fn an_answered_push_is_what_is_pulled() {
    for (how, start) in [("beside others", over as fn(&Path, &str) -> Host), ("alone", alone)] {
        let volume = tempfile::tempdir().unwrap();
        let host = start(volume.path(), "age: 0s");
        let images = [1, 2].map(|seed| push::image(&host.client, "a", Some("t"), seed));
        let over = AtomicBool::new(false);
        let readers = thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut read = 0;
                        while !over.load(Ordering::Relaxed) {
                            digest(&host.client, "a", "t");
                            read += 1;
                        }
                        read
                    })
                })
                .collect();
            for n in 0..150 {
                let image = &images[n % 2];
                push::manifest(&host.client, "a", "t", skerry_tests::content::IMAGE, image);
                for _ in 0..3 {
                    assert_eq!(digest(&host.client, "a", "t"), sha256(image), "{n} {how}");
                }
            }
            over.store(true, Ordering::Relaxed);
            readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u32>()
        });
        let counts = host.counts();
        assert!(readers > 0 && counts.hits > 0 && counts.stale > 0, "{how}: {readers} {counts:?}");
    }
}

#[test]
fn who_is_alone_looks_at_no_file() {
    let volume = tempfile::tempdir().unwrap();
    let host = alone(volume.path(), "");
    let first = push::image(&host.client, "a", Some("t"), 1);
    let second = push::image(&host.client, "a", None, 2);
    // No age is asked for.
    assert_eq!(digest(&host.client, "a", "t"), sha256(&first));
    assert!(host.recalls("/v2/a/manifests/t"));
    // Who breaks the promise is not seen; that is what was promised.
    fs::write(link(volume.path(), "a", "t"), sha256(&second)).unwrap();
    assert_eq!(digest(&host.client, "a", "t"), sha256(&first));
    push::manifest(&host.client, "a", "t", skerry_tests::content::IMAGE, &second);
    assert_eq!(digest(&host.client, "a", "t"), sha256(&second));
    // A push elsewhere forgets nothing here, but by chance.
    let kept = (0..10).filter(|n| {
        host.client.get("/v2/a/tags/list").expect(200);
        push::image(&host.client, &format!("b{n}"), Some("t"), 3);
        host.recalls("/v2/a/tags/list")
    });
    assert!(kept.count() >= 5);

    for (command, exclusive) in [("serve", true), ("serve", false), ("garbage-collect", false)] {
        let config = host.registry.directory().join("second.yml");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n    exclusive: {exclusive}\nhttp:\n  addr: 127.0.0.1:0\n",
            volume.path().display(),
        );
        fs::write(&config, text).unwrap();
        let mut second = children::command(binary::skerry());
        let output = second.arg(command).arg(&config).stdin(Stdio::null()).output().unwrap();
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && says.contains("storage.filesystem.exclusive"), "{command}: {says}");
    }
}
