//! Uploads.

use bytes::Bytes;

use super::{Store, get, key, names, pattern, put, sha256};
use crate::storage::{Algorithm, Change, Digest, Expectation, Failure, Upload};

async fn begin(store: &Store, at: &str, bytes: &Bytes) -> Box<dyn Upload> {
    let mut upload = store.create_upload(key(at), vec![]).await.unwrap();
    upload.write(vec![bytes.clone()]).await.unwrap();
    upload
}

pub(super) async fn upload_to_object(store: Store) {
    let beside = vec![(key("r/_uploads/1/startedat"), Bytes::from("now"))];
    let mut upload = store.create_upload(key("r/_uploads/1/data"), beside).await.unwrap();
    assert_eq!(get(&store, "r/_uploads/1/startedat").await.unwrap(), "now");
    let bytes = pattern(1_000_000);
    upload.write(vec![bytes.slice(..10), bytes.slice(10..70_000)]).await.unwrap();
    upload.pause().await.unwrap();
    assert_eq!(upload.offset(), 70_000);
    assert_eq!(upload.digest(Algorithm::Sha256).await.unwrap(), sha256(&bytes[..70_000]));
    drop(upload);
    let mut upload = store.resume_upload(key("r/_uploads/1/data")).await.unwrap();
    assert_eq!(upload.offset(), 70_000);
    upload.write(vec![bytes.slice(70_000..)]).await.unwrap();
    upload.pause().await.unwrap();
    let link = Change::Put(key("r/link"), sha256(&bytes).to_string().into());
    upload.finish(key("blobs/1/data"), sha256(&bytes), vec![], vec![link]).await.unwrap();
    assert_eq!(get(&store, "blobs/1/data").await.unwrap(), bytes);
    assert_eq!(get(&store, "r/link").await.unwrap(), sha256(&bytes).to_string());
    assert_eq!(names(&store, "r/_uploads").await, [""; 0]);
    assert!(upload.write(vec!["x".into()]).await.is_err());
    drop(upload);
    assert_eq!(store.resume_upload(key("r/_uploads/1/data")).await.err(), Some(Failure::NotFound));
}

pub(super) async fn upload_is_exclusive(store: Store) {
    let upload = begin(&store, "u/1/data", &pattern(10)).await;
    assert_eq!(store.resume_upload(key("u/1/data")).await.err(), Some(Failure::Busy));
    assert!(store.create_upload(key("u/1/data"), vec![]).await.is_err());
    drop(upload);
    assert_eq!(store.create_upload(key("u/1/data"), vec![]).await.err(), Some(Failure::Conflict(key("u/1/data"))));
    let again = store.resume_upload(key("u/1/data")).await.unwrap();
    assert_eq!(again.offset(), 10);
}

pub(super) async fn wrong_digest(store: Store) {
    let bytes = pattern(100);
    put(&*store, "blobs/there", "x").await;
    let mut upload = begin(&store, "u/1/data", &bytes).await;
    for to in ["blobs/new", "blobs/there"] {
        let done = upload.finish(key(to), sha256(b"other"), vec![], vec![Change::Put(key("link"), "x".into())]).await;
        assert_eq!(done, Err(Failure::DigestMismatch));
    }
    assert_eq!(get(&store, "blobs/new").await, Err(Failure::NotFound));
    assert_eq!(get(&store, "link").await, Err(Failure::NotFound));
    upload.write(vec!["more".into()]).await.unwrap();
    let whole = [&bytes[..], b"more"].concat();
    upload.finish(key("blobs/new"), sha256(&whole), vec![], vec![]).await.unwrap();
    assert_eq!(get(&store, "blobs/new").await.unwrap(), whole);
}

pub(super) async fn both_algorithms(store: Store) {
    for (n, size) in [0, 5, 200_000].into_iter().enumerate() {
        let bytes = pattern(size);
        let digest = Digest::of(Algorithm::Sha512, &bytes);
        let mut upload = begin(&store, &format!("u/{n}/data"), &bytes).await;
        assert_eq!(upload.digest(Algorithm::Sha512).await.unwrap(), digest);
        let to = key(&format!("b/{n}"));
        assert_eq!(
            upload.finish(to.clone(), Digest::of(Algorithm::Sha512, b"no"), vec![], vec![]).await,
            Err(Failure::DigestMismatch)
        );
        upload.finish(to.clone(), digest, vec![], vec![]).await.unwrap();
        assert_eq!(store.read(&to, 1 << 20).await.unwrap(), bytes);
    }
}

pub(super) async fn cut_back(store: Store) {
    let bytes = pattern(200_000);
    for (n, cut) in [0, 1, 100_000, 199_999, 200_000].into_iter().enumerate() {
        let mut upload = begin(&store, &format!("u/{n}/data"), &bytes.slice(..100_000)).await;
        upload.pause().await.unwrap();
        upload.write(vec![bytes.slice(100_000..)]).await.unwrap();
        upload.truncate(cut as u64).await.unwrap();
        assert_eq!(upload.offset(), cut as u64);
        assert_eq!(upload.digest(Algorithm::Sha256).await.unwrap(), sha256(&bytes[..cut]), "cut to {cut}");
        assert_eq!(upload.truncate(200_001).await, Err(Failure::WrongOffset(cut as u64)));
        upload.write(vec![bytes.slice(cut..)]).await.unwrap();
        upload.finish(key(&format!("b/{n}")), sha256(&bytes), vec![], vec![]).await.unwrap();
        assert_eq!(get(&store, &format!("b/{n}")).await.unwrap(), bytes);
    }
}

