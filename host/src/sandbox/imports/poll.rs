//! `wasi:io/poll`: the one place where a guest can wait of its own accord, and
//! it may do so for no longer than it may compute.

use std::time::Instant;

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi_io::{bindings::wasi::io::poll as wit, poll::DynPollable};

use crate::{
    remember::Reason,
    sandbox::{limits::Guard, state::State},
};

/// For the linker.
pub struct Poll;

impl HasData for Poll {
    type Data<'a> = Waiting<'a>;
}

/// An instance that may wait.
pub struct Waiting<'a>(&'a mut State);

impl<'a> Waiting<'a> {
    pub fn of(state: &'a mut State) -> Self {
        state.refuse(Reason::Stream);
        Self(state)
    }

    /// Waits, as long as it may still wait.
    async fn wait<T>(
        &mut self,
        wait: impl AsyncFnOnce(&mut ResourceTable) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        let State { table, meter, .. } = &mut *self.0;
        let begun = Instant::now();
        let waited = tokio::time::timeout(meter.patience, wait(table)).await;
        meter.patience = meter.patience.saturating_sub(begun.elapsed());
        waited.map_err(|_| Guard::Wait)?
    }
}

impl wit::Host for Waiting<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.wait(async |table| wit::Host::poll(table, pollables).await).await
    }
}

impl wit::HostPollable for Waiting<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        wit::HostPollable::ready(&mut self.0.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.wait(async |table| wit::HostPollable::block(table, pollable).await).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        wit::HostPollable::drop(&mut self.0.table, pollable)
    }
}
