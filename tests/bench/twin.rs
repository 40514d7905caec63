//! The native twin: the same host, and behind it the same routing as native
//! code instead of a component in a sandbox. The difference is the price of
//! the sandbox.
//!
//! It does what the workloads that compare it need, reading; what writes is
//! answered 501.

use std::{
    pin::{Pin, pin},
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, request::Parts};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use skerry::{
    cli,
    plane::Body,
    serve,
    server::{Answer, Facts, Fault, Handler, HostFailure},
    storage::{self, Key, Storage},
};
use skerry_registry::{
    HostFailure as Kind,
    host::{self, Change, Event, Expectation, Failure, Intent, Listing, Metadata, Ruling, Verdict},
    response::Content,
};

type Settings = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The program, with the twin in the sandbox's place.
pub fn main() -> ExitCode {
    cli::main(&Alone)
}

/// It serves, and that is all.
struct Alone;

impl cli::Rooms for Alone {
    fn serve(&self, plan: &cli::Plan) -> cli::Outcome {
        let handler = |storage, config: &skerry::config::Config| {
            let config = config.clone();
            let settings = Box::new(move |path: &str| config.guest_setting(path));
            Arc::new(Twin { storage, settings }) as Arc<dyn Handler>
        };
        Ok(serve::run_with(plan, handler)?)
    }
}

struct Twin {
    storage: Arc<dyn Storage>,
    settings: Settings,
}

#[async_trait]
impl Handler for Twin {
    async fn handle(&self, head: Parts, _: Incoming, _: Arc<Facts>) -> Result<Answer, Fault> {
        if head.method != Method::GET && head.method != Method::HEAD {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
            return Ok(Answer {
                response,
                notes: Vec::new().into(),
                user: None,
                guest_time: Duration::ZERO,
                repeat: None,
            });
        }
        let answered = skerry_registry::handle(&Asked { head: &head, twin: self });
        let fault = |cause: String| Fault { failure: HostFailure::Internal, cause, guest_time: Duration::ZERO };
        let body = match answered.body {
            Content::Empty => Body::empty(),
            Content::Bytes(bytes) => Body::full(bytes.into()),
            Content::Slice { key, offset, length } => {
                let key = Key::parse(&key).map_err(|failure| fault(failure.to_string()))?;
                let object = self.storage.open(&key).await.map_err(|failure| fault(failure.to_string()))?;
                Body::slice(object, offset, length)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(answered.status).map_err(|error| fault(error.to_string()))?;
        *response.headers_mut() = fields(&answered.headers);
        Ok(Answer { response, notes: answered.notes.into(), user: None, guest_time: Duration::ZERO, repeat: None })
    }

    fn failure_answer(&self, kind: HostFailure) -> (HeaderMap, Bytes) {
        let (headers, body) = skerry_registry::failure_answer(match kind {
            HostFailure::NotFound => Kind::NotFound,
            HostFailure::BadRequest => Kind::BadRequest,
            HostFailure::TimedOut => Kind::TimedOut,
            HostFailure::TooLarge => Kind::TooLarge,
            HostFailure::HeadTooLarge => Kind::HeadTooLarge,
            HostFailure::Internal => Kind::Internal,
            HostFailure::Unavailable => Kind::Unavailable,
            HostFailure::NoSpace => Kind::NoSpace,
        });
        (fields(&headers), body.into())
    }
}

fn fields(given: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(given.len() + 4);
    for (name, value) in given {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The host as one request sees it.
struct Asked<'a> {
    head: &'a Parts,
    twin: &'a Twin,
}

/// The registry's code waits for nothing, and storage nearly never does: what
/// is in the page cache is there at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => block_on(future.as_mut()),
    }
}

/// On a thread that has other connections too, which wait meanwhile.
fn block_on<T>(mut future: Pin<&mut impl Future<Output = T>>) -> T {
    struct Sleeper(Thread);
    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Sleeper(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

impl host::Request for Asked<'_> {
    fn method(&self) -> String {
        self.head.method.as_str().to_owned()
    }

    fn path(&self) -> String {
        self.head.uri.path().to_owned()
    }

    fn query(&self, name: &str) -> Vec<String> {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = self.head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(given, _)| decode(given) == name)
            .map(|(_, value)| decode(value))
            .collect()
    }

    fn header(&self, name: &str) -> Vec<String> {
        let values = self.head.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }
}

impl host::Storage for Asked<'_> {
    fn read(&self, key: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let key = Key::parse(key).map_err(failure)?;
        at_once(self.twin.storage.read(&key, limit)).map(Into::into).map_err(failure)
    }

