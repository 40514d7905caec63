//! `skerry:registry/storage`.

use super::failure::{changes, expectations};
use crate::{
    sandbox::{
        bindings::{storage as wit, types},
        state::State,
    },
    storage::{Failure, Key},
};

impl wit::Host for State {
    async fn read(&mut self, key: String, limit: u64) -> wasmtime::Result<Result<Vec<u8>, types::Failure>> {
        self.enter()?;
        // A guest names a limit, and the host allocates: never more than its own.
        let limit = limit.min(self.shared.limits.object_in_memory);
        let outcome = match Key::parse(&key) {
            Ok(key) => self.shared.storage.read(&key, limit).await,
            Err(failure) => Err(failure),
        };
        self.leave();
        if let Ok(bytes) = &outcome {
            self.hand_over(bytes.len())?;
        }
        Ok(outcome.map(Into::into).map_err(Into::into))
    }

    async fn stat(&mut self, key: String) -> wasmtime::Result<Result<wit::Metadata, types::Failure>> {
        self.enter()?;
        let outcome = match Key::parse(&key) {
            Ok(key) => self.shared.storage.stat(&key).await,
            Err(failure) => Err(failure),
        };
        self.leave();
        Ok(outcome.map(Into::into).map_err(Into::into))
    }

    async fn page(
        &mut self,
        parent: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<wit::Listing, types::Failure>> {
        self.enter()?;
        let parent = if parent.is_empty() { Ok(None) } else { Key::parse(&parent).map(Some) };
        let outcome = match parent {
            Ok(parent) => self.shared.storage.page(parent.as_ref(), after.as_deref(), limit).await,
            Err(failure) => Err(failure),
        };
        self.leave();
        if let Ok(listing) = &outcome {
            self.hand_over(listing.entries.iter().map(|(name, _)| name.len() + 16).sum())?;
        }
        Ok(outcome.map(Into::into).map_err(Into::into))
    }

    async fn commit(
        &mut self,
        expect: Vec<wit::Expectation>,
        change: Vec<wit::Change>,
    ) -> wasmtime::Result<Result<(), types::Failure>> {
        self.enter()?;
        let outcome = match parse(expect, change) {
            Ok((expect, changes)) => self.shared.storage.commit(expect, changes).await,
            Err(failure) => Err(failure),
        };
        self.leave();
        Ok(outcome.map_err(Into::into))
    }
}

type Parsed = (Vec<crate::storage::Expectation>, Vec<crate::storage::Change>);

/// Parses both lists of a commit.
pub fn parse(expect: Vec<wit::Expectation>, change: Vec<wit::Change>) -> Result<Parsed, Failure> {
    Ok((expectations(expect)?, changes(change)?))
}