pub(super) async fn temporary_uploads(store: Store) {
    for size in [0, 1, 65_536, 65_537, 3_000_000] {
        let bytes = pattern(size);
        let mut upload = store.temporary_upload().await.unwrap();
        for at in (0..size).step_by(100_000) {
            upload.write(vec![bytes.slice(at..size.min(at + 100_000))]).await.unwrap();
        }
        upload.truncate(size as u64 / 2).await.unwrap();
        upload.write(vec![bytes.slice(size / 2..)]).await.unwrap();
        upload.pause().await.unwrap();
        let to = key(&format!("b/{size}"));
        assert_eq!(upload.finish(to.clone(), sha256(b"no"), vec![], vec![]).await, Err(Failure::DigestMismatch));
        upload.finish(to.clone(), sha256(&bytes), vec![], vec![]).await.unwrap();
        assert_eq!(store.read(&to, 1 << 22).await.unwrap(), bytes);
    }
    let mut upload = store.temporary_upload().await.unwrap();
    upload.write(vec![pattern(100)]).await.unwrap();
    upload.abort().await.unwrap();
    assert!(upload.write(vec!["x".into()]).await.is_err());
    assert_eq!(store.page(None, None, 9).await.unwrap().entries.len(), 1);
}

pub(super) async fn uploads_of_one_digest(store: Store) {
    let bytes = pattern(150_000);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let (store, bytes) = (store.clone(), bytes.clone());
            tokio::spawn(async move {
                let mut upload = if n % 2 == 0 {
                    store.temporary_upload().await.unwrap()
                } else {
                    store.create_upload(key(&format!("r{n}/_uploads/x/data")), vec![]).await.unwrap()
                };
                upload.write(vec![bytes.clone()]).await.unwrap();
                let link = Change::Put(key(&format!("r{n}/link")), "x".into());
                upload.finish(key("blobs/one"), sha256(&bytes), vec![], vec![link]).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(get(&store, "blobs/one").await.unwrap(), bytes);
    for n in 0..12 {
        assert_eq!(get(&store, &format!("r{n}/link")).await.unwrap(), "x");
    }
}

pub(super) async fn finish_needs_its_expectations(store: Store) {
    let bytes = pattern(10);
    let mut upload = begin(&store, "u/1/data", &bytes).await;
    let expect = vec![Expectation::Present(key("none"))];
    assert_eq!(upload.finish(key("b"), sha256(&bytes), expect, vec![]).await, Err(Failure::Conflict(key("none"))));
    assert_eq!(get(&store, "b").await, Err(Failure::NotFound));
    put(&*store, "taken", "x").await;
    let create = vec![Change::Create(key("taken"), "y".into())];
    assert_eq!(upload.finish(key("b"), sha256(&bytes), vec![], create).await, Err(Failure::Conflict(key("taken"))));
    assert_eq!(get(&store, "b").await, Err(Failure::NotFound));
    drop(upload);
    let mut upload = store.resume_upload(key("u/1/data")).await.unwrap();
    let expect = vec![Expectation::Present(key("taken"))];
    assert_eq!(upload.finish(key("b"), sha256(&bytes), expect, vec![]).await, Ok(()));
    assert_eq!(get(&store, "b").await.unwrap(), bytes);
}

pub(super) async fn abort_removes_all(store: Store) {
    let beside = vec![(key("u/1/startedat"), Bytes::from("now"))];
    let mut upload = store.create_upload(key("u/1/data"), beside).await.unwrap();
    upload.write(vec![pattern(100_000)]).await.unwrap();
    upload.abort().await.unwrap();
    drop(upload);
    assert_eq!(store.stat(&key("u/1")).await, Err(Failure::NotFound));
    assert_eq!(store.resume_upload(key("u/1/data")).await.err(), Some(Failure::NotFound));
    drop(begin(&store, "u/1/data", &pattern(3)).await);
    assert_eq!(store.resume_upload(key("u/1/data")).await.unwrap().offset(), 3);
}

pub(super) async fn uploads_that_are_refused(store: Store) {
    let refused = |at: &'static str, beside: &'static str| {
        let store = store.clone();
        async move { store.create_upload(key(at), vec![(key(beside), "x".into())]).await.err().unwrap() }
    };
    for (at, beside) in [("data", "x"), ("u/1/data", "u/2/x"), ("u/1/data", "u/1/x/y"), ("u/1/data", "u/1/data")] {
        assert!(matches!(refused(at, beside).await, Failure::InvalidKey(_)), "{at} {beside}");
    }
    assert_eq!(store.stat(&key("u")).await, Err(Failure::NotFound));
    put(&*store, "u/1/x", "x").await;
    assert_eq!(refused("u/1/data", "u/1/x").await, Failure::Conflict(key("u/1/x")));
    assert_eq!(store.resume_upload(key("u/1/data")).await.err(), Some(Failure::NotFound));
    assert_eq!(store.resume_upload(key("u/1")).await.err(), Some(Failure::WrongKind));
}

pub(super) async fn a_given_up_call_leaves_the_upload(store: Store) {
    let bytes = pattern(1 << 20);
    let mut upload = begin(&store, "u/1/data", &bytes).await;
    {
        let mut write = upload.write(vec![bytes.clone()]);
        std::future::poll_fn(|context| {
            let _ = write.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    drop(upload);
    let mut upload = loop {
        match store.resume_upload(key("u/1/data")).await {
            Ok(upload) => break upload,
            Err(failure) => assert_eq!(failure, Failure::Busy),
        }
        tokio::task::yield_now().await;
    };
    let size = usize::try_from(upload.offset()).unwrap();
    assert!(size == 1 << 20 || size == 2 << 20);
    let whole = [&bytes[..], &bytes[..]].concat();
    assert_eq!(upload.digest(Algorithm::Sha256).await.unwrap(), sha256(&whole[..size]));
}
