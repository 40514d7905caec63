//! `skerry:registry/storage`.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::failure::{changes, expectations};
use crate::{
    remember::Reason,
    sandbox::{
        bindings::{storage as wit, types},
        state::State,
        task::Task,
    },
    storage::{Algorithm, Digest, Failure, Key, Storage},
};

/// Keys of one call for digests, and objects that are hashed at a time.
const DIGESTS: usize = 256;
const AT_ONCE: usize = 2;

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

    async fn digests(
        &mut self,
        keys: Vec<String>,
        algorithm: String,
    ) -> wasmtime::Result<Vec<Result<String, types::Failure>>> {
        self.enter()?;
        self.refuse(Reason::Stream);
        let outcomes = match (&self.task, Algorithm::parse(&algorithm)) {
            (Some(task), Some(algorithm)) if keys.len() <= DIGESTS => {
                digests(&self.shared.storage, task, &keys, algorithm).await
            }
            (None, _) => {
                keys.iter().map(|_| Err(Failure::Other("there are digests within a task only".into()))).collect()
            }
            (_, None) => keys.iter().map(|_| Err(Failure::Other("no such digest algorithm".into()))).collect(),
            // No longer list than that is answered.
            _ => (0..DIGESTS).map(|_| Err(Failure::Other(format!("more than {DIGESTS} keys")))).collect(),
        };
        self.leave();
        self.hand_over(outcomes.len().saturating_mul(160))?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map(|digest| digest.to_string()).map_err(Into::into)).collect())
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

/// Hashes objects, some at a time.
async fn digests(
    storage: &Arc<dyn Storage>,
    task: &Arc<Task>,
    keys: &[String],
    algorithm: Algorithm,
) -> Vec<Result<Digest, Failure>> {
    let lost = || Err(Failure::Io("the task that hashes failed".into()));
    let mut outcomes: Vec<_> = keys.iter().map(|_| lost()).collect();
    let mut running = JoinSet::new();
    let mut keys = keys.iter().enumerate();
    loop {
        if running.len() < AT_ONCE
            && let Some((index, key)) = keys.next()
        {
            let (storage, task, key) = (Arc::clone(storage), Arc::clone(task), Key::parse(key));
            running.spawn(async move {
                let outcome = match key {
                    Ok(key) => storage.digest(&key, algorithm, &task.hashed).await,
                    Err(failure) => Err(failure),
                };
                (index, outcome)
            });
            continue;
        }
        let Some(done) = running.join_next().await else { return outcomes };
        if let Ok((index, outcome)) = done
            && let Some(place) = outcomes.get_mut(index)
        {
            *place = outcome;
        }
    }
}

type Parsed = (Vec<crate::storage::Expectation>, Vec<crate::storage::Change>);

/// Parses both lists of a commit.
pub fn parse(expect: Vec<wit::Expectation>, change: Vec<wit::Change>) -> Result<Parsed, Failure> {
    Ok((expectations(expect)?, changes(change)?))
}
