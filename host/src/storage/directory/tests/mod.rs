//! What the directory must do beyond the suite: planted files, crashes, other
//! processes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods)]

mod changes;
mod planted;
mod seen;
mod uploads;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cap_std::{ambient_authority, fs::Dir};
use tokio::time::timeout;

use super::{Directory, Options};
use crate::storage::{
    Failure, Storage,
    suite::{self, key},
};

fn open_with(path: &Path, options: Options) -> Arc<Directory> {
    Directory::open(Dir::open_ambient_dir(path, ambient_authority()).unwrap(), options).unwrap()
}

fn open(path: &Path) -> Arc<Directory> {
    open_with(path, Options::default())
}

fn fresh() -> (tempfile::TempDir, Arc<Directory>) {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path());
    (temp, store)
}

/// What is in the stages but their locks and the directories kept for uploads.
fn staged(path: &Path) -> usize {
    in_stages(path).iter().filter(|name| *name != "lock" && !name.starts_with("u-")).count()
}

fn in_stages(path: &Path) -> Vec<String> {
    let names = |directory: PathBuf| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = names(path.join(".skerry/tmp")).flat_map(names);
    files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

async fn get(store: &Directory, at: &str) -> Result<Bytes, Failure> {
    timeout(Duration::from_secs(5), store.read(&key(at), 1 << 24)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suite() {
    let temp = tempfile::tempdir().unwrap();
    let next = AtomicU32::new(0);
    suite::run(|| async {
        let path = temp.path().join(next.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path).unwrap();
        open(&path) as Arc<dyn Storage>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suite_without_openat2() {
    let temp = tempfile::tempdir().unwrap();
    let next = AtomicU32::new(0);
    suite::run(|| async {
        let path = temp.path().join(next.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path).unwrap();
        let store = open(&path);
        store.inner.tree.forget_openat2();
        store as Arc<dyn Storage>
    })
    .await;
}

#[test]
fn without_a_runtime_it_opens_too() {
    let temp = tempfile::tempdir().unwrap();
    drop(open(temp.path()));
}
