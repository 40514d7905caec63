//! The sandbox: WebAssembly components decide, in a fresh instance for each
//! request, and this room carries their decisions out.
//!
//! It knows the world in `wit/` and nothing of what a guest does with it: no
//! route, no repository, no error code. What a guest asks for goes through
//! `imports/`, what it answers through `answer.rs`; both trust it as little as
//! a client. Nothing of an instance outlives its request.

mod annex;
mod answer;
mod bindings;
mod chain;
mod code;
mod compile;
mod compiler;
mod ending;
mod engine;
mod facts;
mod function;
mod imports;
mod instances;
mod limits;
mod marks;
mod meter;
mod module;
mod moment;
mod output;
mod own;
mod policy;
mod preopen;
mod recall;
mod room;
mod state;
mod task;
mod tend;
mod uses;
mod wants;
mod worlds;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use wasmtime::{
    Engine, Store,
    component::{Component, Linker},
};

use self::{
    annex::{Annex, Annexed},
    answer::{Checked, Content},
    chain::Chain,
    ending::describe,
    engine::Ticker,
    facts::Teller,
    instances::{Instances, Slot},
    module::Module,
    policy::{Common, Policies, Session},
    preopen::Threads,
    state::{Request, State},
};
pub use self::{
    compiler::{Compiler, CompilerLimits, apart as compile_apart},
    facts::Given,
    limits::{Guard, Limits},
    module::{LoadError, ModuleFile, precompile},
    policy::{
        Asked, Origin as PolicyOrigin, PolicyCounts, Rehearsal, Scene, Source as PolicySource, World,
        built_in as built_in_policies,
    },
    preopen::Preopen,
    tend::{Collection, Damage, Heard, Purge, Retention, Tended},
    uses::{LARGEST as LARGEST_USES, Uses},
    wants::{Look, look, names},
    worlds::{WIT, WORLDS, offer},
};
use crate::{
    plane::Body,
    remember::{self, Memory, Reason, Trail},
    server::{Answer, Facts, Fault, Handler, HostFailure},
    storage::{Failure, Storage},
};

/// Answers a guest's question for a part of the configuration, as JSON.
pub type Settings = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What instances share.
pub struct Shared {
    storage: Arc<dyn Storage>,
    limits: Limits,
    settings: Settings,
    instances: Instances,
    annex: Annex,
    ticker: Ticker,
    /// What the registry module may use by WASI, and the threads that it then
    /// runs on.
    files: Option<(Preopen, Threads)>,
    /// When what answers noted was noted last.
    uses: Uses,
    /// The seed that guests' hash maps get: secret, and the same for all.
    seed: u128,
}

/// A registry module, ready to answer requests.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    shared: Arc<Shared>,
    memory: Option<Arc<Memory<Checked>>>,
    module: Arc<RwLock<Arc<Module>>>,
    teller: Arc<Teller>,
    chain: Chain,
    /// Instances that all policies together may be in.
    policy_slots: u32,
    /// As many permits: chains that were replaced may still run.
    policy_instances: Arc<Semaphore>,
    failed: AtomicU64,
    refused: AtomicU64,
    guest_nanos: AtomicU64,
}

/// What the sandbox counted since it started.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Requests whose guest trapped, met a guard or gave no proper answer.
    pub failed: u64,
    /// Requests that found no instance.
    pub refused: u64,
    /// Time spent in guests themselves.
    pub guest_time: Duration,
}

/// Why the sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine cannot be made.
    #[error("the WebAssembly engine does not start: {0:#}")]
    Engine(wasmtime::Error),
    /// The ticker's thread cannot be made.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
    /// The directory cannot be shown to a module.
    #[error("`sandbox.preopen`: the directory cannot be opened again by way of /proc/self/fd: {0:#}")]
    Preopen(wasmtime::Error),
    /// The module cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Instances that all policies together may be in; and where there is none
/// yet, but may be some day.
const POLICY_SLOTS: u32 = 128;
const FEW_POLICY_SLOTS: u32 = 16;

/// Instances in which the module may tell policies facts.
const FACT_SLOTS: u32 = 8;

/// Instances that one policy may be in: a flood of wrong passwords computes in
/// no more of them at once.
const POLICY_INSTANCES: u32 = 8;

