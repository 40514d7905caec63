//! `storage`.

use std::fs;

use skerry_tests::{layout, push};
use tempfile::TempDir;

use super::{Row, Table, Told, checked, refuses};

pub const ROWS: &[Row] = &[
    (&["storage.filesystem.rootdirectory"], root),
    (&["storage.filesystem.maxthreads"], threads),
    (&["storage.delete.enabled"], deletes),
    (&["storage.maintenance.readonly.enabled"], reads_only),
    (
        &[
            "storage.maintenance.uploadpurging.age",
            "storage.maintenance.uploadpurging.interval",
            "storage.maintenance.uploadpurging.dryrun",
        ],
        purging,
    ),
    (&["storage.maintenance.uploadpurging.enabled"], no_purging),
];

fn root(table: &Table) {
    let told = Told::start(table, &[]);
    let digest = push::blob(&told.client(), "a", b"somewhere");
    assert!(layout::blob(&told.directory.path().join("volume"), &digest).is_file());
    let error = refuses(table, &[("storage.filesystem.rootdirectory", "/proc/nowhere")]);
    assert!(error.contains("/proc/nowhere"), "{error}");
}

/// One thread less is not seen from outside, but a wrong one is: `serve::map`
/// tests where it goes.
fn threads(table: &Table) {
    let told = Told::start(table, &[("storage.filesystem.maxthreads", "25")]);
    push::image(&told.client(), "a", Some("b"), 1);
    push::whole(&told.client(), "a", "b").unwrap();
    let error = refuses(table, &[("storage.filesystem.maxthreads", "many")]);
    assert!(error.contains("`storage.filesystem.maxthreads` is to be a whole number"), "{error}");
    assert!(checked("version: 0.1\nstorage: {filesystem: {maxthreads: 25}}\n").out.contains("maxthreads: 25\n"));
}

fn deletes(table: &Table) {
    for (enabled, status) in [("false", 405), ("true", 202)] {
        let told = Told::start(table, &[("storage.delete.enabled", enabled)]);
        push::image(&told.client(), "a", Some("b"), 1);
        told.client().delete("/v2/a/manifests/b").expect(status);
    }
}

fn reads_only(table: &Table) {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    // It makes nothing, this neither.
    fs::create_dir(directory.path().join("volume")).unwrap();
    let told = Told::start_in(table, directory, &[("storage.maintenance.readonly.enabled", "true")]);
    let refused = told.client().request("POST", "/v2/a/blobs/uploads/").send().expect(405);
    assert_eq!(refused.code(), "UNSUPPORTED");
}

const AGE: (&str, &str) = ("storage.maintenance.uploadpurging.age", "1s");
const INTERVAL: (&str, &str) = ("storage.maintenance.uploadpurging.interval", "1s");

fn purging(table: &Table) {
    for (dry, status) in [("true", 204), ("false", 404)] {
        let told = Told::start(table, &[AGE, INTERVAL, ("storage.maintenance.uploadpurging.dryrun", dry)]);
        let upload = told.location();
        told.says("\"purged\":1");
        told.client().get(&upload).expect(status);
    }
}

/// Not by the one that is told so, while another on its volume purges.
fn no_purging(table: &Table) {
    let told = Told::start(table, &[AGE, INTERVAL, ("storage.maintenance.uploadpurging.enabled", "false")]);
    told.location();
    let volume = told.directory.path().join("volume").display().to_string();
    let other = Told::start(table, &[AGE, INTERVAL, ("storage.filesystem.rootdirectory", &volume)]);
    other.says("\"purged\":1");
    let lines = told.service.lines();
    assert!(lines.iter().all(|line| !line.contains("upload purging")), "{lines:?}");
}
