//! Work in the background that only the module can decide on, as it needs the
//! layout: done in small steps, each a fresh instance.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Sandbox, State,
    bindings::handler,
    describe,
    marks::Marks,
    moment::{Calendar, Moment},
    store,
};

/// Looks at the storage in one step.
const BUDGET: u32 = 1_000;

/// Steps of one task: a module that never says that it is done is stopped.
const STEPS: u32 = 1_000_000;

/// How half-done uploads are purged; `storage.maintenance.uploadpurging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Nothing happened to them for this long.
    pub age: Duration,
    /// Time between two runs.
    pub interval: Duration,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What a garbage collection is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// What is younger stays.
    pub grace: Duration,
    /// Only say what would go.
    pub dry_run: bool,
    /// Manifests go too that no tag leads to.
    pub delete_untagged: bool,
}

/// What a task did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tended {
    /// Things looked at.
    pub examined: u64,
    /// Things changed.
    pub changed: u64,
}

impl Sandbox {
    /// Purges uploads now and then, until it is dropped.
    pub async fn purge_uploads(&self, purge: &Purge) {
        // Not at once: several hosts that start together would all walk the
        // same volume at the same time.
        let mut wait = purge.interval.min(Duration::from_secs(60)).mul_f64(jitter());
        let mut calendar = Calendar::new(purge.age, Moment::now());
        loop {
            tokio::time::sleep(wait).await;
            wait = purge.interval.max(Duration::from_secs(1));
            match self.purge_once(purge, calendar.seconds(Moment::now())).await {
                Ok(done) => {
                    tracing::info!(
                        examined = done.examined,
                        purged = done.changed,
                        dry_run = purge.dry_run,
                        "upload purging is done"
                    );
                }
                Err(cause) => tracing::error!(cause, "upload purging failed; it is tried again after its interval"),
            }
        }
    }

    /// Purges uploads once.
    async fn purge_once(&self, purge: &Purge, now: u64) -> Result<Tended, String> {
        let task = handler::Task::PurgeUploads(handler::Purge {
            now,
            older_than: purge.age.as_secs(),
            dry_run: purge.dry_run,
        });
        let log = |messages: &[String]| {
            for message in messages.iter().take(100) {
                tracing::info!(target: "guest", "{}", message.escape_debug());
            }
        };
        // Requests come first.
        self.tend(&task, Duration::from_millis(5), log).await
    }

    /// Collects garbage, and says what it does, line by line. It is to have
    /// the process for itself.
    pub async fn collect(&self, collection: &Collection, mut say: impl FnMut(&str)) -> Result<Tended, String> {
        let task = handler::Task::Collect(handler::Collection {
            now: now(),
            grace: collection.grace.as_secs(),
            dry_run: collection.dry_run,
            delete_untagged: collection.delete_untagged,
        });
        let say = |messages: &[String]| messages.iter().for_each(|line| say(&line.escape_debug().to_string()));
        self.tend(&task, Duration::ZERO, say).await
    }

    async fn tend(
        &self,
        task: &handler::Task,
        pause: Duration,
        mut say: impl FnMut(&[String]),
    ) -> Result<Tended, String> {
        let mut done = Tended::default();
        let mut cursor = None;
        let marks = Arc::default();
        for _ in 0..STEPS {
            let progress = self.step(task, cursor.as_deref(), &marks).await?;
            done.examined = done.examined.saturating_add(progress.examined);
            done.changed = done.changed.saturating_add(progress.changed);
            say(&progress.messages);
            match progress.cursor {
                None => return Ok(done),
                Some(next) if cursor.as_ref() == Some(&next) => return Err("the module makes no progress".into()),
                Some(next) => cursor = Some(next),
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        Err("the module does not come to an end".into())
    }

    async fn step(
        &self,
        task: &handler::Task,
        cursor: Option<&str>,
        marks: &Arc<Marks>,
    ) -> Result<handler::Progress, String> {
        let permit = self.shared.instances.admit().await.ok_or("every instance is busy")?;
        let mut state = State::new(Arc::clone(&self.shared), None, Some(permit));
        state.marks = Some(Arc::clone(marks));
        let mut store = store(&self.engine, &self.shared, state);
        let module = self.module();
        let instance = module.pre.instantiate_async(&mut store).await.map_err(|cause| describe(&cause))?;
        let handler = instance.skerry_registry_handler();
        let progress = handler.call_tend(&mut store, task, cursor, BUDGET).await;
        store.data().output.log("tend");
        progress.map_err(|cause| describe(&cause))?
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// From 0 to 1.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}
