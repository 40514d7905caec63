//! `skerry:registry/storage`.

use std::sync::Arc;

use super::failure::{changes, expectations};
use crate::{
    remember::Reason,
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
        let storage = Arc::clone(&self.shared.storage);
        let outcome = match Key::parse(&key) {
            Ok(key) => self.look(Some(&key), storage.look_read(&key, limit)).await,
            Err(failure) => Err(failure),
        };
        let outcome = self.noted(outcome);
        self.leave();
        if let Ok(bytes) = &outcome {
            self.hand_over(bytes.len())?;
        }
        Ok(outcome.map(Into::into).map_err(Into::into))
    }

    async fn stat(&mut self, key: String) -> wasmtime::Result<Result<wit::Metadata, types::Failure>> {
        self.enter()?;
        let storage = Arc::clone(&self.shared.storage);
        let outcome = match Key::parse(&key) {
            Ok(key) => self.look(Some(&key), storage.look_stat(&key)).await,
            Err(failure) => Err(failure),
        };
        let outcome = self.noted(outcome);
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
        let storage = Arc::clone(&self.shared.storage);
        let outcome = match &parent {
            Ok(parent) => {
                let page = storage.look_page(parent.as_ref(), after.as_deref(), limit);
                self.look(parent.as_ref(), page).await
            }
            Err(failure) => Err(failure.clone()),
        };
        let outcome = self.noted(outcome);
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
        self.refuse(Reason::Wrote);
        let outcome = match parse(expect, change) {
            Ok((expect, changes)) => {
                self.begin_to_store();
                let outcome = self.shared.storage.commit(expect, changes).await;
                self.end_to_store(&outcome);
                outcome
            }
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
