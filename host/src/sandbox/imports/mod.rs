//! The world's imports: each call is counted, bounded and answered from the
//! one request or the one directory of the instance that made it.

mod access;
mod admission;
mod body;
mod failure;
mod files;
mod last_use;
mod marks;
mod poll;
mod request;
mod settings;
mod storage;
mod uploads;

use std::sync::{Arc, atomic::AtomicU64};

use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliView},
    clocks::{WasiClocks, WasiClocksView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, clocks, filesystem, random},
    random::WasiRandom,
};
use wasmtime_wasi_io::{IoView, bindings::wasi::io};

use super::{bindings, state::State};
use crate::remember::Reason;

/// Streams need no more of an instance than its table.
struct Streams;

impl HasData for Streams {
    type Data<'a> = &'a mut ResourceTable;
}

/// A linker that offers what the world `registry` imports, and of WASI 0.2
/// all but sockets. There is no file behind its filesystem unless its directory
/// is granted by it, and nothing in its environment: they are there because
/// standard libraries import them.
///
/// What tells a guest more than its request and its directory do is noted each
/// time, as such an answer cannot be remembered. The seed of hash maps and the
/// environment are the same for all.
pub fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    bindings::Registry::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    // Types only, for what a module may export.
    bindings::fact_types::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    io::error::add_to_linker::<State, Streams>(l, |state| IoView::table(state))?;
    io::streams::add_to_linker::<State, Streams>(l, |state| IoView::table(state))?;
    io::poll::add_to_linker::<State, poll::Poll>(l, |state| poll::Waiting::of(state))?;
    add_wasi(l)?;
    Ok(linker)
}

/// The data of a store, told of each thing that is not the same for all.
pub trait Watched: WasiView + wasmtime_wasi_io::IoView + Sized + 'static {
    /// Itself, once that is noted.
    fn refusing(&mut self, reason: Reason) -> &mut Self;

    /// How large the directories are that were listed by WASI so far.
    fn listed(&self) -> &Arc<AtomicU64>;

    /// Names that are withheld in a directory which was granted by WASI.
    const WITHHELD: &'static [&'static str];
}

/// WASI 0.2, without sockets and without `wasi:io`.
pub fn add_wasi<T: Watched>(l: &mut Linker<T>) -> wasmtime::Result<()> {
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(l, |state| state.refusing(Reason::Clock).clocks())?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(l, |state| state.refusing(Reason::Clock).clocks())?;
    random::random::add_to_linker::<T, WasiRandom>(l, |state| state.refusing(Reason::Random).ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(l, |state| state.refusing(Reason::Random).ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    filesystem::types::add_to_linker::<T, files::Files>(l, |state| {
        let listed = Arc::clone(state.listed());
        files::Granted { view: state.refusing(Reason::Files).filesystem(), withheld: T::WITHHELD, listed }
    })?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(l, |state| state.refusing(Reason::Files).filesystem())?;
    cli::exit::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stderr::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(l, T::cli)?;
    Ok(())
}