/// One run of a guest.
struct Ran {
    outcome: Result<Checked, Failed>,
    /// Time in the guest itself.
    guest: Duration,
    user: Option<Arc<str>>,
}

impl Ran {
    fn failed(why: Failed) -> Self {
        Self { outcome: Err(why), guest: Duration::ZERO, user: None }
    }
}

/// Why one run of a guest gave no answer.
enum Failed {
    /// No instance came free.
    Busy,
    /// None could begin beside the pool.
    NoRoom(String),
    /// The guest trapped, met a guard or answered what cannot be sent.
    Guest(String),
    /// The storage did, when the answer's bytes were looked for.
    Storage(Failure),
}

/// What a sandbox needs of the engine, whatever it is to run: it takes some
/// milliseconds to make, and a thread beside a start can make it.
pub struct Prepared {
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    limits: Limits,
    /// Slots for instances of the registry module.
    slots: u32,
    /// Instances that there is space for beside those slots.
    beside: u32,
    policy_slots: u32,
    fact_slots: u32,
    built_in: Option<Component>,
}

impl Prepared {
    /// Makes it, for the module and, where it is `guarded`, policies.
    ///
    /// # Errors
    /// [`StartError::Engine`] and [`StartError::Thread`].
    pub fn new(mut limits: Limits, guarded: bool) -> Result<Self, StartError> {
        let more = if guarded { POLICY_SLOTS } else { FEW_POLICY_SLOTS };
        if !guarded {
            limits.asking = limits.asking.min(FEW_POLICY_SLOTS);
        }
        let (engine, slots) = engine::build(&limits, more.saturating_add(FACT_SLOTS)).map_err(StartError::Engine)?;
        // Each that is beside the pool takes as much as one of its slots.
        let beside = engine::room().saturating_sub(slots);
        let most = beside.max(limits.near());
        // Where there is none, fewer slots than were wanted are said already.
        if beside > 0 && limits.parked > most {
            tracing::warn!(
                "this process may not have much address space (ulimit -v): sandbox.parked is {most}, and not {}",
                limits.parked
            );
        }
        let (policy_slots, fact_slots) = (more.min(slots / 4), FACT_SLOTS.min(slots / 8));
        let slots = slots.saturating_sub(policy_slots).saturating_sub(fact_slots);
        let ticker = Ticker::start(&engine).map_err(StartError::Thread)?;
        let linker = imports::linker(&engine).map_err(StartError::Engine)?;
        Ok(Self { engine, linker, ticker, limits, slots, beside, policy_slots, fact_slots, built_in: None })
    }

    /// With the built-in module.
    ///
    /// # Errors
    /// [`StartError::Load`].
    pub fn with_built_in(mut self) -> Result<Self, StartError> {
        self.built_in = Some(module::built_in(&self.engine)?);
        Ok(self)
    }
}

