//! A module that has its directory by WASI's own calls: it serves what lies
//! there by `std::fs` alone (`guests/reader`), and nothing of the host's own.

use std::{fs, os::unix::fs::symlink, path::Path, sync::OnceLock};

use rustix::fs::{CWD, Mode, mkfifoat};
use skerry_tests::{Client, Options, Registry, binary, push};

fn reader() -> &'static Path {
    static MODULE: OnceLock<std::path::PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| binary::guest("reader"))
}

fn start(preopen: &str, options: Options) -> Registry {
    let more = format!("sandbox:\n  registry: {}\n{preopen}", reader().display());
    Registry::start(Options { more, ..options })
}

#[test]
fn reads_are_served_by_files_alone() {
    let volume = tempfile::tempdir().unwrap();
    let options = || Options { volume: Some(volume.path().to_owned()), ..Options::default() };
    let mut built_in = Registry::start(options());
    let image = push::image(&built_in.client(), "some/app", Some("v1"), 1);
    push::image(&built_in.client(), "some/app", Some("v2"), 2);
    built_in.stop();
    let without = start("", options()).client().accepting().get("/v2/some/app/manifests/v1");
    assert!([404, 500].contains(&without.status), "{}", without.status);
    for preopen in ["  preopen: ro\n", "  preopen: rw\n"] {
        let registry = start(preopen, options());
        for client in [registry.client().accepting(), registry.http2().accepting()] {
            assert_eq!(client.get("/v2/some/app/manifests/v1").expect(200).body, image);
            for tag in ["v1", "v2"] {
                push::whole(&client, "some/app", tag).unwrap();
            }
            assert_eq!(
                client.get("/v2/some/app/tags/list").expect(200).json()["tags"],
                serde_json::json!(["v1", "v2"])
            );
            client.get("/v2/some/app/manifests/v3").expect(404);
            client.request("HEAD", "/v2/some/app/manifests/v1").send().expect(200);
            client.request("POST", "/v2/some/app/blobs/uploads/").send().expect(405);
        }
    }
}

fn tried(client: &Client, what: &str) -> String {
    client.get(&format!("/try/{what}")).expect(200).text()
}

fn plant(registry: &Registry) {
    let volume = registry.volume();
    let outside = registry.directory().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), "a secret").unwrap();
    fs::create_dir_all(volume.join("a/_uploads/1")).unwrap();
    fs::write(volume.join("a/_uploads/1/data"), "half").unwrap();
    fs::write(volume.join("theirs"), "theirs").unwrap();
    fs::write(volume.join(".skerry/own"), "a secret").unwrap();
    symlink(&outside, volume.join("way")).unwrap();
    symlink(".skerry", volume.join("inner")).unwrap();
    symlink(".skerry/own", volume.join("link")).unwrap();
    mkfifoat(CWD, volume.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
}

/// What no module has by files, whatever it may do with the rest.
const WITHHELD: &[&str] = &[
    "read/.skerry/own",
    "read/.SKERRY/own",
    "read/a/../.skerry/own",
    "read/./.skerry/own",
    "list/.skerry",
    "stat/.skerry/own",
    "read/a/_uploads/1/data",
    "list/a/_uploads",
    "read/../outside/file",
    "read/way/file",
    "read/inner/own",
    "read/link",
    "read/pipe",
    "write/.skerry/own",
    "write/.skerry/new",
    "write/a/_uploads/1/data",
    "append/a/_uploads/1/data",
    "write/way/file",
    "write/inner/new",
    "write/link",
    "remove/.skerry/own",
    "mkdir/_uploads",
    "rename/.skerry/own",
    "rename/a/_uploads",
    "seize/.skerry",
    "seize/a/_uploads",
    "hard-link/theirs",
    "hard-link/.skerry/own",
    "soft-link/.skerry",
    "soft-link/theirs",
];

