//! What an instance has left, and where its time went.

use std::time::{Duration, Instant};

use wasmtime::{StoreContextMut, UpdateDeadline};

use super::{
    engine::{Running, TICK, Ticker},
    limits::{Guard, Limits},
};

/// Counts for one instance.
pub struct Meter {
    running: Running,
    /// Calls left.
    calls: u32,
    /// Bytes left.
    bytes: u64,
    /// Ticks left.
    ticks: u64,
    /// How long it may still wait of its own accord.
    pub patience: Duration,
    /// Time in host calls.
    host: Duration,
    /// Of that, in looks at the storage, and how much of it there may be.
    looked: Duration,
    looks: Duration,
    /// When the last host call began.
    entered: Instant,
    /// The tick at which the last host call ended.
    returned: u64,
    began: Instant,
}

impl Meter {
    pub fn new(ticker: &Ticker, limits: &Limits) -> Self {
        let running = ticker.running();
        let now = Instant::now();
        let ticks = limits.time.as_nanos() / TICK.as_nanos();
        Self {
            returned: running.now(),
            running,
            calls: limits.calls,
            bytes: limits.bytes,
            ticks: u64::try_from(ticks).unwrap_or(u64::MAX).max(1),
            patience: limits.time,
            host: Duration::ZERO,
            looked: Duration::ZERO,
            looks: limits.storage_time,
            entered: now,
            began: now,
        }
    }

    /// Begins a host call: every one counts, or a loop of cheap ones is a loop
    /// that no limit sees.
    pub fn enter(&mut self) -> wasmtime::Result<()> {
        self.calls = self.calls.checked_sub(1).ok_or(Guard::Calls)?;
        if self.looked > self.looks {
            return Err(Guard::Storage.into());
        }
        self.entered = Instant::now();
        Ok(())
    }

    /// Ends a host call: its time was the host's.
    pub fn leave(&mut self) {
        self.host += self.entered.elapsed();
        self.returned = self.running.now();
    }

    /// A host call was a look at the storage.
    pub fn look(&mut self) {
        self.looked += self.entered.elapsed();
    }

    /// Counts bytes that are handed to the guest.
    pub fn hand_over(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Guard::Bytes)?;
        Ok(())
    }

    /// Time in the guest itself, so far.
    pub fn guest(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.host)
    }
}

/// The data of a store whose guest is metered.
pub trait Metered {
    fn meter(&mut self) -> &mut Meter;
}

/// Called when a tick passed while the guest ran.
pub fn on_tick<T: Metered>(mut store: StoreContextMut<'_, T>) -> wasmtime::Result<UpdateDeadline> {
    let meter = store.data_mut().meter();
    // A tick that passed in a host call is not the guest's: the call's own
    // count bounds those.
    if meter.running.now() > meter.returned {
        meter.ticks = meter.ticks.checked_sub(1).ok_or(Guard::Time)?;
    }
    Ok(UpdateDeadline::Yield(1))
}
