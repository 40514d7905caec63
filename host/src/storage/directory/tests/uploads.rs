//! Uploads between two requests, two processes and two writers.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use super::{fresh, get, in_stages, open, open_with, staged};
use crate::storage::{
    Algorithm, Change, Directory, Failure, Options, Storage, Upload,
    suite::{key, pattern, sha256},
};

fn states(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path.join(".skerry/uploads")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_waits_a_moment_for_the_one_before() {
    let (_temp, store) = fresh();
    let upload = store.create_upload(key("u/1/data"), vec![]).await.unwrap();
    let next = tokio::spawn({
        let store = store.clone();
        async move { store.resume_upload(key("u/1/data")).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(upload);
    assert_eq!(next.await.unwrap(), Ok(()));
}

/// An upload of `size` bytes that some process left.
async fn left(store: &Directory, size: usize) -> Bytes {
    let bytes = pattern(size);
    let mut upload = store.create_upload(key("u/1/data"), vec![]).await.unwrap();
    upload.write(vec![bytes.clone()]).await.unwrap();
    upload.pause().await.unwrap();
    bytes
}

async fn resumes(store: &Directory, bytes: &[u8]) {
    resumes_as(store, bytes, "b").await;
}

async fn resumes_as(store: &Directory, bytes: &[u8], to: &str) {
    let mut upload = store.resume_upload(key("u/1/data")).await.unwrap();
    assert_eq!(upload.offset(), bytes.len() as u64);
    assert_eq!(upload.digest(Algorithm::Sha256).await.unwrap(), sha256(bytes));
    upload.write(vec!["more".into()]).await.unwrap();
    let whole = [bytes, b"more"].concat();
    upload.finish(key(to), sha256(&whole), vec![], vec![]).await.unwrap();
    assert_eq!(get(store, to).await.unwrap(), whole);
}

#[tokio::test]
async fn an_upload_outlives_a_killed_process() {
    let (temp, store) = fresh();
    let bytes = left(&store, 300_000).await;
    drop(store);
    assert_eq!(states(temp.path()).len(), 0, "nothing was closed in good order");
    resumes(&open(temp.path()), &bytes).await;
}

#[tokio::test]
async fn an_upload_goes_on_from_its_saved_state() {
    let (temp, store) = fresh();
    let bytes = left(&store, 300_000).await;
    store.close().await;
    assert_eq!(store.temporary_upload().await.err(), Some(Failure::Busy));
    drop(store);
    assert_eq!(states(temp.path()).len(), 1);
    let store = open(temp.path());
    let state = store.inner.uploads.states.as_ref().unwrap();
    let file = fs::File::open(temp.path().join("u/1/data")).unwrap();
    assert_eq!(state.load(&key("u/1/data"), &file).unwrap().digest(), sha256(&bytes));
    assert!(state.load(&key("u/2/data"), &file).is_none());
    resumes(&store, &bytes).await;
    assert_eq!(states(temp.path()).len(), 0);
}

#[tokio::test]
async fn a_large_chunk_is_synced_before_its_answer_and_a_small_one_is_not() {
    let (temp, store) = fresh();
    let bytes = left(&store, 9 << 20).await;
    assert_eq!(states(temp.path()).len(), 1);
    drop(store);
    resumes(&open(temp.path()), &bytes).await;
}

#[tokio::test]
async fn a_forged_or_stale_state_is_ignored() {
    type Harm = fn(&Path, &Path);
    let harms: [(&str, Harm); 5] = [
        ("another mac", |state, _| {
            let mut content = fs::read(state).unwrap();
            let last = content.len() - 1;
            content[last] ^= 1;
            fs::write(state, content).unwrap();
        }),
        ("cut", |state, _| fs::write(state, &fs::read(state).unwrap()[..40]).unwrap()),
        ("another key", |state, _| fs::write(state.parent().unwrap().with_file_name("key"), [7; 64]).unwrap()),
        ("bytes changed in place", |_, data| {
            let content = fs::read(data).unwrap();
            fs::write(data, content.iter().rev().copied().collect::<Vec<_>>()).unwrap();
        }),
        ("bytes added by another writer", |_, data| fs::write(data, pattern(400_000)).unwrap()),
    ];
    for (name, harm) in harms {
        println!("{name}");
        let (temp, store) = fresh();
        left(&store, 300_000).await;
        store.close().await;
        drop(store);
        let data = temp.path().join("u/1/data");
        harm(&states(temp.path())[0], &data);
        let store = open(temp.path());
        let state = store.inner.uploads.states.as_ref().unwrap();
        assert!(state.load(&key("u/1/data"), fs::File::open(&data).unwrap()).is_none());
        resumes(&store, &fs::read(&data).unwrap()).await;
    }
}

/// A process died in `finish`: the object has its name, the upload is there.
async fn half_finished(size: usize) -> (tempfile::TempDir, std::sync::Arc<Directory>, Bytes) {
    let (temp, store) = fresh();
    let bytes = left(&store, size).await;
    drop(store);
    fs::hard_link(temp.path().join("u/1/data"), temp.path().join("b")).unwrap();
    let store = open(temp.path());
    (temp, store, bytes)
}

#[tokio::test]
async fn a_half_finished_upload_is_finished_again() {
    let (temp, store, bytes) = half_finished(300_000).await;
    let mut upload = store.resume_upload(key("u/1/data")).await.unwrap();
    assert_eq!(upload.offset(), 300_000);
    let link = Change::Put(key("link"), "x".into());
    upload.finish(key("b"), sha256(&bytes), vec![], vec![link]).await.unwrap();
    assert_eq!((get(&store, "b").await.unwrap(), get(&store, "link").await.unwrap()), (bytes, "x".into()));
    assert!(!temp.path().join("u/1").exists());
}

#[tokio::test]
async fn what_has_a_second_name_is_never_written_to() {
    for size in [0, 1000, 300_000] {
        // Small and large writes, and a cut, go different ways.
        for (cut, more) in [(size, 4), (size, 100_000), (size / 2, 0)] {
            let (temp, store, bytes) = half_finished(size).await;
            let mut upload = store.resume_upload(key("u/1/data")).await.unwrap();
            upload.truncate(cut as u64).await.unwrap();
            upload.write(vec![pattern(more)]).await.unwrap();
            upload.pause().await.unwrap();
            drop(upload);
            assert_eq!(fs::read(temp.path().join("b")).unwrap(), bytes);
            let whole = [&bytes[..cut], &pattern(more)].concat();
            let mut upload = store.resume_upload(key("u/1/data")).await.unwrap();
            upload.finish(key("c"), sha256(&whole), vec![], vec![]).await.unwrap();
            assert_eq!(get(&store, "c").await.unwrap(), whole);
            assert_eq!((get(&store, "b").await.unwrap(), staged(temp.path())), (bytes, 0));
        }
    }
    let (_temp, store, bytes) = half_finished(1000).await;
    store.resume_upload(key("u/1/data")).await.unwrap().abort().await.unwrap();
    assert_eq!(get(&store, "b").await.unwrap(), bytes);
}

#[tokio::test]
async fn a_finish_that_fails_half_way_leaves_the_upload() {
    let (_temp, store) = fresh();
    let bytes = left(&store, 300_000).await;
    let twice = || Change::Create(key("link"), "x".into());
    let mut upload = store.resume_upload(key("u/1/data")).await.unwrap();
    assert!(upload.finish(key("b"), sha256(&bytes), vec![], vec![twice(), twice()]).await.is_err());
    drop(upload);
    assert_eq!(get(&store, "b").await.unwrap(), bytes);
    resumes_as(&store, &bytes, "c").await;
    assert_eq!(get(&store, "b").await.unwrap(), bytes);
}

#[tokio::test]
async fn an_idle_upload_that_another_process_half_finished_is_shared() {
    let (temp, store) = fresh();
    let bytes = left(&store, 1000).await;
    fs::hard_link(temp.path().join("u/1/data"), temp.path().join("b")).unwrap();
    resumes_as(&store, &bytes, "c").await;
    assert_eq!(get(&store, "b").await.unwrap(), bytes);
}

#[tokio::test]
async fn leftovers_at_the_object_are_replaced() {
    for leftover in ["", "torn"] {
        let (temp, store) = fresh();
        let bytes = left(&store, 1000).await;
        fs::write(temp.path().join("b"), leftover).unwrap();
        resumes(&store, &bytes).await;
        assert_eq!(staged(temp.path()), 0);
    }
}

#[tokio::test]
async fn an_open_upload_that_somebody_else_changed_is_read_anew() {
    let (temp, store) = fresh();
    let data = temp.path().join("u/1/data");
    left(&store, 1000).await;
    assert_eq!(store.open_uploads(), (0, 1));
    fs::write(&data, pattern(2000)).unwrap();
    drop(store.resume_upload(key("u/1/data")).await.unwrap());
    fs::remove_file(&data).unwrap();
    fs::write(&data, "another file").unwrap();
    resumes(&store, b"another file").await;
    left(&store, 1000).await;
    fs::remove_dir_all(temp.path().join("u")).unwrap();
    assert_eq!(store.resume_upload(key("u/1/data")).await.err(), Some(Failure::NotFound));
    assert_eq!(store.open_uploads(), (0, 0));
}

#[tokio::test]
async fn another_process_keeps_its_upload() {
    let (temp, store) = fresh();
    let second = open(temp.path());
    let mut upload = store.create_upload(key("u/1/data"), vec![]).await.unwrap();
    assert_eq!(second.resume_upload(key("u/1/data")).await.err(), Some(Failure::Busy));
    upload.write(vec![pattern(10)]).await.unwrap();
    drop(upload);
    let mut there = second.resume_upload(key("u/1/data")).await.unwrap();
    assert_eq!(there.offset(), 10);
    assert_eq!(store.resume_upload(key("u/1/data")).await.err(), Some(Failure::Busy));
    there.write(vec!["more".into()]).await.unwrap();
    drop(there);
    resumes(&store, &[&pattern(10)[..], b"more"].concat()).await;
}

#[tokio::test]
async fn a_foreign_lock_does_not_lose_the_open_upload() {
    let (temp, store) = fresh();
    let bytes = left(&store, 10).await;
    let file = fs::File::open(temp.path().join("u/1/data")).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    assert_eq!(store.resume_upload(key("u/1/data")).await.err(), Some(Failure::Busy));
    drop(file);
    resumes(&store, &bytes).await;
}

#[tokio::test]
async fn uploads_are_bounded() {
    let temp = tempfile::tempdir().unwrap();
    let store = open_with(temp.path(), Options { max_open_uploads: 3, idle_uploads: 2, ..Options::default() });
    let mut open = Vec::new();
    for n in 0..3 {
        open.push(store.create_upload(key(&format!("u/{n}/data")), vec![]).await.unwrap());
    }
    assert_eq!(store.temporary_upload().await.err(), Some(Failure::Busy));
    assert_eq!(store.resume_upload(key("u/9/data")).await.err(), Some(Failure::Busy));
    for upload in &mut open {
        upload.write(vec![pattern(10)]).await.unwrap();
    }
    drop(open);
    for _ in 0..500 {
        if store.open_uploads() == (0, 2) && states(temp.path()).len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((store.open_uploads(), states(temp.path()).len()), ((0, 2), 1));
    for n in 0..3 {
        assert_eq!(store.resume_upload(key(&format!("u/{n}/data"))).await.unwrap().offset(), 10);
    }
}

#[tokio::test]
async fn states_of_removed_uploads_are_swept() {
    let (temp, store) = fresh();
    left(&store, 10).await;
    drop(store.create_upload(key("u/2/data"), vec![]).await.unwrap());
    store.inner.evict_uploads(Duration::ZERO);
    assert_eq!(states(temp.path()).len(), 1, "an empty upload needs no state");
    store.inner.uploads.states.as_ref().unwrap().sweep(&store.inner.tree);
    assert_eq!(states(temp.path()).len(), 1);
    store.commit(vec![], vec![Change::RemoveTree(key("u/1"))]).await.unwrap();
    fs::write(temp.path().join(".skerry/uploads/rubbish"), "x").unwrap();
    store.inner.uploads.states.as_ref().unwrap().sweep(&store.inner.tree);
    assert_eq!(states(temp.path()).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_staged_counts_until_it_comes_to_an_end() {
    let temp = tempfile::tempdir().unwrap();
    let options = || Options { staged_per_holder: 1000, ..Options::default() };
    let store = open_with(temp.path(), options());
    let ann = "principal ann".into();
    let begin = async |at: &str, size: usize| {
        let mut upload = store.create_upload(key(at), vec![]).await.unwrap();
        upload.count_for(&ann);
        upload.write(vec![pattern(size)]).await.unwrap();
        upload
    };
    let staged = || store.staged().0;
    let mut upload = begin("u/1/data", 600).await;
    // What is refused leaves the upload as it was.
    assert_eq!(upload.has_room_for(401), Err(Failure::TooMuchStaged));
    assert_eq!(upload.write(vec![pattern(401)]).await, Err(Failure::TooMuchStaged));
    assert_eq!((upload.offset(), fs::metadata(temp.path().join("u/1/data")).unwrap().len()), (600, 600));
    upload.truncate(500).await.unwrap();
    assert_eq!(staged(), 500);
    // Between two requests, and closed.
    drop(upload);
    assert_eq!(staged(), 500);
    store.inner.evict_uploads(Duration::ZERO);
    assert_eq!((staged(), store.open_uploads().1), (500, 0));
    // Removed by a task of the host's, which is nobody.
    store.resume_upload(key("u/1/data")).await.unwrap().abort().await.unwrap();
    assert_eq!(staged(), 0);
    // One with no key: in memory, and in a file.
    for size in [100, 1000] {
        let mut upload = store.temporary_upload().await.unwrap();
        upload.count_for(&ann);
        upload.write(vec![pattern(size)]).await.unwrap();
        assert_eq!(staged(), size as u64);
        drop(upload);
        assert_eq!(staged(), 0);
    }
    let mut upload = begin("u/2/data", 700).await;
    upload.finish(key("b"), sha256(&pattern(700)), vec![], vec![]).await.unwrap();
    assert_eq!(staged(), 0);
    // By others, who tell nobody.
    drop(begin("u/3/data", 700).await);
    store.inner.evict_uploads(Duration::ZERO);
    fs::remove_dir_all(temp.path().join("u/3")).unwrap();
    super::super::janitor::tidy(&store.inner, 6);
    assert_eq!(staged(), 0);
    // After a restart, those that are there.
    for (at, size) in [("u/4/data", 300), ("u/5/data", 400)] {
        drop(begin(at, size).await);
    }
    store.close().await;
    drop(store);
    fs::remove_dir_all(temp.path().join("u/5")).unwrap();
    let store = open_with(temp.path(), options());
    assert_eq!(store.staged().0, 300);
    let mut upload = store.resume_upload(key("u/4/data")).await.unwrap();
    assert_eq!(upload.write(vec![pattern(701)]).await, Err(Failure::TooMuchStaged));
    upload.abort().await.unwrap();
    assert_eq!(store.staged().0, 0);
}

/// An upload of one byte at `u/<n>/data`, with a file beside it, that ended.
async fn ended(store: &Directory, n: u32, beside: &str) {
    let mut upload = begun(store, n, beside).await;
    upload.write(vec!["x".into()]).await.unwrap();
    upload.finish(key(&format!("b/{n}")), sha256(b"x"), vec![], vec![]).await.unwrap();
}

async fn begun(store: &Directory, n: u32, beside: &str) -> Box<dyn Upload> {
    let beside = vec![(key(&format!("u/{n}/startedat")), Bytes::from(beside.to_owned()))];
    store.create_upload(key(&format!("u/{n}/data")), beside).await.unwrap()
}

fn inode(path: PathBuf) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn spares(path: &Path) -> usize {
    in_stages(path).iter().filter(|name| name.starts_with("u-")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_used_again_is_as_a_new_one() {
    let (temp, store) = fresh();
    let first = begun(&store, 1, "long ago, and far away").await;
    let before = inode(temp.path().join("u/1"));
    drop(first);
    let mut first = store.resume_upload(key("u/1/data")).await.unwrap();
    first.write(vec!["x".into()]).await.unwrap();
    first.finish(key("b/1"), sha256(b"x"), vec![], vec![]).await.unwrap();
    assert!(!temp.path().join("u/1").exists());
    assert_eq!((staged(temp.path()), spares(temp.path())), (0, 1));

    // In a directory that is not there yet.
    let beside = vec![(key("v/w/2/startedat"), Bytes::from("now"))];
    let mut second = store.create_upload(key("v/w/2/data"), beside).await.unwrap();
    assert_eq!(inode(temp.path().join("v/w/2")), before);
    assert_eq!(names(&temp.path().join("v/w/2")), ["data", "startedat"]);
    assert_eq!(get(&store, "v/w/2/startedat").await.unwrap(), "now");
    assert_eq!(second.offset(), 0);
    assert_eq!(get(&store, "b/1").await.unwrap(), "x");
    second.write(vec!["y".into()]).await.unwrap();
    second.finish(key("b/2"), sha256(b"y"), vec![], vec![]).await.unwrap();
    assert_eq!((get(&store, "b/1").await.unwrap(), get(&store, "b/2").await.unwrap()), ("x".into(), "y".into()));
    drop((first, second, store));
    assert_eq!(in_stages(temp.path()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_uploads_directory_is_used_again_too() {
    let (temp, store) = fresh();
    let mut upload = begun(&store, 1, "1").await;
    upload.write(vec!["x".into()]).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!((staged(temp.path()), spares(temp.path())), (0, 1));
    assert_eq!(begun(&store, 2, "2").await.offset(), 0);
    assert_eq!(names(&temp.path().join("u/2")), ["data", "startedat"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_holds_more_is_not_used_again() {
    let (temp, store) = fresh();
    for (n, change) in (1..).zip([
        (|path| fs::write(path.join("hashstate"), "").unwrap()) as fn(&Path),
        |path| fs::create_dir(path.join("hashstates")).unwrap(),
        |path| fs::remove_file(path.join("startedat")).unwrap(),
        |path| {
            fs::remove_file(path.join("startedat")).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path.join("startedat")).unwrap();
        },
    ]) {
        let mut upload = begun(&store, n, "1").await;
        change(&temp.path().join(format!("u/{n}")));
        upload.write(vec!["x".into()]).await.unwrap();
        upload.finish(key(&format!("b/{n}")), sha256(b"x"), vec![], vec![]).await.unwrap();
        assert_eq!((staged(temp.path()), spares(temp.path())), (0, 0), "{n}");
    }
    // Nor one that another process may have made.
    drop(begun(&store, 9, "1").await);
    store.close().await;
    let other = open(temp.path());
    let mut upload = other.resume_upload(key("u/9/data")).await.unwrap();
    upload.write(vec!["x".into()]).await.unwrap();
    upload.finish(key("b/9"), sha256(b"x"), vec![], vec![]).await.unwrap();
    assert_eq!((staged(temp.path()), spares(temp.path())), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_fits_the_names_that_it_was_made_with() {
    let (temp, store) = fresh();
    ended(&store, 1, "1").await;
    assert_eq!(spares(temp.path()), 1);
    drop(store.create_upload(key("u/2/data"), vec![]).await.unwrap());
    assert_eq!(names(&temp.path().join("u/2")), ["data"]);
    assert_eq!(spares(temp.path()), 1);
    drop(begun(&store, 3, "3").await);
    assert_eq!(spares(temp.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_never_takes_the_place_of_another() {
    let (temp, store) = fresh();
    let upload = begun(&store, 1, "1").await;
    ended(&store, 2, "2").await;
    fs::create_dir_all(temp.path().join("u/3")).unwrap();
    fs::write(temp.path().join("u/3/data"), "of another process").unwrap();
    let beside = vec![(key("u/3/startedat"), Bytes::from("3"))];
    let second = store.create_upload(key("u/3/data"), beside).await;
    assert_eq!(second.err(), Some(Failure::Conflict(key("u/3/data"))));
    assert_eq!(fs::read(temp.path().join("u/3/data")).unwrap(), b"of another process");
    assert_eq!((staged(temp.path()), spares(temp.path())), (0, 0));
    drop(upload);
}
