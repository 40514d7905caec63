//! What remembered answers rest on: counters of changes, and stamps.

use std::{collections::BTreeSet, future::poll_fn, os::unix::fs::symlink, task::Poll, time::Instant};

use super::{
    super::{files, tree::Wait},
    *,
};
use crate::storage::{Change, Cover, Generations, Seen, Trust, suite::put};

/// Places, and the counters that they had.
struct Watched {
    generations: Arc<Generations>,
    places: Vec<(&'static str, Cover, Option<u64>)>,
}

impl Watched {
    fn new(store: &Directory, places: &[&'static str]) -> Self {
        let generations = store.generations().clone();
        let watch = |place: &&'static str| {
            let cover = generations.cover((!place.is_empty()).then(|| key(place)).as_ref());
            let sample = generations.sample(&cover);
            (*place, cover, sample)
        };
        let places = places.iter().map(watch).collect();
        Self { generations, places }
    }

    /// Which of them changed, or are being changed.
    fn changed(&self) -> BTreeSet<&'static str> {
        let changed = self.places.iter().filter(|(_, cover, sample)| self.generations.sample(cover) != *sample);
        changed.map(|(place, ..)| *place).collect()
    }
}

const PLACES: [&str; 16] = [
    "",
    "r",
    "r/t",
    "r/t/a",
    "r/t/a/link",
    "r/t/b",
    "r/t/b/link",
    "r/u",
    "r/u/1",
    "r/u/1/data",
    "r/u/1/startedat",
    "r/u/2",
    "r/u/2/data",
    "b",
    "b/data",
    "b/other",
];