    fn stat(&self, key: &str) -> Result<Metadata, Failure> {
        let key = Key::parse(key).map_err(failure)?;
        let found = at_once(self.twin.storage.stat(&key)).map_err(failure)?;
        let modified = found.modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Metadata { kind: kind(found.kind), size: found.size, modified })
    }

    fn page(&self, parent: &str, after: Option<&str>, limit: u32) -> Result<Listing, Failure> {
        let parent = if parent.is_empty() { None } else { Some(Key::parse(parent).map_err(failure)?) };
        let found = at_once(self.twin.storage.page(parent.as_ref(), after, limit)).map_err(failure)?;
        let entries = found.entries.into_iter().map(|(name, of)| (name, kind(of))).collect();
        Ok(Listing { entries, more: found.more })
    }

    fn commit(&self, _: Vec<Expectation>, _: Vec<Change>) -> Result<(), Failure> {
        Err(Failure::ReadOnly)
    }
}

fn kind(kind: storage::Kind) -> host::Kind {
    match kind {
        storage::Kind::Object => host::Kind::Object,
        storage::Kind::Directory => host::Kind::Directory,
    }
}

fn failure(failure: storage::Failure) -> Failure {
    match failure {
        storage::Failure::NotFound => Failure::NotFound,
        storage::Failure::WrongKind => Failure::WrongKind,
        storage::Failure::TooLarge(size) => Failure::TooLarge(size),
        storage::Failure::InvalidKey(why) => Failure::InvalidKey(why),
        other => Failure::Io(other.to_string()),
    }
}

impl host::Settings for Asked<'_> {
    fn value(&self, path: &str) -> Option<String> {
        (self.twin.settings)(path)
    }
}

/// There are no policies.
impl host::Access for Asked<'_> {
    fn authorize(&self, _: &[Intent<'_>]) -> Verdict {
        Verdict::Allow
    }

    fn may_pull(&self, repositories: &[String]) -> Vec<bool> {
        vec![true; repositories.len()]
    }

    fn principal(&self) -> Option<String> {
        None
    }
}

impl host::Admission for Asked<'_> {
    fn wanted(&self, _: host::Concern) -> bool {
        false
    }

    fn admit(&self, _: Event) -> Ruling {
        Ruling::Allow(Vec::new())
    }
}

/// What no reading asks for.
impl host::Body for Asked<'_> {
    fn body_length(&self) -> Option<u64> {
        None
    }

    fn read_body(&self, _: u64) -> Result<Vec<u8>, Failure> {
        Err(Failure::ReadOnly)
    }
}

impl host::Uploads for Asked<'_> {
    fn create(&self, _: &str, _: Vec<(String, Vec<u8>)>) -> Result<Box<dyn host::Upload>, Failure> {
        Err(Failure::ReadOnly)
    }

    fn temporary(&self) -> Result<Box<dyn host::Upload>, Failure> {
        Err(Failure::ReadOnly)
    }

    fn resume(&self, _: &str) -> Result<Box<dyn host::Upload>, Failure> {
        Err(Failure::NotFound)
    }
}

impl host::Ambient for Asked<'_> {
    fn now(&self) -> u64 {
        0
    }

    fn random(&self) -> [u8; 16] {
        [0; 16]
    }
}
