//! Objects, commits and pages.

use super::{Store, get, key, names, pattern, put};
use crate::storage::{Change, Expectation, Failure, Kind, Listing};

pub(super) async fn reads(store: Store) {
    put(&*store, "a/b", "hello").await;
    assert_eq!(get(&store, "a/b").await.unwrap(), "hello");
    assert_eq!(store.read(&key("a/b"), 5).await.unwrap(), "hello");
    assert_eq!(store.read(&key("a/b"), 4).await, Err(Failure::TooLarge(5)));
    for absent in ["x", "a/x", "a/x/y", "a/b/c"] {
        assert_eq!(get(&store, absent).await, Err(Failure::NotFound), "{absent}");
        assert_eq!(store.stat(&key(absent)).await, Err(Failure::NotFound), "{absent}");
        assert_eq!(store.open(&key(absent)).await.err(), Some(Failure::NotFound), "{absent}");
    }
    assert_eq!(get(&store, "a").await, Err(Failure::WrongKind));
    assert_eq!(store.open(&key("a")).await.err(), Some(Failure::WrongKind));
    let (object, directory) = (store.stat(&key("a/b")).await.unwrap(), store.stat(&key("a")).await.unwrap());
    assert_eq!((object.kind, object.size), (Kind::Object, 5));
    assert_eq!((directory.kind, directory.size), (Kind::Directory, 0));
    assert!(object.modified.elapsed().is_ok_and(|age| age.as_secs() < 60));
    put(&*store, "a/empty", "").await;
    assert_eq!(get(&store, "a/empty").await.unwrap(), "");
}

pub(super) async fn expectations(store: Store) {
    put(&*store, "full", "1").await;
    put(&*store, "empty", "").await;
    put(&*store, "d/x", "").await;
    let equals = |at: &str, bytes: &'static str| Expectation::Equals(key(at), bytes.into());
    let table = [
        (Expectation::Absent(key("none")), true),
        (Expectation::Absent(key("full/none")), true),
        (Expectation::Absent(key("full")), false),
        (Expectation::Absent(key("empty")), false),
        (Expectation::Absent(key("d")), false),
        (Expectation::Present(key("full")), true),
        (Expectation::Present(key("empty")), false),
        (Expectation::Present(key("none")), false),
        (Expectation::Present(key("d")), false),
        (Expectation::Present(key("d/none/none")), false),
        (equals("full", "1"), true),
        (equals("full", "2"), false),
        (equals("full", "12"), false),
        (equals("full", ""), false),
        (equals("empty", ""), true),
        (equals("none", ""), false),
        (equals("d", ""), false),
    ];
    for (index, (expectation, holds)) in table.into_iter().enumerate() {
        let at = format!("result/{index}");
        let (Expectation::Absent(about) | Expectation::Present(about) | Expectation::Equals(about, _)) =
            expectation.clone();
        let done = store.commit(vec![expectation.clone()], vec![Change::Put(key(&at), "x".into())]).await;
        assert_eq!(done, if holds { Ok(()) } else { Err(Failure::Conflict(about)) }, "{expectation:?}");
        assert_eq!(get(&store, &at).await.is_ok(), holds, "{expectation:?}");
    }
    let mixed = vec![Expectation::Present(key("full")), Expectation::Present(key("none"))];
    assert_eq!(store.commit(mixed, vec![]).await, Err(Failure::Conflict(key("none"))));
    assert_eq!(store.commit(vec![], vec![]).await, Ok(()));
}

pub(super) async fn create_conflicts(store: Store) {
    let create = |at: &str, bytes: &'static str| Change::Create(key(at), bytes.into());
    store.commit(vec![], vec![create("a/one", "1")]).await.unwrap();
    let both = vec![Change::Put(key("a/new"), "n".into()), create("a/one", "2")];
    assert_eq!(store.commit(vec![], both).await, Err(Failure::Conflict(key("a/one"))));
    assert_eq!(get(&store, "a/new").await, Err(Failure::NotFound), "nothing was changed");
    assert_eq!(get(&store, "a/one").await.unwrap(), "1");
    assert_eq!(store.commit(vec![], vec![create("a", "x")]).await, Err(Failure::Conflict(key("a"))));
    assert_eq!(store.commit(vec![], vec![create("a/one/x", "x")]).await, Err(Failure::WrongKind));
    let wrong = vec![Change::Put(key("a"), "x".into())];
    assert_eq!(store.commit(vec![], wrong).await, Err(Failure::WrongKind));
}

