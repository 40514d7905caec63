//! What the host keeps for one instance: the request that it answers, what it
//! holds, and what it has used.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::AtomicU64},
    task::Poll,
};

use http::request::Parts;
use hyper::body::{Body, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::{
    Shared,
    imports::Watched,
    instances::{Asking, Slot},
    limits::Allowance,
    meter::{Meter, Metered},
    output::GuestOutput,
    policy::Session,
    preopen::Preopen,
    room::Client,
    task::Task,
};
use crate::{
    remember::{Reason, Trail},
    server::Facts,
    storage::{Failure, HOST_SEGMENT, Upload},
};

/// At most this many resources (uploads, WASI streams) at once.
pub const RESOURCES: usize = 256;

/// The name of directories that a module never sees by WASI: an upload's bytes
/// are the host's until its digest is checked. A module that may write there
/// begins uploads below such directories alone.
pub const UPLOADS: &str = "_uploads";

/// At most this many random bytes a call.
const RANDOM: u64 = 4 << 10;

/// An upload as a guest holds it. It is empty while a body moves.
pub struct UploadSlot(pub Option<Box<dyn Upload>>);

/// The data of one store.
pub struct State {
    pub shared: Arc<Shared>,
    pub request: Option<Request>,
    pub table: ResourceTable,
    pub allowance: Allowance,
    pub output: GuestOutput,
    pub meter: Meter,
    /// Given back while the instance waits for a body.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Where the instance is.
    pub slot: Slot,
    /// That it does a step of.
    pub task: Option<Arc<Task>>,
    /// What the answer depends on so far, where that is of interest.
    pub trail: Option<Trail>,
    wasi: Option<WasiCtx>,
    listed: Arc<AtomicU64>,
}

/// The request that an instance answers.
pub struct Request {
    pub head: Parts,
    pub body: Option<Incoming>,
    pub facts: Arc<Facts>,
    /// The query, decoded when it is first asked for.
    pub query: Option<Vec<(String, String)>>,
    /// What it shows to policies, where there are any.
    pub session: Option<Box<Session>>,
}

impl Request {
    /// Whether it has a body.
    pub fn sends(&self) -> bool {
        self.body.as_ref().is_some_and(|body| !body.is_end_stream())
    }

    /// Who takes room while it waits, and for the bytes that it sends.
    pub fn client(&self) -> Client {
        Client { address: self.facts.client, principal: self.user() }
    }
}

impl State {
    pub fn new(shared: Arc<Shared>, request: Option<Request>, permit: Option<OwnedSemaphorePermit>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            allowance: Allowance::new(&shared.limits),
            meter: Meter::new(&shared.ticker, &shared.limits),
            output: GuestOutput::default(),
            shared,
            request,
            table,
            permit,
            slot: Slot::Lent,
            task: None,
            trail: None,
            wasi: None,
            listed: Arc::default(),
        }
    }

    /// Begins a host call.
    pub fn enter(&mut self) -> wasmtime::Result<()> {
        self.meter.enter()
    }

    /// Ends a host call: its time was the host's.
    pub fn leave(&mut self) {
        self.meter.leave();
    }

    /// Counts bytes that are handed to the guest.
    pub fn hand_over(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.meter.hand_over(bytes)
    }

    /// Gives the permit to run back while `wait` waits for the client, so that
    /// slow clients do not keep others from being served; `busy` if too many
    /// wait already.
    pub async fn parked<T>(&mut self, wait: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, Failure> {
        let shared = Arc::clone(&self.shared);
        let client = self.request.as_ref().map(Request::client);
        let Some(_waiting) = shared.instances.park(client.as_ref(), &mut self.slot) else {
            return Err(Failure::Busy);
        };
        drop(self.permit.take());
        let outcome = wait.await;
        self.permit = shared.instances.resume().await;
        outcome
    }

    /// The storage is about to change what policies let in. If this ends
    /// before it says how that went, it may have changed.
    pub fn begin_to_store(&mut self) {
        if let Some(session) = self.session() {
            session.begin_to_store();
        }
    }

    /// How that went.
    pub fn end_to_store(&mut self, outcome: &Result<(), Failure>) {
        let unchanged = matches!(
            outcome,
            Err(Failure::Conflict(_) | Failure::DigestMismatch | Failure::InvalidKey(_) | Failure::TooLarge(_))
        );
        if let Some(session) = self.session() {
            session.end_to_store(!unchanged);
        }
    }

    fn session(&mut self) -> Option<&mut Session> {
        self.request.as_mut()?.session.as_deref_mut()
    }

    /// The same while `wait` waits for policies. What is answered at once
    /// needs no room.
    pub async fn asking<T>(&mut self, wait: impl Future<Output = T> + Send) -> Result<T, Failure> {
        let mut wait = pin!(wait);
        if let Poll::Ready(told) = poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await {
            return Ok(told);
        }
        let shared = Arc::clone(&self.shared);
        let client = self.request.as_ref().map(Request::client);
        match shared.instances.ask(client.as_ref()) {
            None => Err(Failure::Busy),
            Some(Asking::Running(_keeping)) => Ok(wait.await),
            Some(Asking::Beside(_waiting)) => {
                drop(self.permit.take());
                let told = wait.await;
                self.permit = shared.instances.resume().await;
                Ok(told)
            }
        }
    }

    pub fn slot(&mut self, upload: &Resource<UploadSlot>) -> wasmtime::Result<&mut UploadSlot> {
        Ok(self.table.get_mut(upload)?)
    }
}

/// Built when the guest first asks for something of WASI: most requests never
/// do.
impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (output, shared) = (&self.output, &self.shared);
        let preopen = shared.files.as_ref().map(|(preopen, _)| preopen);
        let ctx = self.wasi.get_or_insert_with(|| wasi(output, shared.seed, preopen, true));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// WASI with nothing in it but clocks, random numbers, an output, and what is
/// granted. `blocking` says that the thread may wait for files.
pub fn wasi(output: &GuestOutput, seed: u128, preopen: Option<&Preopen>, blocking: bool) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(output.clone())
        .stderr(output.clone())
        .insecure_random_seed(seed)
        .max_random_size(RANDOM)
        .allow_tcp(false)
        .allow_udp(false);
    if let Some(preopen) = preopen {
        builder.allow_blocking_current_thread(blocking);
        if let Err(cause) = preopen.add(&mut builder) {
            tracing::error!("a module's directory cannot be opened again, and it has none: {cause:#}");
        }
    }
    builder.build()
}

/// What cannot be remembered is noted.
impl Watched for State {
    fn refusing(&mut self, reason: Reason) -> &mut Self {
        self.refuse(reason);
        self
    }

    fn listed(&self) -> &Arc<AtomicU64> {
        &self.listed
    }

    const WITHHELD: &'static [&'static str] = &[HOST_SEGMENT, UPLOADS];
}

impl wasmtime_wasi_io::IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        // Asked for in every call of WASI's streams and polls, and for nothing
        // else.
        self.refuse(Reason::Stream);
        &mut self.table
    }
}

impl Metered for State {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}
