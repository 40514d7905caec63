//! Changes that crashed, that others make, and that are not on the disk yet.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use rustix::fs::{CWD, Timespec, Timestamps, utimensat};
use tokio::time::timeout;

use super::{fresh, get, open, staged};
use crate::storage::{
    Change, Storage,
    suite::{key, pattern, put, sha256},
};

/// A directory's modification time, as if it had been long ago.
fn age(path: &Path) {
    let long_ago = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    utimensat(
        CWD,
        path,
        &Timestamps { last_access: long_ago, last_modification: long_ago },
        rustix::fs::AtFlags::empty(),
    )
    .unwrap();
}

#[tokio::test]
async fn what_a_crash_left_is_repaired() {
    let temp = tempfile::tempdir().unwrap();
    let bytes = pattern(100);
    let at = temp.path().join("blobs/x/data");
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    for left in [&b""[..], &bytes[..50]] {
        fs::write(&at, left).unwrap();
        let store = open(temp.path());
        let mut upload = store.temporary_upload().await.unwrap();
        upload.write(vec![bytes.clone()]).await.unwrap();
        upload.finish(key("blobs/x/data"), sha256(&bytes), vec![], vec![]).await.unwrap();
        assert_eq!(get(&store, "blobs/x/data").await.unwrap(), bytes);
    }
    // The empty blob is no leftover, and one as long stays in place.
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let before = inode(&at);
    let store = open(temp.path());
    let mut upload = store.temporary_upload().await.unwrap();
    upload.write(vec![bytes.clone()]).await.unwrap();
    upload.finish(key("blobs/x/data"), sha256(&bytes), vec![], vec![]).await.unwrap();
    assert_eq!(inode(&at), before);
    let mut upload = store.temporary_upload().await.unwrap();
    upload.finish(key("blobs/empty"), sha256(b""), vec![], vec![]).await.unwrap();
    assert_eq!(get(&store, "blobs/empty").await.unwrap(), "");
    drop(upload);
    assert_eq!(staged(temp.path()), 0);
}

#[tokio::test]
async fn the_dead_are_cleaned_up_after_and_the_living_not() {
    let (temp, living) = fresh();
    let mut upload = living.temporary_upload().await.unwrap();
    upload.write(vec![pattern(200_000)]).await.unwrap();
    let dead = temp.path().join(".skerry/tmp/0123456789abcdef");
    fs::create_dir_all(dead.join("t-1/deep/er")).unwrap();
    fs::write(dead.join("t-1/deep/file"), "x").unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    fs::create_dir(temp.path().join(".skerry/tmp/nolock")).unwrap();
    let second = open(temp.path());
    assert!(!dead.exists() && !temp.path().join(".skerry/tmp/nolock").exists());
    upload.finish(key("b"), sha256(&pattern(200_000)), vec![], vec![]).await.unwrap();
    assert_eq!(get(&second, "b").await.unwrap(), pattern(200_000));
    // What tidies a storage may be about to let go of it.
    let left = async |instances| {
        let there = || fs::read_dir(temp.path().join(".skerry/tmp")).unwrap().count();
        let ended = async {
            while there() != instances {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), ended).await.expect("instances that ended are there");
    };
    drop((upload, living));
    left(1).await;
    drop(second);
    left(0).await;
}