pub(super) async fn order_within_a_commit(store: Store) {
    let put = |at: &str, bytes: &'static str| Change::Put(key(at), bytes.into());
    store.commit(vec![], vec![put("a/x", "1"), put("a/x", "2"), put("b", "3")]).await.unwrap();
    assert_eq!(get(&store, "a/x").await.unwrap(), "2");
    let again = vec![Change::Remove(key("a/x")), Change::Create(key("a/x"), "4".into())];
    store.commit(vec![], again).await.unwrap();
    assert_eq!(get(&store, "a/x").await.unwrap(), "4");
    let anew = vec![Change::RemoveTree(key("a")), put("a/y/z", "5"), Change::Remove(key("b"))];
    store.commit(vec![], anew).await.unwrap();
    assert_eq!(names(&store, "a").await, ["y"]);
    assert_eq!(get(&store, "a/y/z").await.unwrap(), "5");
    assert_eq!(get(&store, "b").await, Err(Failure::NotFound));
    let gone = vec![put("c/d", "6"), Change::RemoveTree(key("c"))];
    store.commit(vec![], gone).await.unwrap();
    assert_eq!(store.stat(&key("c")).await, Err(Failure::NotFound));
}

pub(super) async fn removals(store: Store) {
    for at in ["t/a", "t/b/c", "t/b/d/e", "keep"] {
        put(&*store, at, "x").await;
    }
    let remove = |at: &str| vec![Change::Remove(key(at))];
    let tree = |at: &str| vec![Change::RemoveTree(key(at))];
    store.commit(vec![], remove("t/a")).await.unwrap();
    store.commit(vec![], remove("t/a")).await.unwrap();
    store.commit(vec![], remove("none/none")).await.unwrap();
    store.commit(vec![], tree("none/none")).await.unwrap();
    assert_eq!(store.commit(vec![], remove("t/b")).await, Err(Failure::WrongKind));
    assert_eq!(store.commit(vec![], tree("keep")).await, Err(Failure::WrongKind));
    assert_eq!(names(&store, "t").await, ["b"]);
    store.commit(vec![], tree("t")).await.unwrap();
    assert_eq!(store.stat(&key("t")).await, Err(Failure::NotFound));
    assert_eq!(get(&store, "keep").await.unwrap(), "x");
}

pub(super) async fn directories(store: Store) {
    let make = |at: &str| Change::MakeDirectory(key(at));
    store.commit(vec![], vec![make("a/b/c"), Change::Put(key("a/x"), "x".into()), make("a/b/c")]).await.unwrap();
    assert_eq!(store.stat(&key("a/b/c")).await.unwrap().kind, Kind::Directory);
    assert_eq!(store.commit(vec![], vec![make("a/x")]).await, Err(Failure::WrongKind));
    store.commit(vec![], vec![Change::RemoveTree(key("a/b")), make("a/b/d")]).await.unwrap();
    assert_eq!(names(&store, "a/b").await, ["d"]);
}

pub(super) async fn one_create_wins(store: Store) {
    let tasks: Vec<_> = (0..16)
        .map(|n: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                let own = Change::Put(key(&format!("own/{n}")), "x".into());
                store.commit(vec![], vec![own, Change::Create(key("shared/key"), n.to_string().into())]).await
            })
        })
        .collect();
    let mut won = Vec::new();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(()) => won.push(n),
            Err(failure) => {
                assert_eq!(failure, Failure::Conflict(key("shared/key")));
                assert_eq!(get(&store, &format!("own/{n}")).await, Err(Failure::NotFound));
            }
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(get(&store, "shared/key").await.unwrap(), won[0].to_string());
}

