//! What the host keeps for one instance: the request that it answers, what it
//! holds, and what it has used.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::request::Parts;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    StoreContextMut, UpdateDeadline,
    component::{Resource, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::{
    Shared,
    engine::Running,
    limits::{Allowance, Guard},
    marks::Marks,
    output::GuestOutput,
};
use crate::{
    remember::{Reason, Trail},
    server::Facts,
    storage::{Failure, Upload},
};

/// At most this many resources (uploads, WASI streams) at once.
const RESOURCES: usize = 256;

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
    /// Of the task that it does a step of.
    pub marks: Option<Arc<Marks>>,
    /// What the answer depends on so far, where that is of interest.
    pub trail: Option<Trail>,
    wasi: Option<WasiCtx>,
}

/// The request that an instance answers.
pub struct Request {
    pub head: Parts,
    pub body: Option<Incoming>,
    pub facts: Arc<Facts>,
    /// The query, decoded when it is first asked for.
    pub query: Option<Vec<(String, String)>>,
}

impl State {
    pub fn new(shared: Arc<Shared>, request: Option<Request>, permit: Option<OwnedSemaphorePermit>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            allowance: Allowance::new(&shared.limits),
            meter: Meter::new(&shared),
            output: GuestOutput::default(),
            shared,
            request,
            table,
            permit,
            marks: None,
            trail: None,
            wasi: None,
        }
    }

    /// Begins a host call: every one counts, or a loop of cheap ones is a loop
    /// that no limit sees.
    pub fn enter(&mut self) -> wasmtime::Result<()> {
        self.meter.calls = self.meter.calls.checked_sub(1).ok_or(Guard::Calls)?;
        if self.meter.looked > self.shared.limits.storage_time {
            return Err(Guard::Storage.into());
        }
        self.meter.entered = Instant::now();
        Ok(())
    }

    /// Ends a host call: its time was the host's.
    pub fn leave(&mut self) {
        self.meter.host += self.meter.entered.elapsed();
        self.meter.returned = self.meter.running.now();
    }

    /// Counts bytes that are handed to the guest.
    pub fn hand_over(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.meter.bytes = self.meter.bytes.checked_sub(bytes).ok_or(Guard::Bytes)?;
        Ok(())
    }

    /// Gives the permit to run back while `wait` waits for the client, so that
    /// slow clients do not keep others from being served; `busy` if too many
    /// wait already.
    pub async fn parked<T>(&mut self, wait: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, Failure> {
        let shared = Arc::clone(&self.shared);
        let Some(_waiting) = shared.instances.park() else {
            return Err(Failure::Busy);
        };
        drop(self.permit.take());
        let outcome = wait.await;
        self.permit = shared.instances.resume().await;
        outcome
    }

    /// Itself, once it is noted that the answer cannot be remembered.
    pub fn refusing(&mut self, reason: Reason) -> &mut Self {
        self.refuse(reason);
        self
    }

    pub fn slot(&mut self, upload: &Resource<UploadSlot>) -> wasmtime::Result<&mut UploadSlot> {
        Ok(self.table.get_mut(upload)?)
    }
}

/// Built when the guest first asks for something of WASI: most requests never
/// do.
impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (output, seed) = (&self.output, self.shared.seed);
        let ctx = self.wasi.get_or_insert_with(|| {
            let mut builder = WasiCtxBuilder::new();
            builder
                .stdout(output.clone())
                .stderr(output.clone())
                .insecure_random_seed(seed)
                .max_random_size(RANDOM)
                .allow_tcp(false)
                .allow_udp(false);
            builder.build()
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl wasmtime_wasi_io::IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        // Asked for in every call of WASI's streams and polls, and for nothing
        // else.
        self.refuse(Reason::Stream);
        &mut self.table
    }
}

/// What an instance has left, and where its time went.
pub struct Meter {
    pub running: Running,
    /// Calls left.
    pub calls: u32,
    /// Bytes left.
    pub bytes: u64,
    /// Ticks left.
    pub ticks: u64,
    /// How long it may still wait of its own accord.
    pub patience: Duration,
    /// Time in host calls.
    pub host: Duration,
    /// Of that, in looks at the storage.
    pub looked: Duration,
    /// When the last host call began.
    entered: Instant,
    /// The tick at which the last host call ended.
    returned: u64,
    began: Instant,
}

impl Meter {
    fn new(shared: &Shared) -> Self {
        let running = shared.ticker.running();
        let now = Instant::now();
        let ticks = shared.limits.time.as_nanos() / super::engine::TICK.as_nanos();
        Self {
            returned: running.now(),
            running,
            calls: shared.limits.calls,
            bytes: shared.limits.bytes,
            ticks: u64::try_from(ticks).unwrap_or(u64::MAX).max(1),
            patience: shared.limits.time,
            host: Duration::ZERO,
            looked: Duration::ZERO,
            entered: now,
            began: now,
        }
    }

    /// A host call was a look at the storage.
    pub fn look(&mut self) {
        self.looked += self.entered.elapsed();
    }

    /// Time in the guest itself, so far.
    pub fn guest(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.host)
    }
}

/// Called when a tick passed while the guest ran.
pub fn on_tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let meter = &mut store.data_mut().meter;
    // A tick that passed in a host call is not the guest's: the call's own
    // count bounds those.
    if meter.running.now() > meter.returned {
        meter.ticks = meter.ticks.checked_sub(1).ok_or(Guard::Time)?;
    }
    Ok(UpdateDeadline::Yield(1))
}
