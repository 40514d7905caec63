//! A host in memory, for tests and fuzzers: it does what `wit/` says, as far
//! as one request at a time can tell.

mod storage;
mod uploads;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use self::storage::State;
use crate::{
    digest::{Algorithm, Digest},
    handle,
    host::{
        Access, Action, Admission, Ambient, Body, Concern, Departure, Event, Failure, Hashes, Intent, LastUse, Marks,
        Request, Retention, Ruling, Settings, TagFacts, Verdict,
    },
    name::RepositoryName,
    percent,
    response::{Content, Response},
};

/// The host, and what it remembers between requests.
#[derive(Default)]
pub struct Memory {
    request: RefCell<Asked>,
    state: Rc<State>,
    settings: RefCell<BTreeMap<String, String>>,
    marks: RefCell<BTreeSet<String>>,
    judge: RefCell<Option<Judge>>,
    rule: RefCell<Option<Rule>>,
    unwanted: RefCell<Vec<Concern>>,
    events: RefCell<Vec<Event>>,
    principal: RefCell<Option<String>>,
    uses: RefCell<BTreeMap<String, u64>>,
    keeper: RefCell<Option<Keeper>>,
}

type Judge = Box<dyn Fn(&[Intent<'_>]) -> Verdict>;
type Keeper = Box<dyn Fn(&Memory, &str, &[TagFacts]) -> Option<Vec<Departure>>>;
type Rule = Box<dyn Fn(&Memory, &Event) -> Ruling>;

#[derive(Default)]
struct Asked {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    chunked: bool,
}

/// What a client got, with the bytes of a slice in place of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header fields, as given.
    pub headers: Vec<(String, String)>,
    /// The body that a `GET` would get.
    pub body: Vec<u8>,
    /// Notes for the host.
    pub notes: Vec<(String, String)>,
}

impl Answer {
    /// The first header field of a name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Memory {
    /// An empty host, at a time.
    #[must_use]
    pub fn new(now: u64) -> Self {
        let memory = Self::default();
        memory.state.now.set(now);
        memory
    }

    /// Configures a setting, as JSON text.
    pub fn set(&self, path: &str, value: &str) {
        self.settings.borrow_mut().insert(path.to_owned(), value.to_owned());
    }

    /// Moves the clock.
    pub fn at(&self, now: u64) {
        self.state.now.set(now);
    }

    /// Makes an import fail from now on.
    pub fn fail(&self, failing: Option<(&'static str, Failure)>) {
        *self.state.failing.borrow_mut() = failing;
    }

    /// Puts an object, as somebody else would who shares the volume.
    pub fn plant(&self, key: &str, bytes: &[u8]) {
        self.state.put(key, bytes.to_vec());
    }

    /// Takes an object away in the same manner.
    pub fn steal(&self, key: &str) {
        self.state.objects.borrow_mut().remove(key);
    }

    /// Lets an auth policy decide from now on. Without one, everything is
    /// allowed.
    pub fn judge(&self, judge: impl Fn(&[Intent<'_>]) -> Verdict + 'static) {
        *self.judge.borrow_mut() = Some(Box::new(judge));
    }

    /// Lets a storage policy decide from now on. What it does to the host
    /// happens between the question and what follows from it.
    pub fn rule(&self, rule: impl Fn(&Self, &Event) -> Ruling + 'static) {
        *self.rule.borrow_mut() = Some(Box::new(rule));
    }

    /// Lets the storage policy be asked about these no longer.
    pub fn ignore(&self, unwanted: &[Concern]) {
        *self.unwanted.borrow_mut() = unwanted.to_vec();
    }

    /// Lets a retention policy decide from now on.
    pub fn keep(&self, keeper: impl Fn(&Self, &str, &[TagFacts]) -> Option<Vec<Departure>> + 'static) {
        *self.keeper.borrow_mut() = Some(Box::new(keeper));
    }

    /// Says when something was last used.
    pub fn used(&self, value: &str, time: u64) {
        self.uses.borrow_mut().insert(value.to_owned(), time);
    }

    /// Puts something at a key that is neither an object nor a directory.
    pub fn plant_strange(&self, key: &str) {
        self.plant(key, b"");
        self.state.strange.borrow_mut().insert(key.to_owned());
    }

    /// Says who the client is from now on.
    pub fn login(&self, name: Option<&str>) {
        *self.principal.borrow_mut() = name.map(str::to_owned);
    }

    /// What the last request asked the storage policies.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// Forgets the marks: another task begins.
    pub fn forget_marks(&self) {
        self.marks.borrow_mut().clear();
    }

    /// Lets somebody else use an upload, or no longer.
    pub fn occupy(&self, key: &str, occupied: bool) {
        let mut busy = self.state.busy.borrow_mut();
        if occupied {
            busy.insert(key.to_owned());
        } else {
            busy.remove(key);
        }
    }

    /// An object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.state.objects.borrow().get(key).map(|(bytes, _)| bytes.clone())
    }

    /// All keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.state.objects.borrow().keys().cloned().collect()
    }

    /// Whether a directory is there.
    #[must_use]
    pub fn has_directory(&self, key: &str) -> bool {
        self.state.directories.borrow().contains(key)
    }

    /// The imports that the last request called.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.borrow().clone()
    }

    /// Answers a request with a body of known length.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.exchange(method, target, headers, body, false)
    }

    /// Answers a request whose body has no declared length.
    pub fn stream(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.exchange(method, target, headers, body, true)
    }

    fn exchange(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8], chunked: bool) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        *self.request.borrow_mut() = Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            query: pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (name.to_owned(), percent::decode(value).unwrap_or_default())
                })
                .collect(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            chunked,
        };
        *self.state.body.borrow_mut() = Some(body.to_vec());
        self.state.calls.borrow_mut().clear();
        self.events.borrow_mut().clear();
        let Response { status, headers, body, notes } = handle(self);
        let body = match body {
            Content::Empty => Vec::new(),
            Content::Bytes(bytes) => bytes,
            Content::Slice { key, offset, length } => {
                let whole = self.object(&key).unwrap_or_default();
                let (from, length) = (usize::try_from(offset).unwrap_or(0), usize::try_from(length).unwrap_or(0));
                whole.into_iter().skip(from).take(length).collect()
            }
        };
        Answer { status, headers, body, notes }
    }
}