pub(super) async fn compare_and_swap_counts(store: Store) {
    put(&*store, "count", "0").await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < 5 {
                    let before = store.read(&key("count"), 99).await.unwrap();
                    let next = (std::str::from_utf8(&before).unwrap().parse::<u32>().unwrap() + 1).to_string();
                    let expect = vec![Expectation::Equals(key("count"), before)];
                    match store.commit(expect, vec![Change::Put(key("count"), next.into())]).await {
                        Ok(()) => done += 1,
                        Err(failure) => assert_eq!(failure, Failure::Conflict(key("count"))),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(get(&store, "count").await.unwrap(), "40");
}

pub(super) async fn bounds_of_a_commit(store: Store) {
    let many = |n| (0..n).map(|n| Change::Put(key(&format!("m/{n}")), "x".into())).collect::<Vec<_>>();
    assert!(matches!(store.commit(vec![], many(65)).await, Err(Failure::TooLarge(_))));
    let large = |size| vec![Change::Put(key("large"), pattern(size))];
    assert!(matches!(store.commit(vec![], large((8 << 20) + 1)).await, Err(Failure::TooLarge(_))));
    assert_eq!(store.commit(vec![], large(8 << 20)).await, Ok(()));
    assert_eq!(store.read(&key("large"), 8 << 20).await.unwrap(), pattern(8 << 20));
    assert_eq!(store.commit(vec![], many(64)).await, Ok(()));
    assert_eq!(names(&store, "m").await.len(), 64);
}

pub(super) async fn pages(store: Store) {
    let at = ["p/b", "p/a/x", "p/B", "p/é", "p/a.b", "p/a-b", "p/z"];
    store.commit(vec![], at.iter().map(|at| Change::Put(key(at), "x".into())).collect()).await.unwrap();
    let sorted = ["B", "a", "a-b", "a.b", "b", "z", "é"];
    for limit in 0..9_u32 {
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.page(Some(&key("p")), after.as_deref(), limit).await.unwrap();
            assert!(page.entries.len() <= limit as usize);
            seen.extend(page.entries.iter().map(|(name, _)| name.clone()));
            after = seen.last().cloned();
            if !page.more || limit == 0 {
                assert_eq!(page.more, limit == 0);
                break;
            }
        }
        assert_eq!(seen, if limit == 0 { &[][..] } else { &sorted[..] }, "limit {limit}");
    }
    let from = |after: &'static str| {
        let store = store.clone();
        async move { store.page(Some(&key("p")), Some(after), 2).await.unwrap() }
    };
    assert_eq!(from("a.a").await.entries, [("a.b".into(), Kind::Object), ("b".into(), Kind::Object)]);
    assert_eq!(from("").await.entries, [("B".into(), Kind::Object), ("a".into(), Kind::Directory)]);
    assert_eq!(from("é").await, Listing::default());
    assert_eq!(store.page(Some(&key("none")), None, 9).await, Err(Failure::NotFound));
    assert_eq!(store.page(Some(&key("p/b")), None, 9).await, Err(Failure::WrongKind));
    let root = store.page(None, None, 9).await.unwrap();
    assert_eq!(root.entries, [("p".to_owned(), Kind::Directory)], "nothing of the host's own is seen");
    put(&*store, "p/c", "x").await;
    assert!(names(&store, "p").await.contains(&"c".to_owned()));
    store.commit(vec![], vec![Change::Remove(key("p/c"))]).await.unwrap();
    assert!(!names(&store, "p").await.contains(&"c".to_owned()));
}

pub(super) async fn objects(store: Store) {
    let bytes = pattern(300_000);
    store.commit(vec![], vec![Change::Put(key("o"), bytes.clone())]).await.unwrap();
    let object = store.open(&key("o")).await.unwrap();
    assert_eq!(object.size(), 300_000);
    store.commit(vec![], vec![Change::Remove(key("o"))]).await.unwrap();
    let mut read = Vec::new();
    while read.len() < bytes.len() {
        let offset = read.len() as u64;
        let chunk = match object.try_chunk(offset, 65_536) {
            Some(chunk) => chunk.unwrap(),
            None => object.chunk(offset, 65_536).await.unwrap(),
        };
        assert!(!chunk.is_empty() && chunk.len() <= 65_536);
        read.extend_from_slice(&chunk);
    }
    assert_eq!(read, bytes);
    assert!(matches!(object.chunk(300_000, 1).await, Err(Failure::Io(_))));
}
