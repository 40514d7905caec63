//! Storage in one directory of a filesystem.
//!
//! The directory is a capability: a `cap_std` handle that was opened once, and
//! nothing here knows its path. Everything of the host's own is below
//! `.skerry` in it.

mod commit;
mod errors;
mod files;
mod filesystems;
mod flush;
mod janitor;
mod links;
mod listing;
mod locks;
mod object;
mod options;
mod own;
mod read;
mod room;
mod stage;
mod stamp;
mod sweep;
mod together;
mod tree;
mod uploads;

#[cfg(test)]
mod tests;

use std::sync::{Arc, atomic::AtomicU64};

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::fs::{Dir, File};
use tokio::sync::Semaphore;

use self::{
    errors::failure,
    filesystems::Filesystems,
    flush::{Flusher, Known, Target},
    listing::Listings,
    locks::{Locks, Pending},
    object::Opened,
    stage::Stage,
    together::Together,
    tree::Tree,
    uploads::{
        Uploads,
        staged::{self, Staged},
    },
};
pub(super) use self::{filesystems::is_trusted, stamp::kind};
pub use self::{
    options::{Durability, Options, Threads},
    together::SyncWhole,
};
use super::{
    Algorithm, Change, Digest, Expectation, Failure, Generations, Key, Listing, Looked, Metadata, Object, Seen,
    Storage, Trust, Upload,
};

/// Objects in a directory.
pub struct Directory {
    inner: Arc<Inner>,
    folds: bool,
    trust: Trust,
}

struct Inner {
    tree: Tree,
    /// By device; empty where nothing can be written.
    stages: Vec<(u64, Arc<Stage>)>,
    options: Options,
    pools: Pools,
    locks: Arc<Locks>,
    pending: Arc<Pending>,
    known: Known,
    flusher: Flusher,
    listings: Listings,
    uploads: Uploads,
    generations: Arc<Generations>,
    filesystems: Filesystems,
    /// Held while the storage is open, one on each device.
    _claims: Vec<File>,
}

struct Pools {
    reads: Arc<Semaphore>,
    commits: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    listings: Arc<Semaphore>,
    hashes: Arc<Semaphore>,
}

impl Directory {
    /// Opens the storage in `root`, and cleans up after processes that died.
    /// Within a tokio runtime, uploads that nobody uses are closed in time.
    ///
    /// On a filesystem that is mounted read-only it opens too, and every write
    /// is [`Failure::ReadOnly`].
    ///
    /// # Errors
    /// [`Failure::Io`] with what is wrong; [`Failure::Other`] with a sentence
    /// on a symbolic link near the root that is not allowed, or that leads
    /// nowhere, and where [`Options::exclusive`] and other processes do not go
    /// together; [`Failure::Busy`] if another process is starting and does not
    /// end.
    pub fn open(root: Dir, options: Options) -> Result<Arc<Self>, Failure> {
        let tree = Tree::open(root, &options.allowed_links)?;
        links::check(&tree)?;
        let roots = tree.bases().iter().filter_map(|base| tree.directory(base.place.as_ref()).ok());
        let flusher = Flusher::new(Together::new(options.sync_whole, roots));
        let owned = match options.read_only {
            true => Ok(Own::default()),
            false => own(&tree, &flusher, &options),
        };
        let Own { stages, states, claims } = match owned {
            Ok(own) => own,
            Err(Failure::ReadOnly) if options.exclusive => {
                return Err(Failure::Other(String::from(
                    "it is read-only and cannot be locked for this process alone: unset storage.filesystem.exclusive",
                )));
            }
            Err(Failure::ReadOnly) => {
                tracing::warn!("the storage is read-only");
                Own::default()
            }
            Err(other) => return Err(other),
        };
        let pool = |size: usize| Arc::new(Semaphore::new(size.max(1)));
        let threads = &options.threads;
        let generations = Arc::<Generations>::default();
        let inner = Arc::new(Inner {
            pools: Pools {
                reads: pool(threads.reads),
                commits: pool(threads.commits),
                writes: pool(threads.writes),
                listings: pool(threads.listings),
                hashes: pool(threads.hashes),
            },
            uploads: Uploads::new(options.max_open_uploads, states, Staged::new(options.staged_per_holder)),
            listings: Listings::new(options.listing_cache),
            tree,
            stages,
            options,
            locks: Arc::default(),
            pending: Arc::new(Pending::new(generations.clone())),
            known: Known::default(),
            flusher,
            generations,
            filesystems: Filesystems::default(),
            _claims: claims,
        });
        staged::load(&inner);
        janitor::start(&inner);
        let folds = inner.default_stage().is_ok_and(|stage| stage.folds());
        let trust = match inner.glance(None) {
            _ if inner.options.exclusive => Trust::Generations,
            Seen::State(_) => Trust::Stamps,
            Seen::Nothing | Seen::Unknown => Trust::Nothing,
        };
        Ok(Arc::new(Self { inner, folds, trust }))
    }

