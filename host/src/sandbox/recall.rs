//! Where the sandbox and the memory of answers meet: what a request tells a
//! guest, what an answer weighs, and how one is given again.

use std::{mem::size_of, net::IpAddr, pin::Pin, sync::Arc};

use http::{
    HeaderName, HeaderValue, Method, Response,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};

use super::{
    Sandbox, Shared,
    answer::{Checked, Content},
    state::{Request, State},
};
use crate::{
    plane::Body,
    remember::{self, Asked, Kept, Memory, Question, Reason},
    server::{Answer, Repeat},
    storage::{Failure, Key, Looked},
};

/// Bytes of one header field in a map, beside its name and value.
const FIELD: usize = 112;

impl Asked for Request {
    fn answer(&mut self, question: &Question, part: &mut dyn FnMut(&[u8])) -> bool {
        match question {
            Question::Method => part(self.head.method.as_str().as_bytes()),
            Question::Path => part(self.head.uri.path().as_bytes()),
            Question::Query(name) => self.query(name).for_each(|value| part(value.as_bytes())),
            Question::Header(name) => self.header(name).for_each(|value| part(value.as_bytes())),
            Question::Peer => match self.facts.client {
                IpAddr::V4(address) => part(&address.octets()),
                IpAddr::V6(address) => part(&address.octets()),
            },
            Question::Tls => {
                let Some(tls) = &self.facts.tls else { return true };
                part(tls.version.as_bytes());
                if let Some(name) = &tls.server_name {
                    part(b"name");
                    part(name.as_bytes());
                }
                // All that a guest is told of a certificate follows from the
                // certificate itself, and from who vouched for it.
                if let Some(client) = &tls.client {
                    part(b"client");
                    part(&[u8::from(client.verified)]);
                    part(client.fingerprint.as_bytes());
                }
            }
            Question::Length => {
                if let Some(length) = self.declared_length() {
                    part(&length.to_le_bytes());
                }
            }
            Question::Policies(asked) => {
                return self.session.as_mut().is_some_and(|session| session.answer(asked, part));
            }
        }
        true
    }
}

impl Request {
    /// The values of a header field that a guest is shown.
    pub fn header(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        // Credentials are for those who check them.
        let hidden = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name);
        self.head.headers.get_all(name).iter().filter(move |_| !hidden)
    }

    /// The name of who made it, as far as it came to light.
    pub fn user(&self) -> Option<Arc<str>> {
        self.session.as_ref().and_then(|session| session.user())
    }

    /// Whether its answer may be one that was given before, or may be given
    /// again.
    pub fn reads(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD)
    }
}

impl State {
    /// The guest asks something about the request.
    pub fn asked(&mut self, question: Question) {
        if let (Some(trail), Some(request)) = (&mut self.trail, &mut self.request) {
            trail.asked(question, request);
        }
    }

    /// The guest does what makes its answer one that cannot be remembered.
    pub fn refuse(&mut self, reason: Reason) {
        if let Some(trail) = &mut self.trail {
            trail.refuse(reason);
        }
    }

    /// The guest looks at a place in the storage.
    pub async fn look<T>(
        &mut self,
        place: Option<&Key>,
        look: impl Future<Output = Looked<T>> + Send,
    ) -> Result<T, Failure> {
        let before = self.trail.as_ref().and_then(|trail| trail.before(place));
        let (outcome, seen) = look.await;
        self.meter.look();
        let outcome = self.noted(outcome);
        if let Some(trail) = &mut self.trail {
            trail.looked(before, place.cloned(), seen);
        }
        outcome
    }

    /// A call ends: what fails may fail otherwise the next time.
    pub fn noted<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if outcome.as_ref().is_err_and(|failure| *failure != Failure::NotFound) {
            self.refuse(Reason::Failed);
        }
        outcome
    }
}

impl remember::Answer for Checked {
    fn weight(&self) -> usize {
        let fields = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let notes = self.notes.iter().map(|(name, value)| name.len() + value.len() + size_of::<(String, String)>());
        let content = match &self.content {
            Content::Empty => 0,
            Content::Bytes(bytes) => bytes.len(),
            Content::Slice { key, .. } => key.as_str().len(),
        };
        self.headers.capacity() * FIELD + fields.sum::<usize>() + notes.sum::<usize>() + content
    }

    fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }
}

impl Sandbox {
    /// The answer that the guest would give, if it is remembered and right
    /// still.
    pub(super) async fn recall(&self, memory: &Arc<Memory<Checked>>, request: &mut Request) -> Option<Answer> {
        let kept = memory.find(request)?;
        let checked = kept.answer();
        let body = match &checked.content {
            Content::Slice { key, .. } if memory.holds(&kept, Some(key)) => self.same_slice(&kept, key).await,
            content if memory.holds_for_all(&kept).await => self.body(content, &mut None).await.ok(),
            _ => None,
        };
        let Some(body) = body else {
            memory.stale(&kept);
            return None;
        };
        memory.hit();
        let repeats = request.facts.repeats && request.session.is_none() && kept.is_of_request();
        let repeat = (repeats && !matches!(checked.content, Content::Slice { .. })).then(|| {
            let (memory, shared) = (Arc::clone(memory), Arc::clone(&self.shared));
            Arc::new(Same { memory, shared, kept: Arc::clone(&kept) }) as Arc<dyn Repeat>
        });
        Some(Answer { user: request.user(), repeat, ..answer_of(checked, body) })
    }

    /// The part of an object that the answer names, if it is the object that
    /// was looked at.
    async fn same_slice(&self, kept: &Kept<Checked>, key: &Key) -> Option<Body> {
        let Content::Slice { offset, length, .. } = &kept.answer().content else { return None };
        let object = self.shared.storage.open(key).await.ok()?;
        let fits = offset.checked_add(*length).is_some_and(|end| end <= object.size());
        (fits && kept.seen(key) == Some(object.seen())).then(|| Body::slice(object, *offset, *length))
    }
}

/// A checked answer as the server wants it.
pub fn answer_of(checked: &Checked, body: Body) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = checked.status;
    *response.headers_mut() = checked.headers.clone();
    let guest_time = std::time::Duration::ZERO;
    Answer { response, notes: checked.notes.clone(), user: None, guest_time, repeat: None }
}

/// An answer that is the same for the same bytes, while it is right.
struct Same {
    memory: Arc<Memory<Checked>>,
    shared: Arc<Shared>,
    kept: Arc<Kept<Checked>>,
}

impl Repeat for Same {
    fn again(self: Arc<Self>) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        Box::pin(async move {
            let holds = self.memory.holds_for_all(&self.kept).await;
            if holds {
                self.memory.hit();
                self.shared.uses.note(&self.kept.answer().notes);
            } else {
                self.memory.stale(&self.kept);
            }
            holds
        })
    }
}
