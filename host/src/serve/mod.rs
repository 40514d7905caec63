//! Puts the rooms together and serves until it is told to stop.
//!
//! Here a path of the configuration becomes a capability: the one directory,
//! opened once. Nothing behind it sees a path again.

mod acme;
mod admin;
mod artifacts;
mod collect;
mod guest;
mod health;
mod inherited;
mod map;
mod meters;
mod modules;
mod native;
mod notify;
mod policies;
mod rehearse;
mod retain;
mod room;
mod screen;
mod tls;
mod uses;
mod verify;

use std::{
    fs, io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use cap_std::{ambient_authority, fs::Dir};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    acme::CacheError,
    cli::{Plan, logging},
    config::{Config, Listen},
    metrics::Metrics,
    remember,
    sandbox::{Limits, ModuleFile, PolicySource, Preopen, Prepared, Sandbox, StartError},
    server::{self, Admin, Endpoint, EventLoops, Health, Phase, Server, Shutdown, Trigger},
    storage::{self, Directory, Durability, Failure, Storage, Trust},
};

use self::{acme::Ordering, admin::Doors, artifacts::Artifacts, modules::Modules, notify::Manager};
pub use self::{
    collect::{CollectError, collect},
    guest::All,
    native::run_with,
    retain::{RetainError, retain},
    verify::{VerifyError, verify},
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Why it does not start: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The runtime cannot be made.
    #[error("the runtime does not start: {0}")]
    Runtime(io::Error),
    /// An item of `storage.filesystem.symlinks` is no key.
    #[error(
        "`storage.filesystem.symlinks`: `{key}` is to be a path below the root directory, such as docker/registry: {cause}"
    )]
    Symlink {
        /// The item.
        key: String,
        /// Why.
        cause: String,
    },
    /// A directory near the root is a link that may not or cannot be followed.
    #[error("the storage directory {path} cannot be served as it is: {cause}")]
    Link {
        /// `storage.filesystem.rootdirectory`.
        path: String,
        /// The sentence about it.
        cause: String,
    },
    /// The directory cannot be used.
    #[error("the storage directory {path} cannot be used: {cause}; create it, or let this user read and write it")]
    Root {
        /// `storage.filesystem.rootdirectory`.
        path: String,
        /// Why.
        cause: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}{hint}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        cause: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A socket of a service manager cannot be used.
    #[error("{0}")]
    Inherited(String),
    /// The directory of ordered certificates.
    #[error("`http.tls.letsencrypt.cachefile`: {0}")]
    Cache(#[from] CacheError),
    /// The admin endpoint's socket.
    #[error("`admin.socket`: {path} cannot be listened on: {cause}")]
    AdminSocket {
        /// Which.
        path: String,
        /// Why.
        cause: io::Error,
    },
    /// The admin endpoint's certificates.
    #[error("`admin.tls`: {0}")]
    AdminTls(String),
    /// Something that a policy is to have.
    #[error("{0}")]
    Policy(String),
    /// A module that is to come from a registry.
    #[error("the module {name} cannot be had: {cause}")]
    Artifact {
        /// What the configuration calls it.
        name: String,
        /// Why.
        cause: String,
    },
    /// The sandbox does not start.
    #[error(transparent)]
    Sandbox(#[from] StartError),
}

/// Serves a plan until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(plan: &Plan) -> Result<(), ServeError> {
    // Before there are threads.
    let inherited = inherited::take().map_err(ServeError::Inherited)?;
    let config = room::fit(plan.config.clone());
    let prepared = prepare(&config)?;
    let runtime = runtime()?;
    let loops = event_loops()?;
    let outcome = runtime.block_on(serve(plan, &config, prepared, inherited, &loops));
    loops.shutdown();
    // What is still in a blocking job (a sync of a slow disk) may end.
    runtime.shutdown_timeout(Duration::from_secs(2));
    logging::write_all();
    outcome
}

fn runtime() -> Result<tokio::runtime::Runtime, ServeError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("skerry")
        // Storage bounds its own kinds of blocking work below half of this; so
        // do policies that wait for files by WASI.
        .max_blocking_threads(512)
        .thread_keep_alive(Duration::from_secs(10))
        .on_thread_park(logging::thread_waits)
        .build()
        .map_err(ServeError::Runtime)
}