async fn change(store: &Arc<Directory>, what: &str) {
    let upload = |at: &'static str| {
        let store = store.clone();
        async move {
            let beside = vec![(key("r/u/1/startedat"), Bytes::from("now"))];
            let mut upload = store.create_upload(key(at), beside).await.unwrap();
            upload.write(vec![Bytes::from("bytes")]).await.unwrap();
            upload
        }
    };
    match what {
        "new" => put(&**store, "r/t/b/link", "x").await,
        "over" => put(&**store, "r/t/a/link", "y").await,
        "remove" => store.commit(vec![], vec![Change::Remove(key("r/t/a/link"))]).await.unwrap(),
        "tree" => store.commit(vec![], vec![Change::RemoveTree(key("r/t"))]).await.unwrap(),
        "directory" => store.commit(vec![], vec![Change::MakeDirectory(key("r/t/b"))]).await.unwrap(),
        "fails" => {
            let changes =
                vec![Change::Put(key("r/t/a/link"), "z".into()), Change::Put(key("r/t/a/link/x"), "z".into())];
            store.commit(vec![], changes).await.unwrap_err();
        }
        "begin" => drop(upload("r/u/1/data").await),
        "abort" => upload("r/u/1/data").await.abort().await.unwrap(),
        "finish" => {
            let digest = suite::sha256(b"bytes");
            let link = vec![Change::Put(key("r/t/a/link"), "b".into())];
            upload("r/u/1/data").await.finish(key("b/data"), digest, vec![], link).await.unwrap();
        }
        "nothing" => drop(get(store, "r/t/a/link").await),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_counted() {
    // What must be seen to change; the rest must not.
    let cases: [(&str, &[&str]); 10] = [
        ("nothing", &[]),
        ("new", &["r/t", "r/t/b", "r/t/b/link"]),
        ("over", &["r/t/a/link"]),
        ("remove", &["r/t/a", "r/t/a/link"]),
        ("tree", &["r", "r/t", "r/t/a", "r/t/a/link", "r/t/b", "r/t/b/link"]),
        ("directory", &["r/t", "r/t/b"]),
        ("fails", &["r/t/a/link"]),
        ("begin", &["r", "r/u", "r/u/1", "r/u/1/data", "r/u/1/startedat"]),
        ("abort", &["r", "r/u", "r/u/1", "r/u/1/data", "r/u/1/startedat"]),
        ("finish", &["", "r", "r/u", "r/u/1", "r/u/1/data", "r/u/1/startedat", "b", "b/data", "r/t/a/link"]),
    ];
    for (what, expected) in cases {
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        let mut always: BTreeSet<_> = PLACES.into();
        // Two keys share a counter by chance: not three times.
        for _ in 0..3 {
            let (_temp, store) = fresh();
            put(&*store, "r/t/a/link", "x").await;
            let watched = Watched::new(&store, &PLACES);
            change(&store, what).await;
            let changed = watched.changed();
            assert!(changed.is_superset(&expected), "{what}: {changed:?}");
            // It is over: nothing is under way for ever.
            let all = Cover::join(watched.places.iter().map(|(_, cover, _)| cover));
            assert!(store.generations().sample(&all).is_some(), "{what}");
            always.retain(|place| changed.contains(place));
        }
        assert_eq!(always, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_in_are_counted_where_nothing_else_tells() {
    let temp = tempfile::tempdir().unwrap();
    let store = open_with(temp.path(), Options { exclusive: true, ..Options::default() });
    change(&store, "begin").await;
    let watched = Watched::new(&store, &["r/u/1/data"]);
    let mut upload = store.resume_upload(key("r/u/1/data")).await.unwrap();
    let cover = &watched.places[0].1;
    assert_eq!(store.generations().sample(cover), None);
    upload.write(vec![Bytes::from("more")]).await.unwrap();
    drop(upload);
    assert!(store.generations().sample(cover).is_some_and(|sample| Some(sample) != watched.places[0].2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_under_way_though_its_request_is_gone() {
    let (_temp, store) = fresh();
    put(&*store, "a", "old").await;
    let watched = Watched::new(&store, &["a"]);
    let cover = &watched.places[0].1;
    let mut seen_under_way = false;
    for _ in 0..2000 {
        let sample = store.generations().sample(cover);
        // The request goes away when its commit has been handed over.
        let mut commit = Box::pin(store.commit(vec![], vec![Change::Put(key("a"), "new".into())]));
        poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx).is_ready())).await;
        drop(commit);
        let end = Instant::now() + Duration::from_millis(50);
        while Instant::now() < end {
            let before = store.generations().sample(cover);
            seen_under_way |= before.is_none();
            let read = get(&store, "a").await.unwrap();
            let after = store.generations().sample(cover);
            if before == watched.places[0].2 && before == after {
                assert_eq!(read, "old");
            }
            if after.is_some() && after != sample {
                break;
            }
        }
        if seen_under_way {
            break;
        }
    }
    let all = u32::try_from(store.inner.options.threads.commits).unwrap();
    drop(store.inner.pools.commits.acquire_many(all).await.unwrap());
    assert!(store.generations().sample(cover).is_some());
    assert!(seen_under_way, "no commit was ever left half done");
}

fn stamp(store: &Directory, at: &str) -> Seen {
    store.glance(Some(&key(at)))
}

#[tokio::test]
async fn stamps_are_of_the_very_thing() {
    let (temp, store) = fresh();
    assert_eq!(store.trust(), Trust::Stamps);
    put(&*store, "a/b/c", "x").await;
    let (read, seen) = store.look_read(&key("a/b/c"), 9).await;
    assert_eq!((read.unwrap(), seen), (Bytes::from("x"), stamp(&store, "a/b/c")));
    assert!(matches!(seen, Seen::State(_)));
    assert_eq!(store.look_stat(&key("a/b/c")).await.1, seen);
    assert_eq!(store.open(&key("a/b/c")).await.unwrap().seen(), seen);
    let listed = store.look_page(Some(&key("a/b")), None, 9).await.1;
    assert_eq!(listed, stamp(&store, "a/b"));
    for absent in ["a/x", "x/y/z", "a/b/c/d"] {
        assert_eq!(store.look_read(&key(absent), 9).await.1, Seen::Nothing, "{absent}");
    }
    // What the kernel has not at hand is not waited for; below a file, and on
    // tmpfs what is not there, it never has.
    for absent in ["a/x", "a/b/c/d"] {
        assert!(matches!(stamp(&store, absent), Seen::Nothing | Seen::Unknown), "{absent}");
    }
    // Too large: the look failed.
    assert_eq!(store.look_read(&key("a/b/c"), 0).await.1, Seen::Unknown);

    // The directory is moved, and another is in its place; then the old one
    // behind a link, which no look follows.
    let at = |name: &str| temp.path().join(name);
    fs::rename(at("a"), at("old")).unwrap();
    assert!(matches!(stamp(&store, "a/b/c"), Seen::Nothing | Seen::Unknown));
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/c"), "x").unwrap();
    assert_ne!(stamp(&store, "a/b/c"), seen);
    fs::remove_dir_all(at("a")).unwrap();
    symlink("old", at("a")).unwrap();
    assert_eq!(stamp(&store, "a/b/c"), Seen::Unknown);
    fs::remove_file(at("a")).unwrap();
    fs::rename(at("old"), at("a")).unwrap();
    assert_eq!(stamp(&store, "a/b/c"), seen);
}

#[tokio::test]
async fn what_changes_while_it_is_read_was_not_seen() {
    let (temp, store) = fresh();
    put(&*store, "a", "old").await;
    let file = store.inner.tree.object(&key("a"), Wait::Yes).unwrap();
    let before = files::object_stat(&file, &key("a")).unwrap();
    assert_eq!(store.inner.unchanged(&key("a"), &file, &before), stamp(&store, "a"));
    fs::write(temp.path().join("a"), "longer").unwrap();
    assert_eq!(store.inner.unchanged(&key("a"), &file, &before), Seen::Unknown);
}

#[test]
fn who_is_alone_is_alone() {
    let exclusive = || Options { exclusive: true, ..Options::default() };
    let temp = tempfile::tempdir().unwrap();
    let again = |options| {
        let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        Directory::open(root, options)
    };
    let (one, two) = (open(temp.path()), open(temp.path()));
    for held in [one, two] {
        assert!(matches!(again(exclusive()), Err(Failure::Other(why)) if why.contains("another process")));
        drop(held);
    }
    let alone = again(exclusive()).unwrap();
    assert_eq!(alone.trust(), Trust::Generations);
    for options in [exclusive(), Options::default()] {
        assert!(matches!(again(options), Err(Failure::Other(why)) if why.contains("storage.filesystem.exclusive")));
    }
    drop(alone);
    assert_eq!(again(Options::default()).unwrap().trust(), Trust::Stamps);
}
