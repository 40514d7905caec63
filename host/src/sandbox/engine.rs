//! The engine: one for the process, with a pool of slots for instances and a
//! ticker that lets running guests notice how long they have run.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::process::{Resource, getrlimit};
use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

use super::{code, compile, limits::Limits};

/// How often running guests are looked at; their time is counted in this.
pub const TICK: Duration = Duration::from_millis(2);

/// How long the ticker goes on when no guest runs.
const LINGER: Duration = Duration::from_millis(200);

/// With fewer slots than these nothing is served.
const FEWEST: u32 = 4;

/// Core instances of one component.
const CORE_INSTANCES: u32 = 64;

/// Of the space between two memories.
const GUARD: u64 = 64 << 10;

/// Builds the engine, with as many slots as the limits ask for and `more` or,
/// where address space is scarce, as many as there is room for.
///
/// Returns the number of slots too.
pub fn build(limits: &Limits, more: u32) -> Result<(Engine, u32)> {
    let places = [limits.instances, limits.near(), limits.asking, 8].into_iter().fold(0, u32::saturating_add);
    let wanted = places.max(16).saturating_add(more);
    let mut slots = wanted.min(room());
    if slots < wanted {
        tracing::warn!(
            "this process may not have much address space (ulimit -v): {slots} instances at the most, of {wanted}"
        );
    }
    loop {
        match Engine::new(settings()?.allocation_strategy(pool(slots, slots < wanted))) {
            Ok(engine) => return Ok((engine, slots)),
            Err(cause) if slots > FEWEST => {
                let fewer = (slots / 2).max(FEWEST);
                tracing::warn!(%cause, "no room for {slots} instances in this address space; trying {fewer}");
                slots = fewer;
            }
            Err(cause) => return Err(cause),
        }
    }
}

/// An engine with no pool, where each instance has memory of its own: it takes
/// longer to begin one, and nothing to have room for it.
pub fn unpooled() -> Result<Engine> {
    Engine::new(&settings()?)
}

/// An engine that counts instructions, for one instance at a time.
pub fn counting() -> Result<Engine> {
    Engine::new(settings()?.consume_fuel(true))
}

fn settings() -> Result<Config> {
    let mut settings = compile::settings(None)?;
    code::in_place(&mut settings);
    // Equal inputs give equal answers: what is remembered rests on it. The
    // build script sets it too; a host with no compiler has no such setting.
    #[cfg(feature = "compiler")]
    settings.cranelift_nan_canonicalization(true);
    Ok(settings)
}

/// As many memories as leave the rest of the process the space that it needs,
/// where the operator bounded it.
pub fn room() -> u32 {
    let Some(bytes) = getrlimit(Resource::As).current else { return u32::MAX };
    u32::try_from(bytes / 8 * 5 / compile::MEMORY_RESERVATION.saturating_add(GUARD)).unwrap_or(u32::MAX).max(FEWEST)
}

fn pool(slots: u32, scarce: bool) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    // A component has a few core instances (its module, adapters, shims), and
    // mostly one memory; one that componentize-py makes has some forty, of all
    // the libraries of Python. They are counted, and cost no room.
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(if scarce { slots } else { slots.saturating_mul(2) })
        .total_tables(slots.saturating_mul(4))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(4)
        .max_tables_per_component(24)
        .table_elements(32 << 10)
        .max_memory_size(usize::try_from(compile::MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        // The pages that a small guest writes stay mapped and are cleared,
        // which costs less than giving them back for every request.
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(64)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Advances the engine's epoch while guests run, from a thread of its own, so
/// that guests which keep every worker busy are still interrupted.
#[derive(Clone)]
pub struct Ticker {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

#[derive(Default)]
struct Shared {
    /// Beside the first.
    another: OnceLock<EngineWeak>,
    running: AtomicUsize,
    parked: AtomicBool,
    ticks: AtomicU64,
}

/// Keeps the ticker going while it lives.
pub struct Running(Arc<Shared>);

impl Ticker {
    /// Starts the thread; it ends with the engine.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let handle = thread::Builder::new().name("epoch".into()).spawn({
            let (engine, shared) = (engine.weak(), Arc::clone(&shared));
            move || tick(&engine, &shared)
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Has it advance one more engine, at the most, beside the first.
    pub fn advance_too(&self, engine: &Engine) {
        let _ = self.shared.another.set(engine.weak());
    }

    /// Says that a guest runs from now on.
    pub fn running(&self) -> Running {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(Arc::clone(&self.shared))
    }
}

impl Running {
    /// Ticks since the process began.
    pub fn now(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    let mut idle = Duration::ZERO;
    loop {
        if idle >= LINGER {
            shared.parked.store(true, Ordering::SeqCst);
            // A guest that began before it saw `parked` is seen here.
            if shared.running.load(Ordering::SeqCst) == 0 {
                thread::park_timeout(Duration::from_secs(5));
            }
            shared.parked.store(false, Ordering::SeqCst);
        }
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        shared.ticks.fetch_add(1, Ordering::Relaxed);
        engine.increment_epoch();
        if let Some(another) = shared.another.get().and_then(EngineWeak::upgrade) {
            another.increment_epoch();
        }
        idle = match shared.running.load(Ordering::SeqCst) {
            0 => idle.saturating_add(TICK),
            _ => Duration::ZERO,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{super::module, *};

    /// One of them has it where it lies in this program, at the most.
    #[test]
    fn several_engines_have_the_built_in_module() {
        let engines: Vec<_> = (0..3).map(|_| build(&Limits::default(), 0).unwrap().0).collect();
        let all: Vec<_> = engines.iter().map(|engine| module::built_in(engine).unwrap()).collect();
        drop(all);
        assert!(engines.iter().all(|engine| module::built_in(engine).is_ok()));
    }
}
