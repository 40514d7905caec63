//! Things that are no objects, in the place of objects.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use rustix::fs::{CWD, FileType as Planted, Mode, mknodat};
use tokio::time::timeout;

use super::{fresh, get, open_with, staged};
use crate::storage::{
    Change, Durability, Expectation, Failure, Options, Storage,
    suite::{key, pattern, put, sha256},
};

#[tokio::test]
async fn nothing_planted_is_followed_or_waited_for() {
    for openat2 in [true, false] {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let (temp, store) = fresh();
        if !openat2 {
            store.inner.tree.forget_openat2();
        }
        let at = |name: &str| temp.path().join(name);
        put(&*store, "real/file", "x").await;
        symlink(outside.path(), at("out")).unwrap();
        symlink(outside.path().join("secret"), at("real/out")).unwrap();
        symlink("real", at("inside")).unwrap();
        symlink("file", at("real/inside")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("/proc/self/fd", at("magic")).unwrap();
        mknodat(CWD, at("fifo"), Planted::Fifo, Mode::RWXU, 0).unwrap();
        mknodat(CWD, at("real/fifo"), Planted::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("real/socket")).unwrap();
        assert!(fs::symlink_metadata(at("fifo")).unwrap().file_type().is_fifo());
        for planted in [
            "out/secret",
            "out",
            "real/out",
            "inside/file",
            "real/inside",
            "loop",
            "loop/x",
            "magic/0",
            "fifo",
            "real/fifo",
            "real/socket",
        ] {
            let at = key(planted);
            let kinds = [
                get(&store, planted).await.map(drop),
                timeout(Duration::from_secs(5), store.open(&at)).await.unwrap().map(drop),
                timeout(Duration::from_secs(5), store.resume_upload(at.clone())).await.unwrap().map(drop),
                store.page(Some(&at), None, 9).await.map(drop),
                store.stat(&at).await.map(drop),
            ];
            for kind in kinds {
                // Walking, a link on the way looks like a file on the way.
                assert!(matches!(kind, Err(Failure::WrongKind | Failure::NotFound)), "{planted}: {kind:?}");
            }
            for change in [
                Change::Put(at.clone(), "y".into()),
                Change::Create(at.join("y").unwrap(), "y".into()),
                Change::MakeDirectory(at.clone()),
            ] {
                let done = timeout(Duration::from_secs(5), store.commit(vec![], vec![change.clone()])).await.unwrap();
                assert_eq!(done, Err(Failure::WrongKind), "{change:?}");
            }
            let absent = store.commit(vec![Expectation::Absent(at.clone())], vec![]).await;
            assert!(absent == Err(Failure::Conflict(at)) || !openat2, "{planted}: {absent:?}");
        }
        let listed = store.page(None, None, 99).await.unwrap().entries;
        assert_eq!(listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["real"]);
        store.commit(vec![], vec![Change::RemoveTree(key("real"))]).await.unwrap();
        assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn allowed_links_are_followed_and_keep_their_own_prefix() {
    let (temp, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(disk.path(), temp.path().join("docker")).unwrap();
    fs::create_dir(disk.path().join("elsewhere")).unwrap();
    symlink("elsewhere", disk.path().join("v2")).unwrap();
    let allowed_links = vec![key("docker/v2"), key("docker"), key("docker/none"), key("none/none")];
    let store = open_with(temp.path(), Options { allowed_links, ..Options::default() });
    symlink("elsewhere", disk.path().join("other")).unwrap();
    put(&*store, "docker/v2/a/b", "x").await;
    assert_eq!(fs::read(disk.path().join("elsewhere/a/b")).unwrap(), b"x");
    assert_eq!(get(&store, "docker/v2/a/b").await.unwrap(), "x");
    assert_eq!(get(&store, "docker/other/a/b").await, Err(Failure::WrongKind));
    let names =
        |listing: crate::storage::Listing| listing.entries.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(store.page(Some(&key("docker")), None, 9).await.unwrap()), ["elsewhere", "v2"]);
    assert_eq!(names(store.page(None, None, 9).await.unwrap()), ["docker"]);
    fs::create_dir(disk.path().join(".skerry")).unwrap();
    fs::write(disk.path().join(".skerry/key"), "k").unwrap();
    assert_eq!(get(&store, "docker/.skerry/key").await, Err(Failure::NotFound));
    assert_eq!(names(store.page(Some(&key("docker")), None, 9).await.unwrap()), ["elsewhere", "v2"]);
    for kept in ["docker", "docker/v2"] {
        for change in [Change::RemoveTree(key(kept)), Change::Remove(key(kept))] {
            assert_eq!(store.commit(vec![], vec![change]).await, Err(Failure::WrongKind));
        }
    }
    assert!(store.create_upload(key("docker/data"), vec![]).await.is_err());
    fs::write(disk.path().join("data"), "x").unwrap();
    assert_eq!(store.resume_upload(key("docker/data")).await.err(), Some(Failure::NotFound));
}

#[tokio::test]
async fn objects_may_lie_on_several_disks() {
    // Another filesystem than that of temporary files.
    let Ok(disk) = tempfile::tempdir_in("/dev/shm") else { return };
    let temp = tempfile::tempdir().unwrap();
    symlink(disk.path(), temp.path().join("blobs")).unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(disk.path()) == device(temp.path()) {
        return;
    }
    let store = open_with(temp.path(), Options { allowed_links: vec![key("blobs")], ..Options::default() });
    let bytes = pattern(200_000);
    put(&*store, "blobs/small", "x").await;
    for (to, temporary) in [("blobs/1", false), ("blobs/2", true), ("here/1", false), ("here/2", true)] {
        let mut upload = match temporary {
            true => store.temporary_upload().await.unwrap(),
            false => store.create_upload(key("u/1/data"), vec![]).await.unwrap(),
        };
        upload.write(vec![bytes.clone()]).await.unwrap();
        let link = Change::Put(key("here/link"), "x".into());
        upload
            .finish(key(to), sha256(&bytes), vec![], vec![link, Change::Put(key("blobs/link"), "x".into())])
            .await
            .unwrap();
        assert_eq!(get(&store, to).await.unwrap(), bytes);
    }
    assert_eq!((staged(temp.path()), staged(disk.path())), (0, 0));
    assert!(!temp.path().join("u/1").exists());
    store.commit(vec![], vec![Change::RemoveTree(key("here")), Change::Remove(key("blobs/1"))]).await.unwrap();
    let names: Vec<_> =
        store.page(Some(&key("blobs")), None, 9).await.unwrap().entries.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["2", "link", "small"]);
}

#[tokio::test]
async fn modes_are_distributions() {
    let (temp, store) = fresh();
    put(&*store, "a/b", "x").await;
    drop(store.create_upload(key("u/1/data"), vec![]).await.unwrap());
    fs::write(temp.path().join("reference"), "").unwrap();
    let mode = |name: &str| fs::metadata(temp.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a/b"), mode("u/1/data")), (mode("reference"), mode("reference")));
    assert_eq!((mode("a"), mode("u/1")), (mode("a/b") | 0o111, mode("a/b") | 0o111));
    assert_eq!((mode(".skerry"), mode(".skerry/key")), (0o700, 0o600));
    assert_eq!(store.durability(), Durability::Full);
    assert_eq!(store.check().await, Ok(()));
}

#[tokio::test]
async fn names_that_are_no_segments_are_left_out() {
    let (temp, store) = fresh();
    fs::create_dir(temp.path().join("d")).unwrap();
    for name in ["ok", "back\\slash", "new\nline", ".hidden", ".skerry"] {
        fs::write(temp.path().join("d").join(name), "x").unwrap();
    }
    let not_utf8: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&[0xff, 0xfe]);
    fs::write(temp.path().join("d").join(not_utf8), "x").unwrap();
    let names: Vec<_> =
        store.page(Some(&key("d")), None, 9).await.unwrap().entries.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [".hidden", ".skerry", "ok"]);
}

#[tokio::test]
async fn a_file_that_shrinks_is_an_error() {
    let (temp, store) = fresh();
    store.commit(vec![], vec![Change::Put(key("o"), pattern(10_000))]).await.unwrap();
    let object = store.open(&key("o")).await.unwrap();
    fs::OpenOptions::new().write(true).open(temp.path().join("o")).unwrap().set_len(100).unwrap();
    assert!(matches!(object.chunk(5000, 100).await, Err(Failure::Io(_))));
    assert!(!matches!(object.try_chunk(5000, 100), Some(Ok(_))));
}

#[tokio::test]
async fn a_sparse_giant_is_not_read() {
    let (temp, store) = fresh();
    fs::File::create(temp.path().join("giant")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(store.read(&key("giant"), u64::MAX).await, Err(Failure::TooLarge(1 << 40)));
}

fn refused(path: &Path, allowed_links: Vec<crate::storage::Key>) -> String {
    let root = cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap();
    let options = Options { allowed_links, ..Options::default() };
    crate::storage::Directory::open(root, options).err().map(|failure| failure.to_string()).unwrap_or_default()
}

#[test]
fn links_near_the_root_are_named_at_start() {
    let disk = tempfile::tempdir().unwrap();
    for at in ["docker", "docker/registry", "docker/registry/v2/blobs", "docker/registry/v2/repositories"] {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join(at);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(disk.path(), &link).unwrap();
        let said = refused(temp.path(), vec![]);
        for part in [at, disk.path().to_str().unwrap(), "storage.filesystem.symlinks"] {
            assert!(said.contains(part), "{at}: {said}");
        }
        assert_eq!(refused(temp.path(), vec![key(at)]), "");
        fs::remove_file(&link).unwrap();
        symlink("/nowhere/at/all", &link).unwrap();
        for allowed in [vec![], vec![key(at)]] {
            assert!(refused(temp.path(), allowed).contains("`/nowhere/at/all`"), "{at}");
        }
    }
}

#[test]
fn links_to_files_and_deep_links_do_not_stop_the_start() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("file"), "x").unwrap();
    symlink("file", temp.path().join("link")).unwrap();
    fs::create_dir_all(temp.path().join("a/b/c/d")).unwrap();
    symlink(temp.path(), temp.path().join("a/b/c/d/link")).unwrap();
    assert_eq!(refused(temp.path(), vec![]), "");
    assert!(!super::open(temp.path()).folds_names());
    assert_eq!(staged(temp.path()), 0);
}
