//! Uploads in memory.

use std::rc::Rc;

use super::{
    Memory,
    storage::{State, parent},
};
use crate::{
    digest::{Algorithm, Digest},
    host::{Change, Expectation, Failure, Upload, Uploads},
};

impl Uploads for Memory {
    fn create(&self, key: &str, beside: Vec<(String, Vec<u8>)>) -> Result<Box<dyn Upload>, Failure> {
        self.state.call("create", key)?;
        self.state.put(key, Vec::new());
        for (key, bytes) in beside {
            self.state.put(&key, bytes);
        }
        self.open(key)
    }

    fn temporary(&self) -> Result<Box<dyn Upload>, Failure> {
        self.state.call("temporary", "")?;
        self.state.put(".skerry/temporary/data", Vec::new());
        self.open(".skerry/temporary/data")
    }

    fn resume(&self, key: &str) -> Result<Box<dyn Upload>, Failure> {
        self.state.call("resume", key)?;
        if !self.state.objects.borrow().contains_key(key) {
            return Err(Failure::NotFound);
        }
        if self.state.busy.borrow().contains(key) {
            return Err(Failure::Busy);
        }
        self.open(key)
    }
}

impl Memory {
    fn open(&self, key: &str) -> Result<Box<dyn Upload>, Failure> {
        self.state.busy.borrow_mut().insert(key.to_owned());
        Ok(Box::new(Open {
            state: Rc::clone(&self.state),
            key: key.to_owned(),
            chunked: self.request.borrow().chunked,
        }))
    }
}

struct Open {
    state: Rc<State>,
    key: String,
    chunked: bool,
}

impl Upload for Open {
    fn offset(&self) -> u64 {
        let objects = self.state.objects.borrow();
        objects.get(&self.key).map_or(0, |(bytes, _)| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    fn append(&self, at: Option<u64>, limit: Option<u64>) -> Result<u64, Failure> {
        self.state.call("append", &self.key)?;
        let offset = self.offset();
        if at.is_some_and(|at| at != offset) {
            return Err(Failure::WrongOffset(offset));
        }
        let mut body = self.state.body.borrow_mut().take().ok_or_else(|| Failure::Other("taken".to_owned()))?;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let long = limit.is_some_and(|limit| body.len() > limit);
        if long && !self.chunked {
            return Err(Failure::TooLarge(0));
        }
        body.truncate(limit.unwrap_or(usize::MAX));
        if let Some((bytes, modified)) = self.state.objects.borrow_mut().get_mut(&self.key) {
            bytes.extend(body);
            *modified = self.state.now.get();
        }
        if long { Err(Failure::TooLarge(0)) } else { Ok(self.offset()) }
    }

    fn finish(&self, to: &str, digest: &str, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure> {
        self.state.call("finish", to)?;
        let bytes = self.state.objects.borrow().get(&self.key).map(|(bytes, _)| bytes.clone()).unwrap_or_default();
        let algorithm = digest.split(':').next().and_then(Algorithm::parse);
        let algorithm = algorithm.ok_or_else(|| Failure::Other("algorithm".to_owned()))?;
        if Digest::of(algorithm, &bytes).as_str() != digest {
            return Err(Failure::DigestMismatch);
        }
        let mut all = vec![Change::Put(to.to_owned(), bytes)];
        all.extend(changes);
        self.state.commit(&expect, all)?;
        self.abort()
    }

    fn abort(&self) -> Result<(), Failure> {
        self.state.call("abort", &self.key)?;
        self.state.remove_tree(parent(&self.key));
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.busy.borrow_mut().remove(&self.key);
        if self.key.starts_with(".skerry/") {
            self.state.remove_tree(parent(&self.key));
        }
    }
}
