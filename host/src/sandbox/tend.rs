//! Work in the background that only the module can decide on, as it needs the
//! layout: done in small steps, each a fresh instance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{
    Sandbox, State,
    bindings::handler,
    describe,
    moment::{Calendar, Moment},
    store,
    task::Task,
};

/// Looks at the storage in one step.
const BUDGET: u32 = 1_000;

/// Between two steps beside which requests are served.
const PAUSE: Duration = Duration::from_millis(5);

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

/// How tags go that the policies do not want; `storage.maintenance.retention`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Time between two runs.
    pub interval: Duration,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What a task did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tended {
    /// Things looked at.
    pub examined: u64,
    /// Things changed.
    pub changed: u64,
}

/// How far a verification is, for who watches it.
#[derive(Debug, Default)]
pub struct Heard {
    /// Bytes hashed so far.
    pub hashed: Arc<AtomicU64>,
    /// Bytes that are to be hashed in all; 0 while that is not known.
    pub total: AtomicU64,
}

/// Something that is not as it was stored: texts for people, on one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it is.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
    /// Who cannot have what.
    pub consequence: String,
    /// By what it is mended.
    pub remedy: String,
    /// What was done about it.
    pub done: Option<String>,
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
        // Requests come first.
        self.tend(&task, PAUSE, self.begin(), log).await
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
        let say = |progress: &handler::Progress| progress.messages.iter().for_each(|line| say(&on_one_line(line)));
        self.tend(&task, Duration::ZERO, self.begin(), say).await
    }

    /// Removes tags that the policies do not want, now and then, until it is
    /// dropped.
    pub async fn retain_tags(&self, retention: &Retention) {
        let mut wait = retention.interval.min(Duration::from_secs(60)).mul_f64(jitter());
        loop {
            tokio::time::sleep(wait).await;
            wait = retention.interval.max(Duration::from_secs(1));
            let task = retention_task(retention.dry_run);
            match self.tend(&task, PAUSE, self.begin(), log).await {
                Ok(done) => {
                    tracing::info!(
                        examined = done.examined,
                        removed = done.changed,
                        dry_run = retention.dry_run,
                        "retention is done"
                    );
                }
                Err(cause) => tracing::error!(cause, "retention failed; it is tried again after its interval"),
            }
        }
    }

    /// Removes such tags once, and says what it does, line by line.
    pub async fn retain_once(&self, dry_run: bool, mut say: impl FnMut(&str)) -> Result<Tended, String> {
        let say = |progress: &handler::Progress| progress.messages.iter().for_each(|line| say(&on_one_line(line)));
        self.tend(&retention_task(dry_run), Duration::ZERO, self.begin(), say).await
    }

    /// Whether a policy decides which tags are kept.
    pub fn keeps_tags(&self) -> bool {
        self.chain.get().is_some_and(|policies| policies.keep_tags())
    }

    /// Looks whether all that is stored is whole; tells of what is not, and
    /// line by line of the rest. It is to have the process for itself.
    pub async fn verify(
        &self,
        repair: bool,
        heard: &Heard,
        mut found: impl FnMut(&Damage),
        mut say: impl FnMut(&str),
    ) -> Result<Tended, String> {
        let task = handler::Task::Verify(handler::Verification { now: now(), repair });
        let run = Task { hashed: Arc::clone(&heard.hashed), ..Task::default() };
        let each = |progress: &handler::Progress| {
            heard.total.fetch_max(progress.total, Ordering::Relaxed);
            progress.damage.iter().for_each(|damage| found(&Damage::from(damage)));
            progress.messages.iter().for_each(|line| say(&on_one_line(line)));
        };
        self.tend(&task, Duration::ZERO, Arc::new(run), each).await
    }

    fn begin(&self) -> Arc<Task> {
        Arc::new(Task { policies: self.chain.get(), ..Task::default() })
    }

    async fn tend(
        &self,
        task: &handler::Task,
        pause: Duration,
        run: Arc<Task>,
        mut each: impl FnMut(&handler::Progress),
    ) -> Result<Tended, String> {
        let mut done = Tended::default();
        let mut cursor = None;
        for _ in 0..STEPS {
            let progress = self.step(task, cursor.as_deref(), &run).await?;
            done.examined = done.examined.saturating_add(progress.examined);
            done.changed = done.changed.saturating_add(progress.changed);
            each(&progress);
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
        run: &Arc<Task>,
    ) -> Result<handler::Progress, String> {
        let permit = self.shared.instances.admit().await.ok_or("every instance is busy")?;
        let mut state = State::new(Arc::clone(&self.shared), None, Some(permit));
        state.task = Some(Arc::clone(run));
        let mut store = store(&self.engine, &self.shared, state);
        let module = self.module();
        let instance = module.linked.pre.instantiate_async(&mut store).await.map_err(|cause| describe(&cause))?;
        let handler = instance.skerry_registry_handler();
        let progress = handler.call_tend(&mut store, task, cursor, BUDGET).await;
        store.data().output.log("tend");
        progress.map_err(|cause| describe(&cause))?
    }
}

impl From<&handler::Damage> for Damage {
    fn from(damage: &handler::Damage) -> Self {
        Self {
            place: on_one_line(&damage.place),
            what: on_one_line(&damage.what),
            consequence: on_one_line(&damage.consequence),
            remedy: on_one_line(&damage.remedy),
            done: damage.done.as_deref().map(on_one_line),
        }
    }
}

fn retention_task(dry_run: bool) -> handler::Task {
    handler::Task::Retain(handler::RetentionRun { now: now(), dry_run })
}

fn log(progress: &handler::Progress) {
    for message in progress.messages.iter().take(100) {
        tracing::info!(target: "guest", "{}", message.escape_debug());
    }
}

fn on_one_line(text: &str) -> String {
    text.escape_debug().to_string()
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// From 0 to 1.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}