    /// What writes are worth here; `Weak` may come to light later than at the
    /// start.
    #[must_use]
    pub fn durability(&self) -> Durability {
        if self.inner.stages.is_empty() {
            Durability::ReadOnly
        } else if self.inner.flusher.is_weak() {
            Durability::Weak
        } else {
            Durability::Full
        }
    }

    /// Whether this filesystem takes two names for one that differ by case or
    /// by Unicode normalisation alone: then two keys can be one.
    #[must_use]
    pub fn folds_names(&self) -> bool {
        self.folds
    }

    /// The first symbolic link below the root that is not followed, if there is
    /// one: a walk of the whole tree, by the caller's thread.
    ///
    /// # Errors
    /// [`Failure::Io`] if a directory cannot be read.
    pub fn unseen_link(&self) -> Result<Option<Key>, Failure> {
        links::unseen(&self.inner.tree)
    }

    /// Bytes that uploads may take now, on the disk where most of them go;
    /// nothing where that is not known.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        let stage = self.inner.default_stage().ok()?;
        stage.room.left(&stage.dir)
    }

    /// Up to `most` things that are neither files nor directories, nor links
    /// that are allowed: a walk of the whole tree.
    ///
    /// # Errors
    /// [`Failure::Io`] if a directory cannot be read.
    pub async fn others(&self, most: usize) -> Result<Vec<Key>, Failure> {
        let inner = self.inner.clone();
        self.inner.blocking(&self.inner.pools.listings, move || links::others(&inner.tree, most)).await
    }

    /// Uploads that requests use just now, and those that stay open between
    /// two requests.
    #[must_use]
    pub fn open_uploads(&self) -> (usize, usize) {
        self.inner.uploads.count()
    }

    /// Bytes of uploads that are not finished, as far as they count for
    /// somebody; and how often there was no more room for somebody's.
    #[must_use]
    pub fn staged(&self) -> (u64, u64) {
        self.inner.uploads.staged.count()
    }
}

/// What is the host's own, by device.
#[derive(Default)]
struct Own {
    stages: Vec<(u64, Arc<Stage>)>,
    states: Option<uploads::States>,
    claims: Vec<File>,
}

/// Opens what is the host's own, on each device that objects lie on.
fn own(tree: &Tree, flusher: &Flusher, options: &Options) -> Result<Own, Failure> {
    let Own { mut stages, mut states, mut claims } = Own::default();
    // The root is last in the list, and first here: the states are there.
    for base in tree.bases().iter().rev() {
        if base.place.is_some() && stages.iter().any(|(device, _)| *device == base.device) {
            continue;
        }
        let home = stage::home(&base.dir)?;
        let _starting = stage::lock_start(&home)?;
        claims.push(stage::claim(&home, options.exclusive)?);
        let stage = Stage::open(&home, options.reserve)?;
        if base.place.is_none() {
            states = Some(uploads::States::open(&home, stage.clone())?);
        }
        let directory = tree.directory(base.place.as_ref()).map_err(|errno| failure(errno, "opening the storage"))?;
        flusher.sync(vec![Target::Directory(Arc::new(directory))])?;
        stages.push((base.device, stage));
    }
    Ok(Own { stages, states, claims })
}