#[tokio::test]
async fn listings_are_kept_while_the_directory_is_unchanged() {
    let (temp, store) = fresh();
    for name in ["d/a", "d/b"] {
        put(&*store, name, "x").await;
    }
    let names = || async {
        store
            .page(Some(&key("d")), None, 9)
            .await
            .unwrap()
            .entries
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["a", "b"]);
    assert_eq!(store.inner.listings.kept(), 0, "too young to be kept");
    // `utimensat` sets ctime to now, so it is what is waited for.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(names().await, ["a", "b"]);
    assert_eq!(store.inner.listings.kept(), 1);
    // Somebody else: seen by the times of the directory.
    fs::write(temp.path().join("d/c"), "x").unwrap();
    assert_eq!(names().await, ["a", "b", "c"]);
    // The same time stamp is no proof while it is young.
    age(&temp.path().join("d"));
    assert_eq!(names().await, ["a", "b", "c"]);
    fs::write(temp.path().join("d/d"), "x").unwrap();
    age(&temp.path().join("d"));
    assert_eq!(names().await, ["a", "b", "c", "d"]);
    // Ourselves: dropped at once.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    names().await;
    assert_eq!(store.inner.listings.kept(), 1);
    put(&*store, "d/e", "x").await;
    assert_eq!(store.inner.listings.kept(), 0);
    assert_eq!(names().await, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_large_tree_goes_at_once_and_its_rest_in_time() {
    let (temp, store) = fresh();
    // The janitor's first round is over.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let tree = temp.path().join("t");
    for n in 0..60 {
        let inner = tree.join(format!("{n}/x/y"));
        fs::create_dir_all(&inner).unwrap();
        (0..20).for_each(|n| fs::write(inner.join(n.to_string()), "x").unwrap());
    }
    store.commit(vec![], vec![Change::RemoveTree(key("t"))]).await.unwrap();
    assert!(!tree.exists());
    assert_eq!(staged(temp.path()), 1, "more than one commit removes");
    super::super::janitor::tidy(&store.inner, 1);
    assert_eq!(staged(temp.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_wait_for_the_disk() {
    let (_temp, store) = fresh();
    put(&*store, "a/b", "old").await;
    let mut marks = store.inner.pending.marks();
    marks.place(Some(key("a/b")));
    marks.tree(key("t"));
    let wait = Duration::from_millis(50);
    assert!(timeout(wait, store.read(&key("a/b"), 9)).await.is_err());
    assert!(timeout(wait, store.stat(&key("t/x"))).await.is_err());
    assert!(timeout(wait, store.page(Some(&key("a")), None, 9)).await.is_ok());
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.read(&key("a/b"), 9).await }
    });
    tokio::time::sleep(wait).await;
    drop(marks);
    assert_eq!(timeout(wait * 20, waiting).await.unwrap().unwrap().unwrap(), "old");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_leave_nothing_behind() {
    let (_temp, store) = fresh();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let changes = [n % 3, n % 5, n % 7].map(|n| Change::Put(key(&format!("k/{n}/x")), "x".into())).to_vec();
                let tree = vec![Change::RemoveTree(key(&format!("k/{}", n % 7)))];
                let commit = store.commit(vec![], if n % 4 == 0 { tree } else { changes });
                if n % 2 == 0 {
                    timeout(Duration::from_micros(n * 50), commit).await.unwrap_or(Ok(()))
                } else {
                    commit.await
                }
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    // Jobs whose request gave up end by themselves.
    let all = u32::try_from(store.inner.options.threads.commits).unwrap();
    drop(store.inner.pools.commits.acquire_many(all).await.unwrap());
    assert_eq!(store.inner.locks.len(), 0);
    assert!(store.inner.pending.is_empty());
}

/// What is set aside is found again, whatever it was, and nothing of it is
/// overwritten.
#[tokio::test]
async fn what_is_set_aside_is_kept() {
    let (temp, store) = fresh();
    let aside = |at: &'static str| vec![Change::Quarantine(key(at))];
    let write = |at: &'static str, text: &'static str| Change::Put(key(at), text.into());
    let found = |name: &str| -> Vec<Vec<u8>> {
        let days = fs::read_dir(temp.path().join(".skerry/quarantine")).unwrap();
        let mut found: Vec<_> = days.filter_map(|day| fs::read(day.unwrap().path().join(name)).ok()).collect();
        found.sort();
        found
    };
    for n in ["1", "2", "3"] {
        store.commit(vec![], vec![write("a/b/data", n), write("a/b/more", n)]).await.unwrap();
        store.commit(vec![], aside("a/b")).await.unwrap();
        assert!(!temp.path().join("a/b").exists());
    }
    assert_eq!(found("a/b/data"), [b"1", b"2", b"3"]);
    assert_eq!(found("a/b/more").len(), 3);
    // And something else is put in its place at once.
    store.commit(vec![], vec![write("c", "old")]).await.unwrap();
    store.commit(vec![], vec![Change::Quarantine(key("c")), Change::Create(key("c"), "new".into())]).await.unwrap();
    assert_eq!(get(&store, "c").await.unwrap(), "new");
    assert_eq!(found("c"), [b"old"]);

    fs::create_dir(temp.path().join("d")).unwrap();
    std::os::unix::fs::symlink("/etc", temp.path().join("d/link")).unwrap();
    rustix::fs::mknodat(CWD, temp.path().join("d/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut others = store.others(10).await.unwrap();
    others.sort();
    assert_eq!(others, [key("d/link"), key("d/pipe")]);
    assert_eq!(store.others(1).await.unwrap().len(), 1);
    for at in ["d/link", "d/pipe", "d/nothing", "nowhere/at/all"] {
        store.commit(vec![], vec![Change::Quarantine(key(at))]).await.unwrap();
    }
    assert_eq!(store.others(10).await.unwrap(), []);
    let day = |name: &str| {
        let days = fs::read_dir(temp.path().join(".skerry/quarantine")).unwrap();
        days.filter_map(Result::ok).any(|day| day.path().join(name).symlink_metadata().is_ok())
    };
    assert!(day("d/link") && day("d/pipe") && !day("d/nothing"));
    assert_eq!(staged(temp.path()), 0);
}

/// Beside whoever has it alone, and on what nobody may write to.
#[tokio::test]
async fn what_only_reads_leaves_no_trace() {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::open_with;
    use crate::storage::{Algorithm, Failure, directory::Options};

    let temp = tempfile::tempdir().unwrap();
    let bytes = pattern(600_000);
    fs::write(temp.path().join("a"), &bytes).unwrap();
    let reading = || open_with(temp.path(), Options { read_only: true, ..Options::default() });
    let store = reading();
    assert!(!temp.path().join(".skerry").exists());
    let hashed = Arc::<AtomicU64>::default();
    let digest = store.digest(&key("a"), Algorithm::Sha256, &hashed).await.unwrap();
    assert_eq!((digest, hashed.load(Ordering::Relaxed)), (sha256(&bytes), 600_000));
    assert_eq!(store.digest(&key("b"), Algorithm::Sha256, &hashed).await, Err(Failure::NotFound));
    let aside = vec![Change::Quarantine(key("a"))];
    assert_eq!(store.commit(vec![], aside).await, Err(Failure::ReadOnly));
    assert_eq!(store.own("x", 10).await, Err(Failure::ReadOnly));
    let _alone = open_with(temp.path(), Options { exclusive: true, ..Options::default() });
    drop(reading());
}

#[tokio::test]
async fn files_of_the_hosts_own_are_changed_one_after_the_other() {
    let (temp, store) = fresh();
    let other = open(temp.path());
    assert_eq!(store.own("n", 10).await.unwrap(), None);
    let more = |bytes: Option<Vec<u8>>| {
        let n: u32 = bytes.map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse().unwrap());
        (n + 1).to_string().into_bytes()
    };
    let mut running = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        running.spawn(async move { store.change_own("n", 10, more).await });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(store.own("n", 10).await.unwrap().unwrap(), b"40");
    assert_eq!(store.own("n", 1).await.unwrap(), None, "it is larger than it may be");
    fs::remove_file(temp.path().join(".skerry/n")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", temp.path().join(".skerry/n")).unwrap();
    assert!(!matches!(store.own("n", 1 << 20).await, Ok(Some(_))), "no link is followed");
    assert_eq!(staged(temp.path()), 0);
}
