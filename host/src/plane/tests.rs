#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::{ambient_authority, fs::Dir};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};

use super::{Body, collect, receive};
use crate::storage::{
    Algorithm, Directory, Failure, Object, Options, Storage, Upload,
    suite::{key, pattern, sha256},
};

const IDLE: Duration = Duration::from_millis(300);

enum Part {
    Data(Bytes),
    Wait(Duration),
    Error,
}

/// A body that does as it is told.
#[derive(Default)]
struct Script {
    parts: VecDeque<Part>,
    sleeping: Option<Pin<Box<Sleep>>>,
    declared: Option<u64>,
}

impl Script {
    fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect(), ..Self::default() }
    }

    fn of(bytes: &Bytes, frame: usize) -> Self {
        Self::new(bytes.chunks(frame).map(|chunk| Part::Data(bytes.slice_ref(chunk))))
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(sleeping) = &mut self.sleeping {
                std::task::ready!(sleeping.as_mut().poll(context));
                self.sleeping = None;
            }
            return Poll::Ready(match self.parts.pop_front() {
                None => None,
                Some(Part::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Part::Error) => Some(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Part::Wait(time)) => {
                    self.sleeping = Some(Box::pin(sleep(time)));
                    continue;
                }
            });
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.declared.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn store() -> (tempfile::TempDir, std::sync::Arc<Directory>) {
    let temp = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let store = Directory::open(root, Options::default()).unwrap();
    (temp, store)
}

async fn check(upload: &mut dyn Upload, bytes: &[u8]) {
    assert_eq!(upload.offset(), bytes.len() as u64);
    assert_eq!(upload.digest(Algorithm::Sha256).await.unwrap(), sha256(bytes));
}

#[tokio::test]
async fn whole_bodies_arrive() {
    let (_temp, store) = store();
    for (size, frame) in [(0, 1), (1, 1), (5000, 1), (100_000, 100_000), (3_000_000, 16_384), (5_000_000, 400_000)] {
        let bytes = pattern(size);
        let mut upload = store.temporary_upload().await.unwrap();
        assert_eq!(receive(Script::of(&bytes, frame), &mut *upload, Some(size as u64), IDLE).await, Ok(size as u64));
        check(&mut *upload, &bytes).await;
        upload.finish(key(&format!("b/{size}")), sha256(&bytes), vec![], vec![]).await.unwrap();
        assert_eq!(store.read(&key(&format!("b/{size}")), 1 << 23).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_what_arrived() {
    let (_temp, store) = store();
    for (n, size) in [0, 10, 1_000_000].into_iter().enumerate() {
        let bytes = pattern(size);
        let mut body = Script::of(&bytes, 9000);
        body.parts.push_back(Part::Error);
        body.declared = Some(2_000_000);
        let at = key(&format!("u/{n}/data"));
        let mut upload = store.create_upload(at.clone(), vec![]).await.unwrap();
        assert_eq!(receive(body, &mut *upload, None, IDLE).await, Err(Failure::Interrupted));
        drop(upload);
        let mut upload = store.resume_upload(at).await.unwrap();
        check(&mut *upload, &bytes).await;
        assert_eq!(receive(Script::of(&bytes, 9000), &mut *upload, None, IDLE).await, Ok(size as u64));
        check(&mut *upload, &[&bytes[..], &bytes[..]].concat()).await;
    }
}

#[tokio::test]
async fn silence_is_bounded_and_the_whole_is_not() {
    let (_temp, store) = store();
    let part = || Part::Data(pattern(100));
    let slow = (0..6).flat_map(|_| [part(), Part::Wait(IDLE / 2)]);
    let mut upload = store.create_upload(key("u/1/data"), vec![]).await.unwrap();
    assert_eq!(receive(Script::new(slow), &mut *upload, None, IDLE).await, Ok(600));
    let silent = [part(), Part::Wait(IDLE * 3), part()];
    assert_eq!(receive(Script::new(silent), &mut *upload, None, IDLE).await, Err(Failure::Interrupted));
    assert_eq!(upload.offset(), 700);
    let mut upload = store.temporary_upload().await.unwrap();
    assert_eq!(receive(Script::new([Part::Wait(IDLE * 3)]), &mut *upload, None, IDLE).await, Err(Failure::Interrupted));
}

#[tokio::test]
async fn what_a_slow_client_sent_is_not_held_back() {
    let (temp, store) = store();
    let mut upload = store.create_upload(key("u/1/data"), vec![]).await.unwrap();
    let body = Script::new([Part::Data(pattern(100)), Part::Wait(IDLE * 2)]);
    let receiving = receive(body, &mut *upload, None, IDLE * 4);
    let look = async {
        sleep(IDLE).await;
        cap_std::fs::Dir::open_ambient_dir(temp.path(), ambient_authority())
            .unwrap()
            .metadata("u/1/data")
            .unwrap()
            .len()
    };
    let (received, size) = tokio::join!(receiving, look);
    assert_eq!((received, size), (Ok(100), 100));
}

#[tokio::test]
async fn too_long_leaves_the_upload_as_it_was() {
    let (_temp, store) = store();
    let bytes = pattern(2_000_000);
    for (n, before) in [0, 10, 100_000].into_iter().enumerate() {
        let mut upload = store.create_upload(key(&format!("u/{n}/data")), vec![]).await.unwrap();
        receive(Script::of(&bytes.slice(..before), 9000), &mut *upload, None, IDLE).await.unwrap();
        for limit in [0, 1, 999_999, 1_999_999] {
            let done = receive(Script::of(&bytes, 65_536), &mut *upload, Some(limit), IDLE).await;
            assert_eq!(done, Err(Failure::TooLarge(limit)));
            check(&mut *upload, &bytes[..before]).await;
        }
        let declared = Script { declared: Some(11), ..Script::new([Part::Error]) };
        assert_eq!(receive(declared, &mut *upload, Some(10), IDLE).await, Err(Failure::TooLarge(11)));
    }
}

#[tokio::test]
async fn small_bodies_are_collected() {
    let bytes = pattern(10_000);
    for frame in [1, 999, 10_000] {
        assert_eq!(collect(Script::of(&bytes, frame), 10_000, IDLE).await.unwrap(), bytes);
        assert_eq!(collect(Script::of(&bytes, frame), 9_999, IDLE).await, Err(Failure::TooLarge(9_999)));
    }
    let declared = Script { declared: Some(11), ..Script::new([Part::Error]) };
    assert_eq!(collect(declared, 10, IDLE).await, Err(Failure::TooLarge(11)));
    for broken in [Part::Error, Part::Wait(IDLE * 2)] {
        assert_eq!(
            collect(Script::new([Part::Data(bytes.clone()), broken]), 1 << 20, IDLE).await,
            Err(Failure::Interrupted)
        );
    }
    assert_eq!(collect(Script::default(), 0, IDLE).await.unwrap(), "");
}

/// An object whose chunks are at hand or not, in turn, and that may end early.
struct Fickle {
    bytes: Bytes,
    size: u64,
}

#[async_trait]
impl Object for Fickle {
    fn size(&self) -> u64 {
        self.size
    }

    fn try_chunk(&self, offset: u64, max: usize) -> Option<Result<Bytes, Failure>> {
        let offset = usize::try_from(offset).unwrap();
        let rest = self.bytes.slice(offset.min(self.bytes.len())..);
        (offset % 3 != 0).then(|| {
            if rest.is_empty() {
                Err(Failure::Io("ended".into()))
            } else {
                Ok(rest.slice(..max.min(rest.len()).min(50_000)))
            }
        })
    }

    async fn chunk(&self, offset: u64, max: usize) -> Result<Bytes, Failure> {
        tokio::task::yield_now().await;
        self.try_chunk(offset / 3 * 3 + 1, max).unwrap().map(|_| {
            let offset = usize::try_from(offset).unwrap();
            self.bytes.slice(offset..self.bytes.len().min(offset + max))
        })
    }
}

#[tokio::test]
async fn bodies_say_how_long_they_are_and_are() {
    let bytes = pattern(200_000);
    assert!(Body::empty().is_end_stream() && Body::full(Bytes::new()).is_end_stream());
    for (offset, length) in [(0, 0), (0, 1), (0, 200_000), (7, 131_072), (199_999, 1)] {
        let object = Fickle { bytes: bytes.clone(), size: 200_000 };
        let body = Body::slice(Box::new(object), offset as u64, length as u64);
        assert_eq!(body.size_hint().exact(), Some(length as u64));
        assert_eq!(body.is_end_stream(), length == 0);
        assert_eq!(body.collect().await.unwrap().to_bytes(), bytes.slice(offset..offset + length));
    }
    let full = Body::full(bytes.clone());
    assert_eq!(full.size_hint().exact(), Some(200_000));
    assert_eq!(full.collect().await.unwrap().to_bytes(), bytes);
}

#[tokio::test]
async fn an_object_that_ends_early_breaks_the_body_off() {
    let object = Fickle { bytes: pattern(100_000), size: 200_000 };
    let mut body = Body::slice(Box::new(object), 0, 200_000);
    let mut sent = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => sent += frame.into_data().unwrap().len(),
            Err(error) => break error,
        }
    };
    assert!(sent <= 100_000 && !error.to_string().is_empty());
    assert!(body.frame().await.is_none());
}