impl Inner {
    /// The staging directory from which `place` can be reached by a rename.
    fn stage(&self, place: Option<&Key>) -> Result<&Arc<Stage>, Failure> {
        let (base, _) = self.tree.base(place).map_err(|errno| failure(errno, "a key"))?;
        let found = self.stages.iter().find(|(device, _)| *device == base.device);
        found.map(|(_, stage)| stage).ok_or(Failure::ReadOnly)
    }

    /// Where a file waits whose key is not known yet: with the longest link,
    /// as nearly all keys lie below it.
    fn default_stage(&self) -> Result<&Arc<Stage>, Failure> {
        self.stages.last().map(|(_, stage)| stage).ok_or(Failure::ReadOnly)
    }

    /// Runs `job` on a thread that may block, when the pool has room. Once
    /// begun it ends, though its caller may be gone.
    async fn blocking<T: Send + 'static>(
        &self,
        pool: &Arc<Semaphore>,
        job: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = pool.clone().acquire_owned().await.map_err(|_| Failure::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            job()
        });
        task.await.unwrap_or_else(|error| Err(Failure::Io(format!("a blocking job failed: {error}"))))
    }
}

#[async_trait]
impl Storage for Directory {
    async fn look_read(&self, key: &Key, limit: u64) -> Looked<Bytes> {
        self.inner.read(key, limit).await
    }

    async fn look_stat(&self, key: &Key) -> Looked<Metadata> {
        self.inner.stat(key).await
    }

    async fn look_page(&self, parent: Option<&Key>, after: Option<&str>, limit: u32) -> Looked<Listing> {
        self.inner.page(parent.cloned(), after, limit).await
    }

    fn glance(&self, place: Option<&Key>) -> Seen {
        self.inner.glance(place)
    }

    fn generations(&self) -> &Arc<Generations> {
        &self.inner.generations
    }

    fn trust(&self) -> Trust {
        self.trust
    }

    async fn commit(&self, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure> {
        commit::check(&expect, &changes)?;
        if self.inner.stages.is_empty() && !changes.is_empty() {
            return Err(Failure::ReadOnly);
        }
        let held = self.inner.locks.lock(commit::locks(&expect, &changes)).await;
        let inner = self.inner.clone();
        let job = move || {
            let _held = held;
            commit::run(&inner, None, &expect, changes)
        };
        self.inner.blocking(&self.inner.pools.commits, job).await
    }

    async fn open(&self, key: &Key) -> Result<Box<dyn Object>, Failure> {
        Ok(Box::new(self.inner.open(key).await?))
    }

    async fn digest(&self, key: &Key, algorithm: Algorithm, hashed: &Arc<AtomicU64>) -> Result<Digest, Failure> {
        let Opened { file, size, .. } = self.inner.open(key).await?;
        let (key, hashed) = (key.clone(), hashed.clone());
        let job = move || files::digest(&file, size, algorithm, &hashed).map_err(|errno| failure(errno, key));
        self.inner.blocking(&self.inner.pools.hashes, job).await
    }

    async fn create_upload(&self, key: Key, beside: Vec<(Key, Bytes)>) -> Result<Box<dyn Upload>, Failure> {
        Ok(Box::new(self.inner.create_upload(key, beside).await?))
    }

    async fn temporary_upload(&self) -> Result<Box<dyn Upload>, Failure> {
        Ok(Box::new(self.inner.temporary_upload()?))
    }

    async fn resume_upload(&self, key: Key) -> Result<Box<dyn Upload>, Failure> {
        Ok(Box::new(self.inner.resume_upload(key).await?))
    }

    async fn check(&self) -> Result<(), Failure> {
        let inner = self.inner.clone();
        self.inner.blocking(&self.inner.pools.commits, move || inner.default_stage()?.probe()).await
    }

    async fn close(&self) {
        self.inner.close_uploads().await;
    }
}