#[test]
fn what_is_the_hosts_own_is_withheld() {
    for mode in ["ro", "rw"] {
        let registry = start(&format!("  preopen: {mode}\n"), Options::default());
        plant(&registry);
        let client = registry.client();
        for what in WITHHELD {
            let said = tried(&client, what);
            assert!(said.starts_with("refused: "), "{mode} {what}: {said}");
        }
        let volume = registry.volume();
        assert_eq!(fs::read_to_string(volume.join(".skerry/own")).unwrap(), "a secret");
        assert_eq!(fs::read_to_string(volume.join("a/_uploads/1/data")).unwrap(), "half");
        assert_eq!(fs::read_to_string(registry.directory().join("outside/file")).unwrap(), "a secret");
        assert!(!volume.join("linked").exists() && !volume.join(".skerry/new").exists());
    }
}

#[test]
fn what_may_be_read_may_be_written_only_where_that_is_said() {
    let registry = start("  preopen: ro\n", Options::default());
    plant(&registry);
    let client = registry.client();
    assert_eq!(tried(&client, "read/theirs"), "\"theirs\"");
    for what in ["write/theirs", "write/new", "append/theirs", "remove/theirs", "mkdir/new", "rename/new"] {
        assert_eq!(tried(&client, what), "refused: PermissionDenied", "{what}");
    }
    // What is read by files is never remembered: a change counts at once.
    fs::write(registry.volume().join("theirs"), "others").unwrap();
    assert_eq!(tried(&client, "read/theirs"), "\"others\"");

    let registry = start("  preopen: rw\n", Options::default());
    plant(&registry);
    let client = registry.client();
    for (what, said) in [
        ("write/theirs", "()"),
        ("read/theirs", "\"written\""),
        ("mkdir/new", "()"),
        ("rename/new/theirs", "()"),
        ("remove/new/theirs", "()"),
        ("stat/theirs", "refused: NotFound"),
    ] {
        assert_eq!(tried(&client, what), said, "{what}");
    }
    // Without the grant there is nothing.
    let registry = start("", Options::default());
    plant(&registry);
    assert!(tried(&registry.client(), "read/theirs").starts_with("refused: "));
    assert!(tried(&registry.client(), "list/").starts_with("refused: "));
}

/// Directories are held in the host's memory while they are listed.
#[test]
fn what_is_listed_is_bounded() {
    let registry = start("  preopen: ro\n  time: 1m\n", Options::default());
    fs::create_dir(registry.volume().join("many")).unwrap();
    for n in 0..2_000 {
        fs::File::create(registry.volume().join(format!("many/{n:060}"))).unwrap();
    }
    let client = registry.client();
    assert_eq!(tried(&client, "list/many"), "2000");
    assert_eq!(tried(&client, "lists/many"), "refused: OutOfMemory");
    assert_eq!(tried(&client, "list/many"), "2000");
}

/// Bytes that were hashed are those that are kept: a module that may write by
/// files has its uploads where it may not.
#[test]
fn uploads_lie_where_the_module_cannot_write() {
    let put = |registry: &Registry, key: &str| {
        registry.client().request("PUT", &format!("/try/upload/{key}")).body("bytes").send().expect(200).text()
    };
    let registry = start("  preopen: rw\n", Options::default());
    let said = put(&registry, "a/1/data");
    assert!(said.contains("uploads lie below _uploads alone"), "{said}");
    assert_eq!(put(&registry, "a/_uploads/1/data"), "Ok(())");
    assert_eq!(fs::read_to_string(registry.volume().join("done/object")).unwrap(), "bytes");
    assert_eq!(put(&start("  preopen: ro\n", Options::default()), "a/1/data"), "Ok(())");
}

/// Who writes by files is another one who writes.
#[test]
fn it_contradicts_exclusive() {
    let more = "sandbox:\n  preopen: rw\n".to_owned();
    let said = Registry::refused(Options { more, exclusive: true, ..Options::default() });
    assert!(said.contains("`sandbox.preopen: rw` and `storage.filesystem.exclusive` contradict each other"), "{said}");
}