fn event_loops() -> Result<EventLoops, ServeError> {
    EventLoops::start(room::event_loops(), logging::thread_waits).map_err(ServeError::Runtime)
}

/// What the sandbox stands on, as a thread makes it: beside all else that a
/// start does.
type Coming = JoinHandle<Result<Prepared, StartError>>;

fn prepare(config: &Config) -> Result<Coming, ServeError> {
    let (limits, guarded) = (map::limits(config), !config.policies.is_empty());
    let built_in = config.sandbox.registry.is_none();
    let make = move || {
        let prepared = Prepared::new(limits, guarded)?;
        if built_in { prepared.with_built_in() } else { Ok(prepared) }
    };
    thread::Builder::new().name("engine".into()).spawn(make).map_err(ServeError::Runtime)
}

async fn serve(
    plan: &Plan,
    config: &Config,
    prepared: Coming,
    inherited: Vec<std::net::TcpListener>,
    loops: &EventLoops,
) -> Result<(), ServeError> {
    let (trigger, shutdown) = Trigger::new();
    trigger.on_signals().map_err(ServeError::Runtime)?;
    // Before it says that it listens: until then, SIGHUP would end it.
    let manager = Manager::of_process();
    let reloads = tls::Reloads::new(plan.first_run.is_some(), manager.clone()).map_err(ServeError::Runtime)?;

    // Before anything slow: an address in use is the most common mistake.
    let kept = !inherited.is_empty();
    let listeners = if kept { adopt(inherited)? } else { bind(&config.http.listen)? };
    let debug = config.http.debug.as_ref().map(|debug| bind(&debug.listen)).transpose()?;
    let doors = Doors::open(config)?;
    let ordering = if plan.tls.is_some() { Ordering::prepare(config)? } else { None };

    let storage = open(config)?;
    let artifacts = Arc::new(Artifacts::of(config, &storage).await?);
    let modules::Read { registry, policies, known } = modules::read(config, artifacts)?;
    // It has had the time that it takes.
    let prepared =
        prepared.join().map_err(|_| ServeError::Runtime(io::Error::other("the engine's thread panicked")))??;
    let sandbox = start(config, prepared, Arc::clone(&storage), (registry, policies)).await?;
    uses::load(&storage, &sandbox).await;
    let keeping = uses::keep(&storage, &sandbox);
    let metrics = Arc::new(Metrics::new());
    let modules = Modules::new(config.clone(), plan.reread.clone(), (&sandbox, &storage), known, &metrics);
    meters::register(&metrics, &sandbox, &storage);
    let health = Health::new();
    health::watch(config, &health, &storage);

    let admin = debug.map(|listeners| admin(config, listeners, &health, &metrics, &shutdown));
    let purging = config.storage.purge.clone().filter(|_| !config.storage.read_only).map(|purge| {
        let sandbox = Arc::clone(&sandbox);
        tokio::spawn(async move { sandbox.purge_uploads(&map::purge(&purge)).await })
    });

    let retention = retain::schedule(config, &sandbox);

    let server = Server::new(map::options(config), Arc::clone(&sandbox) as _, health, &metrics, loops);
    let changing = follow(plan, &modules)?;
    let doors = doors.answer(&modules, &shutdown);
    let challenges = ordering.as_ref().map(Ordering::challenges);
    let (source, renewal) = tls::renewed(plan, reloads, challenges, &metrics);
    let ordering = ordering.map(|ordering| ordering.start(&metrics));
    announce(plan, &listeners);
    manager.ready();
    let ending = shutdown.clone();
    tokio::spawn(async move {
        ending.reached(Phase::Draining).await;
        manager.stopping();
    });
    let endpoints = listeners.into_iter().map(|listener| Endpoint { listener, tls: source.clone(), kept }).collect();
    server.run(endpoints, shutdown.clone()).await;

    renewal.abort();
    drop((changing, doors));
    drop(ordering);
    for task in [purging, retention, Some(keeping)].into_iter().flatten() {
        task.abort();
        // What it began is done, or will not be.
        let _ = task.await;
    }
    uses::save(&storage, &sandbox).await;
    storage.close().await;
    trigger.advance(Phase::Stopping);
    if let Some(admin) = admin {
        let _ = admin.await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// SIGHUP says that something outside has changed: nothing is relied on that
/// was remembered, the configuration is read again, and modules are loaded
/// anew, with their secrets. (A first
/// run ends by it: see `tls::Reloads`.) A changed file of a module is noticed
/// without it. It ends with what is returned.
fn follow(plan: &Plan, modules: &Arc<Modules>) -> Result<JoinSet<()>, ServeError> {
    let mut following = JoinSet::new();
    following.spawn(modules::watch(Arc::clone(modules)));
    if plan.first_run.is_none() {
        let mut hangups = signal(SignalKind::hangup()).map_err(ServeError::Runtime)?;
        let modules = Arc::clone(modules);
        following.spawn(async move {
            while hangups.recv().await.is_some() {
                // What is wrong is in the log.
                let _ = modules.reload("SIGHUP").await;
            }
        });
    }
    Ok(following)
}

fn open(config: &Config) -> Result<Arc<Directory>, ServeError> {
    open_with(config, map::directory(config)?)
}

fn open_with(config: &Config, options: storage::Options) -> Result<Arc<Directory>, ServeError> {
    let path = &config.storage.root;
    let wrong = |cause: String| ServeError::Root { path: path.display().to_string(), cause };
    if !config.storage.read_only {
        fs::create_dir_all(path).map_err(|cause| wrong(cause.to_string()))?;
    }
    let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(|cause| wrong(cause.to_string()))?;
    let storage = Directory::open(root, options).map_err(|failure| match failure {
        Failure::Other(cause) => ServeError::Link { path: path.display().to_string(), cause },
        Failure::Busy => wrong("another process that uses it is starting and does not come to an end".into()),
        other => wrong(other.to_string()),
    })?;
    if storage.durability() == Durability::Weak {
        tracing::warn!(
            "durability: weak; this filesystem cannot sync directories, and a power cut may undo what was acknowledged"
        );
    }
    if storage.folds_names() {
        tracing::warn!(
            "names: folded; this filesystem takes two names for one that differ by case or by normalisation alone, so \
             that two tags can overwrite one another: move the storage to one that does not"
        );
    }
    Ok(storage)
}

/// A registry module, the built-in one where there is none, and policies.
type Loaded = (Option<ModuleFile>, Vec<PolicySource>);

async fn start(
    config: &Config,
    prepared: Prepared,
    storage: Arc<Directory>,
    modules: Loaded,
) -> Result<Arc<Sandbox>, ServeError> {
    let remember = map::remember(config);
    if remember.is_some() && storage.trust() == Trust::Nothing {
        tracing::warn!(
            "answers are not remembered: time stamps of this filesystem cannot be relied on; where nobody else writes \
             to it, set storage.filesystem.exclusive"
        );
    }
    start_on(config, prepared, storage, modules, remember.as_ref()).await
}

/// For a command of one's own: with limits of its own, and remembering nothing.
async fn start_with(
    config: &Config,
    limits: Limits,
    storage: Arc<Directory>,
    modules: Loaded,
) -> Result<Arc<Sandbox>, ServeError> {
    let prepared = Prepared::new(limits, !modules.1.is_empty())?;
    start_on(config, prepared, storage, modules, None).await
}

async fn start_on(
    config: &Config,
    prepared: Prepared,
    storage: Arc<Directory>,
    (registry, policies): Loaded,
    remember: Option<&remember::Options>,
) -> Result<Arc<Sandbox>, ServeError> {
    let settings = {
        let config = config.clone();
        Box::new(move |path: &str| config.guest_setting(path))
    };
    let preopen = preopen(config, &storage)?;
    let sandbox = Sandbox::start(prepared, storage, settings, (registry, preopen), policies, remember).await?;
    Ok(Arc::new(sandbox))
}

/// The directory for a module that may use it by WASI's own calls.
fn preopen(config: &Config, storage: &Directory) -> Result<Option<Preopen>, ServeError> {
    let Some(rights) = config.sandbox.preopen else { return Ok(None) };
    let path = config.storage.root.display().to_string();
    if storage.folds_names() {
        let cause = "this filesystem takes two names for one, so that none can be withheld from the module: \
                     `sandbox.preopen` is not possible here"
            .to_owned();
        return Err(ServeError::Link { path, cause });
    }
    let opened = Dir::open_ambient_dir(&config.storage.root, ambient_authority());
    let opened = opened.map_err(|cause| ServeError::Root { path, cause: cause.to_string() })?;
    Ok(Some(map::preopen(opened, rights)))
}

/// Listens on what a service manager opened, in place of `http.addr`.
fn adopt(inherited: Vec<std::net::TcpListener>) -> Result<Vec<TcpListener>, ServeError> {
    let adopted: io::Result<_> = inherited.into_iter().map(TcpListener::from_std).collect();
    adopted.map_err(|cause| ServeError::Inherited(format!("a socket of the service manager cannot be used: {cause}")))
}

/// Binds every address that is meant. For "all addresses" that is `[::]` for
/// both families or, where there is no IPv6, `0.0.0.0`.
fn bind(listen: &Listen) -> Result<Vec<TcpListener>, ServeError> {
    let wrong = |cause: io::Error| ServeError::Listen {
        address: listen.to_string(),
        hint: match cause.kind() {
            io::ErrorKind::AddrInUse => {
                "; something else listens there: stop it, or choose another address (--addr or http.addr)"
            }
            io::ErrorKind::PermissionDenied => "; ports below 1024 need more rights: choose a higher one",
            _ => "",
        },
        cause,
    };
    let addresses = listen.resolve().map_err(wrong)?;
    if listen.host.is_empty() {
        let mut last = None;
        for address in addresses {
            match server::listen(address, BACKLOG) {
                Ok(listener) => return Ok(vec![listener]),
                Err(cause) => last = Some(cause),
            }
        }
        return Err(wrong(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())));
    }
    // A name such as localhost may mean an IPv4 and an IPv6 address, one of
    // which this machine may lack; with port 0 they could not be the same.
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut last = None;
    for address in addresses {
        if address.port() == 0 && !bound.is_empty() {
            break;
        }
        match server::listen(address, BACKLOG) {
            Ok(listener) => bound.push(listener),
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => return Err(wrong(cause)),
            Err(cause) => last = Some(cause),
        }
    }
    match (bound.is_empty(), last) {
        (false, _) => Ok(bound),
        (true, cause) => Err(wrong(cause.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))),
    }
}