impl Sandbox {
    /// Loads a module (the built-in one if none is given) and makes it ready,
    /// with the directory that it may use by WASI and the policies that it may
    /// ask. Answers are remembered where
    /// `remember` says how many.
    pub async fn start(
        prepared: Prepared,
        storage: Arc<dyn Storage>,
        settings: Settings,
        (module, preopen): (Option<ModuleFile>, Option<Preopen>),
        policies: Vec<PolicySource>,
        remember: Option<&remember::Options>,
    ) -> Result<Self, StartError> {
        let Prepared { engine, linker, ticker, limits, slots, beside, policy_slots, fact_slots, built_in } = prepared;
        let instances = Instances::new(&limits, slots, beside);
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|cause| StartError::Thread(std::io::Error::other(cause)))?;
        let seed = u128::from_ne_bytes(seed);
        let memory = remember.and_then(|options| Memory::new(Arc::clone(&storage), options)).map(Arc::new);
        if let Some(preopen) = &preopen {
            preopen.check().map_err(StartError::Preopen)?;
        }
        let threads = |preopen| Threads::start(limits.instances).map(|threads| (preopen, threads));
        let files = preopen.map(threads).transpose().map_err(StartError::Thread)?;
        let (annex, uses) = (Annex::default(), Uses::new());
        let shared = Arc::new(Shared { storage, limits, settings, instances, annex, ticker, files, uses, seed });
        let module = Arc::new(RwLock::new(Arc::new(load(&engine, &linker, &shared, module, built_in).await?)));
        let teller = Teller::new(engine.clone(), Arc::clone(&shared), Arc::clone(&module), fact_slots);
        let policy_instances = Arc::new(Semaphore::new(usize::try_from(policy_slots).unwrap_or(usize::MAX)));
        let sandbox = Self {
            engine,
            linker,
            shared,
            memory,
            module,
            teller: Arc::new(teller),
            chain: Chain::default(),
            policy_slots,
            policy_instances,
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            guest_nanos: AtomicU64::new(0),
        };
        sandbox.set_policies(policies).await?;
        Ok(sandbox)
    }

    /// Puts another module (the built-in one if none is given) in the place of
    /// the one that there is, between two requests: those that have begun go on
    /// with the old one, and no answer of the old one is given for a new one.
    /// If it cannot be used, all stays as it was.
    pub async fn set_module(&self, file: Option<ModuleFile>) -> Result<(), LoadError> {
        let module = load(&self.engine, &self.linker, &self.shared, file, None).await?;
        *self.module.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(module);
        self.forget();
        Ok(())
    }

    /// Puts other policies in the place of those that there are, between two
    /// requests: those that have begun go on with the old ones, and nothing
    /// that the old ones decided counts for a new one. If one of them cannot
    /// be used, all stays as it was.
    pub async fn set_policies(&self, mut sources: Vec<PolicySource>) -> Result<(), LoadError> {
        // Old and new ones may run at the same time for a while.
        let each = self.policy_slots / 2 / u32::try_from(sources.len()).unwrap_or(u32::MAX).max(1);
        if each == 0 && !sources.is_empty() {
            return Err(LoadError::Policies(sources.len()));
        }
        for source in &mut sources {
            source.limits.instances = source.limits.instances.min(each).min(POLICY_INSTANCES);
        }
        let common = Common {
            engine: self.engine.clone(),
            ticker: self.shared.ticker.clone(),
            seed: self.shared.seed,
            teller: Arc::clone(&self.teller),
            instances: Arc::clone(&self.policy_instances),
            slots: self.policy_slots,
        };
        let policies = Policies::load(common, sources).await?;
        self.shared.uses.record(policies.keep_tags());
        let policies = (!policies.is_empty()).then(|| Arc::new(policies));
        self.chain.set(policies);
        self.forget();
        Ok(())
    }

    /// What was counted of each policy, in order.
    pub fn policies(&self) -> Vec<PolicyCounts> {
        self.chain.get().map(|policies| policies.counts()).unwrap_or_default()
    }

    /// How often a policy's decision was there already, and how often not.
    pub fn decisions(&self) -> (u64, u64) {
        self.chain.get().map(|policies| policies.decisions()).unwrap_or_default()
    }

    /// When what answers noted was noted last: to be written down.
    pub fn uses(&self) -> &Uses {
        &self.shared.uses
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        Counts {
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            guest_time: Duration::from_nanos(self.guest_nanos.load(Ordering::Relaxed)),
        }
    }

    /// Instances that wait for a client's body, and those that wait for a
    /// policy.
    pub fn parked(&self) -> (usize, usize) {
        self.shared.instances.parked()
    }

    /// Instances that were not allowed to wait, as too many did already.
    pub fn crowded(&self) -> u64 {
        self.shared.instances.crowded()
    }

    /// Instances that could begin now, and requests that wait for one.
    pub fn load(&self) -> (usize, usize) {
        (self.shared.instances.free(), self.shared.instances.waiting())
    }

    /// What is remembered, where anything is.
    pub fn remembered(&self) -> Option<remember::Counts> {
        self.memory.as_ref().map(|memory| memory.counts())
    }

    /// Forgets all answers. Whoever lets a module see another configuration
    /// calls this afterwards.
    pub fn forget(&self) {
        if let Some(memory) = &self.memory {
            memory.forget();
        }
    }

    fn module(&self) -> Arc<Module> {
        Arc::clone(&self.module.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs the guest for one request, up to a checked answer; where it may wait
    /// for files, on threads of its own.
    async fn run(&self, module: Arc<Module>, request: Request, trail: &mut Option<Trail>) -> Ran {
        let running = run(self.engine.clone(), Arc::clone(&self.shared), module, request, trail.take());
        let (ran, back) = match &self.shared.files {
            None => running.await,
            Some((_, threads)) => match threads.run(running).await {
                Ok(done) => done,
                Err(cause) => (Ran::failed(Failed::Guest(format!("its thread ended: {cause}"))), None),
            },
        };
        *trail = back;
        ran
    }

    /// Opens what an answer's body names; that it did is a part of the record.
    async fn body(&self, content: &Content, trail: &mut Option<Trail>) -> Result<Body, Failed> {
        match content {
            Content::Empty => Ok(Body::empty()),
            Content::Bytes(bytes) => Ok(Body::full(bytes.clone())),
            Content::Slice { key, offset, length } => {
                let before = trail.as_ref().and_then(|trail| trail.before(Some(key)));
                let object = self.shared.storage.open(key).await.map_err(Failed::Storage)?;
                if let Some(trail) = trail {
                    trail.looked(before, Some(key.clone()), object.seen());
                }
                let end = offset.checked_add(*length);
                if end.is_none_or(|end| end > object.size()) {
                    let size = object.size();
                    return Err(Failed::Guest(format!(
                        "guard slice: {length} bytes at {offset} of {key}, which has {size}"
                    )));
                }
                Ok(Body::slice(object, *offset, *length))
            }
        }
    }

    /// Has the guest answer, and remembers the answer if it can be given again.
    async fn respond(&self, request: Request) -> (Result<Answer, Failed>, Duration) {
        let memory = self.memory.as_deref().filter(|_| request.reads());
        // Before the module: see `Memory::trail`.
        let mut trail = memory.map(Memory::trail);
        // What policies said that were replaced before that is not for those
        // who ask the new ones.
        let current = match (self.chain.get(), &request.session) {
            (Some(policies), Some(session)) => session.asks(&policies),
            (None, None) => true,
            _ => false,
        };
        if let Some(trail) = trail.as_mut().filter(|_| !current) {
            trail.refuse(Reason::Changed);
        }
        let module = self.module();
        let Ran { outcome, guest: guest_time, user } = self.run(module, request, &mut trail).await;
        let answer = async {
            let checked = outcome?;
            let body = self.body(&checked.content, &mut trail).await?;
            let answer = Answer { user, guest_time, ..recall::answer_of(&checked, body) };
            if let (Some(memory), Some(mut trail)) = (memory, trail.take()) {
                if checked.status.is_server_error() {
                    trail.refuse(Reason::Failed);
                }
                memory.keep(trail, checked);
            }
            Ok(answer)
        };
        let answer = answer.await;
        if let (Some(memory), Err(_)) = (memory, &answer) {
            memory.no_answer();
        }
        (answer, guest_time)
    }
}

#[async_trait]
impl Handler for Sandbox {
    async fn handle(&self, head: Parts, body: Incoming, facts: Arc<Facts>) -> Result<Answer, Fault> {
        let chain = self.chain.get();
        let session = chain.map(|policies| Box::new(Session::begin(policies, &head, Arc::clone(&facts))));
        let mut request = Request { head, body: Some(body), facts, query: None, session };
        if let Some(memory) = self.memory.as_ref().filter(|_| request.reads())
            && let Some(answer) = self.recall(memory, &mut request).await
        {
            self.shared.uses.note(&answer.notes);
            return Ok(answer);
        }
        let (outcome, guest_time) = self.respond(request).await;
        if let Ok(answer) = &outcome {
            self.shared.uses.note(&answer.notes);
        }
        self.guest_nanos.fetch_add(u64::try_from(guest_time.as_nanos()).unwrap_or(0), Ordering::Relaxed);
        outcome.map_err(|failed| {
            let counter = if matches!(failed, Failed::Busy | Failed::NoRoom(_)) { &self.refused } else { &self.failed };
            counter.fetch_add(1, Ordering::Relaxed);
            let (failure, cause) = match failed {
                Failed::Busy => {
                    (HostFailure::Unavailable, "every instance is busy, and the queue does not move".into())
                }
                Failed::NoRoom(cause) => {
                    (HostFailure::Unavailable, format!("no instance can begin beside the pool: {cause}"))
                }
                Failed::Guest(cause) => (HostFailure::Internal, cause),
                Failed::Storage(cause) => {
                    // Too much is open just now.
                    let busy = cause == Failure::Busy;
                    let failure = if busy { HostFailure::Unavailable } else { HostFailure::Internal };
                    (failure, format!("guard slice: the answer's bytes cannot be had: {cause}"))
                }
            };
            Fault { failure, cause, guest_time }
        })
    }

    fn failure_answer(&self, kind: HostFailure) -> (HeaderMap, Bytes) {
        self.module().answers.get(&kind).cloned().unwrap_or_default()
    }
}

async fn run(
    engine: Engine,
    shared: Arc<Shared>,
    module: Arc<Module>,
    request: Request,
    trail: Option<Trail>,
) -> (Ran, Option<Trail>) {
    let Some(permit) = shared.instances.admit().await else { return (Ran::failed(Failed::Busy), trail) };
    let id = request.facts.request_id;
    let slot = shared.instances.slot(request.sends());
    let (engine, linked) = match slot {
        Slot::Lent | Slot::Kept(_) => (&engine, &module.linked),
        Slot::Apart => match shared.annex.have(&shared.ticker, &module.linked, &module.annexed).await {
            Ok(found) => found,
            Err(cause) => return (Ran::failed(Failed::NoRoom(format!("{cause:#}"))), trail),
        },
    };
    let mut state = State::new(Arc::clone(&shared), Some(request), Some(permit));
    (state.trail, state.slot) = (trail, slot);
    let mut store = store(engine, &shared, state);
    let outcome = match linked.pre.instance_pre().instantiate_async(&mut store).await {
        Ok(instance) => linked.handle.call(&instance, &mut store, ()).await,
        // It has begun before: what it lacks is memory.
        Err(cause) if matches!(store.data().slot, Slot::Apart) => {
            return (Ran::failed(Failed::NoRoom(format!("{cause:#}"))), store.data_mut().trail.take());
        }
        Err(cause) => Err(cause),
    };
    let state = store.data_mut();
    let trail = state.trail.take();
    state.output.log(id);
    let guest = state.meter.guest();
    let outcome = outcome.map_err(|cause| describe(&cause));
    let checked = outcome
        .and_then(|response| answer::check(response, shared.limits.answer).map_err(|refused| refused.to_string()));
    let user = state.request.as_ref().and_then(Request::user);
    (Ran { outcome: checked.map_err(Failed::Guest), guest, user }, trail)
}

async fn load(
    engine: &Engine,
    linker: &Linker<State>,
    shared: &Arc<Shared>,
    file: Option<ModuleFile>,
    built_in: Option<Component>,
) -> Result<Module, LoadError> {
    let (component, path) = match file {
        Some(file) => {
            // It takes long, and requests may be served meanwhile.
            let component = tokio::task::block_in_place(|| module::component(engine, &file))?;
            (component, file.path.display().to_string())
        }
        None => {
            let component = built_in.map_or_else(|| module::built_in(engine), Ok)?;
            (component, module::IN_THIS_PROGRAM.to_owned())
        }
    };
    let linked = module::link(engine, linker, &component, &path)?;
    // Others may need all slots that there are.
    let busy = || LoadError::Start { path: path.clone(), cause: "every instance is busy".into() };
    let _permit = shared.instances.admit().await.ok_or_else(busy)?;
    let mut answers = std::collections::HashMap::new();
    for kind in HostFailure::ALL {
        let answer = failure_answer(engine, shared, &linked.pre, kind).await;
        answers.insert(kind, answer.map_err(|cause| LoadError::Start { path: path.clone(), cause: describe(&cause) })?);
    }
    Ok(Module { linked, annexed: Annexed::default(), answers })
}

async fn failure_answer(
    engine: &Engine,
    shared: &Arc<Shared>,
    pre: &bindings::RegistryPre<State>,
    kind: HostFailure,
) -> wasmtime::Result<(HeaderMap, Bytes)> {
    let mut store = store(engine, shared, State::new(Arc::clone(shared), None, None));
    let instance = pre.instantiate_async(&mut store).await?;
    let answer = instance.skerry_registry_handler().call_failure_answer(&mut store, kind.into()).await?;
    store.data().output.log("start");
    answer::check_own(answer).map_err(wasmtime::Error::new)
}

fn store(engine: &Engine, shared: &Shared, state: State) -> Store<State> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.allowance);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(meter::on_tick);
    // Bounds what one call's arguments and results may take of the host.
    store.set_hostcall_fuel(shared.limits.answer.saturating_mul(2));
    store
}
