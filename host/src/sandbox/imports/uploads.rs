//! `skerry:registry/uploads`.

use bytes::Bytes;
use wasmtime::component::Resource;

use super::storage::parse;
use crate::{
    plane,
    remember::Reason,
    sandbox::{
        bindings::{storage, types, uploads as wit},
        state::{State, UPLOADS, UploadSlot},
    },
    storage::{Algorithm, Digest, Failure, Key, Upload},
};

type Handle = Resource<UploadSlot>;
type Answer<T> = wasmtime::Result<Result<T, types::Failure>>;

impl wit::Host for State {}

impl wit::HostUpload for State {
    async fn create(&mut self, key: String, beside: Vec<(String, Vec<u8>)>) -> Answer<Handle> {
        self.enter()?;
        let outcome = match self.apart(&key) {
            Ok(()) => self.create_upload(&key, beside).await,
            Err(failure) => Err(failure),
        };
        self.opened(outcome)
    }

    async fn temporary(&mut self) -> Answer<Handle> {
        self.enter()?;
        let outcome = self.shared.storage.temporary_upload().await;
        self.opened(outcome)
    }

    async fn resume(&mut self, key: String) -> Answer<Handle> {
        self.enter()?;
        let outcome = match self.apart(&key).and_then(|()| Key::parse(&key)) {
            Ok(key) => self.shared.storage.resume_upload(key).await,
            Err(failure) => Err(failure),
        };
        self.opened(outcome)
    }

    fn offset(&mut self, upload: Handle) -> wasmtime::Result<u64> {
        self.enter()?;
        Ok(self.slot(&upload)?.0.as_ref().map_or(0, |upload| upload.offset()))
    }

    async fn append(&mut self, upload: Handle, at: Option<u64>, limit: Option<u64>) -> Answer<u64> {
        self.enter()?;
        let mut held = self.lend(&upload)?;
        let outcome = self.receive(&mut held, at, limit).await;
        self.slot(&upload)?.0 = held;
        self.leave();
        Ok(outcome.map_err(Into::into))
    }

    async fn digest(&mut self, upload: Handle, algorithm: String) -> Answer<String> {
        self.enter()?;
        let outcome = match Algorithm::parse(&algorithm) {
            Some(algorithm) => match self.slot(&upload)?.0.as_mut() {
                Some(upload) => upload.digest(algorithm).await,
                None => Err(broken()),
            },
            None => Err(Failure::Other(format!("no such digest algorithm: {}", algorithm.escape_debug()))),
        };
        self.leave();
        Ok(outcome.map(|digest| digest.to_string()).map_err(Into::into))
    }

    async fn finish(
        &mut self,
        upload: Handle,
        to: String,
        digest: String,
        expect: Vec<storage::Expectation>,
        change: Vec<storage::Change>,
    ) -> Answer<()> {
        self.enter()?;
        let parsed = || {
            let digest = Digest::parse(&digest)?;
            let (expect, changes) = parse(expect, change)?;
            Ok((Key::parse(&to)?, digest, expect, changes))
        };
        let outcome = match parsed() {
            Ok((to, digest, expect, changes)) => {
                self.begin_to_store();
                let outcome = match self.slot(&upload)?.0.as_mut() {
                    Some(upload) => upload.finish(to, digest, expect, changes).await,
                    None => Err(broken()),
                };
                self.end_to_store(&outcome);
                outcome
            }
            Err(failure) => Err(failure),
        };
        self.leave();
        Ok(outcome.map_err(Into::into))
    }

    async fn abort(&mut self, upload: Handle) -> Answer<()> {
        self.enter()?;
        let outcome = match self.slot(&upload)?.0.as_mut() {
            Some(upload) => upload.abort().await,
            None => Err(broken()),
        };
        self.leave();
        Ok(outcome.map_err(Into::into))
    }

    async fn drop(&mut self, upload: Handle) -> wasmtime::Result<()> {
        self.table.delete(upload)?;
        Ok(())
    }
}

impl State {
    /// Whether an upload may lie there: not where the module itself can write,
    /// for then its bytes would not be those that were hashed.
    fn apart(&self, key: &str) -> Result<(), Failure> {
        let writes = self.shared.files.as_ref().is_some_and(|(preopen, _)| preopen.writable);
        match writes && !key.split('/').any(|name| name == UPLOADS) {
            true => Err(Failure::Other(format!("with sandbox.preopen: rw, uploads lie below {UPLOADS} alone"))),
            false => Ok(()),
        }
    }

    async fn create_upload(&mut self, key: &str, beside: Vec<(String, Vec<u8>)>) -> Result<Box<dyn Upload>, Failure> {
        let key = Key::parse(key)?;
        let beside = beside
            .into_iter()
            .map(|(key, bytes)| Ok((Key::parse(&key)?, Bytes::from(bytes))))
            .collect::<Result<Vec<_>, Failure>>()?;
        self.shared.storage.create_upload(key, beside).await
    }

    fn opened(&mut self, outcome: Result<Box<dyn Upload>, Failure>) -> Answer<Handle> {
        self.leave();
        // Its bytes come and go without a look that could be remembered.
        self.refuse(Reason::Wrote);
        match outcome {
            Ok(mut upload) => {
                // A task of the host's has no client, and sends nothing.
                if let Some(request) = &self.request {
                    upload.count_for(&request.client().holder());
                }
                Ok(Ok(self.table.push(UploadSlot(Some(upload)))?))
            }
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    fn lend(&mut self, upload: &Handle) -> wasmtime::Result<Option<Box<dyn Upload>>> {
        Ok(self.slot(upload)?.0.take())
    }

    /// Moves the body in a task of its own: it needs no guest's stack, and
    /// when the client goes away, and this future with it, the task still
    /// brings the upload into order.
    async fn receive(
        &mut self,
        held: &mut Option<Box<dyn Upload>>,
        at: Option<u64>,
        limit: Option<u64>,
    ) -> Result<u64, Failure> {
        let upload = held.as_mut().ok_or_else(broken)?;
        let offset = upload.offset();
        if at.is_some_and(|at| at != offset) {
            return Err(Failure::WrongOffset(offset));
        }
        if let (Some(limit), Some(length)) = (limit, self.declared_length())
            && length > limit
        {
            return Err(Failure::TooLarge(length));
        }
        if let Some(length) = self.declared_length() {
            upload.has_room_for(length)?;
        }
        let body = self.take_body()?;
        let mut upload = held.take().ok_or_else(broken)?;
        let idle = self.shared.limits.idle;
        let moved = async move {
            let task = tokio::spawn(async move {
                let received = plane::receive(body, &mut *upload, limit, idle).await;
                let outcome = received.map(|_| upload.offset());
                (upload, outcome)
            });
            task.await.map_err(|_| Failure::Io("the task that moves the body failed".into()))
        };
        let (upload, outcome) = self.parked(moved).await?;
        *held = Some(upload);
        outcome
    }
}

fn broken() -> Failure {
    Failure::Io("the upload broke in an earlier call".into())
}