impl Request for Memory {
    fn method(&self) -> String {
        self.request.borrow().method.clone()
    }

    fn path(&self) -> String {
        self.request.borrow().path.clone()
    }

    fn query(&self, name: &str) -> Vec<String> {
        let _ = self.state.call("query", name);
        let request = self.request.borrow();
        request.query.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
    }

    fn header(&self, name: &str) -> Vec<String> {
        let _ = self.state.call("header", name);
        let request = self.request.borrow();
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        request.headers.iter().filter(|(other, _)| same(other)).map(|(_, value)| value.clone()).collect()
    }
}

impl Body for Memory {
    fn body_length(&self) -> Option<u64> {
        let length = self.state.body.borrow().as_ref().map_or(0, Vec::len);
        if self.request.borrow().chunked { None } else { u64::try_from(length).ok() }
    }

    fn read_body(&self, limit: u64) -> Result<Vec<u8>, Failure> {
        self.state.call("read-body", "")?;
        let body = self.state.body.borrow_mut().take().ok_or_else(|| Failure::Other("taken".to_owned()))?;
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > limit { Err(Failure::TooLarge(limit)) } else { Ok(body) }
    }
}

impl Hashes for Memory {
    fn digests(&self, keys: &[String], algorithm: Algorithm) -> Vec<Result<String, Failure>> {
        assert!(keys.len() <= 256, "the host takes no more");
        let one = |key: &String| {
            self.state.call("digests", key)?;
            if self.state.strange.borrow().contains(key) {
                return Err(Failure::WrongKind);
            }
            let bytes = self.object(key).ok_or(Failure::NotFound)?;
            Ok(Digest::of(algorithm, &bytes).as_str().to_owned())
        };
        keys.iter().map(one).collect()
    }
}

impl LastUse for Memory {
    fn last_used(&self, value: &str) -> Option<u64> {
        self.uses.borrow().get(value).copied()
    }
}

impl Retention for Memory {
    fn retain(&self, repository: &RepositoryName, tags: &[TagFacts]) -> Option<Vec<Departure>> {
        assert!(tags.len() <= 10_000, "the host takes no more");
        let keeper = self.keeper.borrow();
        keeper.as_ref().map_or_else(|| Some(Vec::new()), |keeper| keeper(self, repository.as_str(), tags))
    }
}

impl Settings for Memory {
    fn value(&self, path: &str) -> Option<String> {
        self.settings.borrow().get(path).cloned()
    }
}

impl Access for Memory {
    fn authorize(&self, intents: &[Intent<'_>]) -> Verdict {
        assert!(intents.len() <= 16, "the host takes no more");
        let said = intents.iter().map(|intent| {
            let (repository, reference) = (intent.repository.unwrap_or("-"), intent.reference.unwrap_or("-"));
            format!("{:?} {repository} {reference}", intent.action)
        });
        let _ = self.state.call("authorize", &said.collect::<Vec<_>>().join(", "));
        self.judge.borrow().as_ref().map_or(Verdict::Allow, |judge| judge(intents))
    }

    fn may_pull(&self, repositories: &[String]) -> Vec<bool> {
        let _ = self.state.call("may-pull", &repositories.join(" "));
        let judge = self.judge.borrow();
        let may = |repository: &String| {
            let intent = Intent { repository: Some(repository), action: Action::Pull, reference: None };
            judge.as_ref().is_none_or(|judge| judge(&[intent]) == Verdict::Allow)
        };
        repositories.iter().map(may).collect()
    }

    fn principal(&self) -> Option<String> {
        let _ = self.state.call("principal", "");
        self.principal.borrow().clone()
    }
}

impl Admission for Memory {
    fn wanted(&self, concern: Concern) -> bool {
        self.rule.borrow().is_some() && !self.unwanted.borrow().contains(&concern)
    }

    fn admit(&self, event: Event) -> Ruling {
        let _ = self.state.call("admit", event.repository.as_str());
        self.events.borrow_mut().push(event.clone());
        self.rule.borrow().as_ref().map_or(Ruling::Allow(Vec::new()), |rule| rule(self, &event))
    }
}

impl Marks for Memory {
    fn mark(&self, name: &str) -> Result<bool, Failure> {
        self.state.call("mark", name)?;
        Ok(self.marks.borrow_mut().insert(name.to_owned()))
    }

    fn marked(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.marks.borrow().contains(name))
    }
}

impl Ambient for Memory {
    fn now(&self) -> u64 {
        let _ = self.state.call("now", "");
        self.state.now.get()
    }

    fn random(&self) -> [u8; 16] {
        let _ = self.state.call("random", "");
        let next =
            self.state.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(0x9e37_79b9_7f4a_7c15_f39c);
        self.state.random.set(next);
        next.to_be_bytes()
    }
}
