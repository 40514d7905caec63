//! `skerry:registry/body`.

use http::header::CONTENT_LENGTH;

use crate::{
    plane,
    remember::{Question, Reason},
    sandbox::{
        bindings::{body as wit, types},
        state::{Request, State},
    },
    storage::Failure,
};

impl Request {
    /// The length that the client declared.
    pub fn declared_length(&self) -> Option<u64> {
        self.head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

impl State {
    /// The length that the client declared.
    pub fn declared_length(&self) -> Option<u64> {
        self.request.as_ref()?.declared_length()
    }

    /// The body, once.
    pub fn take_body(&mut self) -> Result<hyper::body::Incoming, Failure> {
        self.refuse(Reason::Body);
        let body = self.request.as_mut().and_then(|request| request.body.take());
        body.ok_or_else(|| Failure::Other("the body is taken already, or there is none".into()))
    }
}

impl wit::Host for State {
    fn length(&mut self) -> wasmtime::Result<Option<u64>> {
        self.enter()?;
        self.asked(Question::Length);
        Ok(self.declared_length())
    }

    async fn read(&mut self, limit: u64) -> wasmtime::Result<Result<Vec<u8>, types::Failure>> {
        self.enter()?;
        self.refuse(Reason::Body);
        let limit = limit.min(self.shared.limits.body_in_memory);
        let outcome = match self.declared_length() {
            Some(length) if length > limit => Err(Failure::TooLarge(length)),
            _ => match self.take_body() {
                Ok(body) => {
                    let idle = self.shared.limits.idle;
                    self.parked(plane::collect(body, limit, idle)).await
                }
                Err(failure) => Err(failure),
            },
        };
        self.leave();
        if let Ok(bytes) = &outcome {
            self.hand_over(bytes.len())?;
        }
        Ok(outcome.map(Into::into).map_err(Into::into))
    }
}