fn admin(
    config: &Config,
    listeners: Vec<TcpListener>,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) -> tokio::task::JoinHandle<()> {
    let metrics_path = config.http.debug.as_ref().and_then(|debug| debug.metrics.clone());
    let (health, metrics, shutdown) = (Arc::clone(health), Arc::clone(metrics), shutdown.clone());
    tokio::spawn(async move {
        let mut running = JoinSet::new();
        for listener in listeners {
            if let Ok(address) = listener.local_addr() {
                tracing::info!(debug_address = %address, "admin listener");
            }
            let admin = Admin {
                health: Arc::clone(&health),
                metrics: Arc::clone(&metrics),
                metrics_path: metrics_path.clone(),
            };
            running.spawn(admin.run(listener, shutdown.clone()));
        }
        while running.join_next().await.is_some() {}
    })
}

/// Says where it listens: to the log, and on a first run to the terminal.
fn announce(plan: &Plan, listeners: &[TcpListener]) {
    let bound: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    for address in &bound {
        tracing::info!(%address, tls = plan.tls.is_some(), "listening");
    }
    if let Some(banner) = bound.first().and_then(|address| plan.banner(*address)) {
        let mut out = io::stdout().lock();
        // That nobody reads it is no reason to stop.
        let _ = io::Write::write_all(&mut out, banner.as_bytes()).and_then(|()| io::Write::flush(&mut out));
    }
}
