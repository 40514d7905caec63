//! A loaded module: compiled, linked, asked for what it wants said when the
//! host has to answer for it.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::HeaderMap;
use lzma_rust2::Lzma2Reader;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

#[cfg(feature = "compiler")]
use super::compile;
use super::{
    annex::Annexed,
    bindings::{InventoryPre, RegistryPre, handler},
    code::{self, Aligned},
    compiler::{Compiler, Purpose},
    function::Function,
    state::State,
    wants::{self, Wants},
};
use crate::{
    server::HostFailure,
    storage::{Algorithm, Digest},
};

/// The built-in module, compiled by the build script.
static BUILT_IN: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/registry.cwasm")));

/// Whether an engine has it where it lies.
static TAKEN: AtomicBool = AtomicBool::new(false);

// `POLICIES` and `PACKS`: what is built in beside it, likewise.
include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// A module that can be instantiated for each request.
pub struct Module {
    pub linked: Linked,
    /// The same for the annex.
    pub annexed: Annexed,
    /// What it wants said for each failure of the host.
    pub answers: HashMap<HostFailure, (HeaderMap, Bytes)>,
}

/// Why a module cannot be used: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the module {path} cannot be read: {cause}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is precompiled: that is native code, and nothing says that it
    /// is to be trusted.
    #[error(
        "the module {path} is precompiled, and such code runs with all rights of this process: it is loaded only where `sandbox.precompiled` lists its digest, {digest}, as `skerry guest compile` prints it"
    )]
    Precompiled {
        /// The file.
        path: String,
        /// Of its bytes.
        digest: String,
    },
    /// It is precompiled, trusted, and not for this host.
    #[error(
        "the module {path} was precompiled by another version of skerry or for another machine; compile it again, with `skerry guest compile` of this very version: {cause:#}"
    )]
    Foreign {
        /// The file.
        path: String,
        /// Why.
        cause: wasmtime::Error,
    },
    /// This host has no compiler.
    #[error(
        "this build of skerry has no compiler and runs only what is built in or precompiled (`skerry guest compile` of a build with one)"
    )]
    NoCompiler,
    /// It is not what a host can load.
    #[error("the module {path} is no WebAssembly component that this host can run: {cause}")]
    Invalid {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// It could not be compiled within bounds.
    #[error("the module {path} is not taken: {cause}")]
    Compile {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// It is a component of another world.
    #[error("the module {path} {cause}")]
    World {
        /// The file.
        path: String,
        /// What it wants, and what is offered.
        cause: String,
    },
    /// A policy does not fit.
    #[error("the policy {name} (module {path}) {cause}")]
    Policy {
        /// The policy.
        name: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no such policy.
    #[error(
        "there is no built-in policy {name}; there are {known}, and a path of a .wasm file is one with a `/` or a `.`"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There are more policies than there is room for.
    #[error("there is no room for {0} policies")]
    Policies(usize),
    /// There is no engine to run it.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// There are no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// It failed at the first thing that it was asked.
    #[error("the module {path} failed when it was first asked: {cause}")]
    Start {
        /// The file.
        path: String,
        /// The guard that fired.
        cause: String,
    },
}

/// The built-in component.
pub fn built_in(engine: &Engine) -> Result<Component, LoadError> {
    // Wasmtime knows code by its address, so that only one engine may have it
    // where it lies: the first, which is mostly the only one.
    if code::IN_PLACE && !TAKEN.swap(true, Ordering::Relaxed) {
        // SAFETY: these bytes were made by the build script of this very binary
        // with `Engine::precompile_component`, and are part of it: they live as
        // long as it does, and nothing writes to them.
        #[allow(unsafe_code, reason = "where native code of this program is taken over")]
        let component = unsafe { Component::deserialize_raw(engine, (&BUILT_IN.0).into()) };
        match component {
            Ok(component) => return Ok(component),
            // A system that lets no program make its pages executable.
            Err(cause) => tracing::debug!("the built-in module does not run in place: {cause:#}"),
        }
    }
    part_of_this_binary(engine, &BUILT_IN.0)
}

/// Names of the policies that are built in.
pub fn policies() -> impl Iterator<Item = &'static str> {
    POLICIES.iter().map(|(name, ..)| *name)
}

/// Where a module comes from that is part of this program: the end of a phrase.
pub const IN_THIS_PROGRAM: &str = "that is built in";

/// A policy that is built in, by its name.
pub fn built_in_policy(engine: &Engine, name: &str) -> Result<Component, LoadError> {
    match POLICIES.iter().find(|(known, ..)| *known == name) {
        Some((_, pack, offset, length)) => {
            let code = unpacked(*pack, *offset, *length)
                .map_err(|error| LoadError::Invalid { path: IN_THIS_PROGRAM.into(), cause: error.to_string() })?;
            part_of_this_binary(engine, &code)
        }
        None => {
            let known: Vec<_> = policies().collect();
            Err(LoadError::Unknown { name: name.to_owned(), known: known.join(", ") })
        }
    }
}

/// A part of a pack. What comes before it has to be unpacked for it, and is not
/// kept.
fn unpacked(pack: usize, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let (packed, dictionary) = PACKS.get(pack).ok_or(io::ErrorKind::NotFound)?;
    let mut reader = Lzma2Reader::new(*packed, *dictionary, None);
    io::copy(&mut reader.by_ref().take(offset), &mut io::sink())?;
    let mut code = vec![0; length];
    reader.read_exact(&mut code)?;
    Ok(code)
}

/// For nothing but what `include_bytes!` took in from the build script, packed
/// or not.
fn part_of_this_binary(engine: &Engine, code: &[u8]) -> Result<Component, LoadError> {
    // SAFETY: these bytes were made by the build script of this very binary
    // with `Engine::precompile_component`, and are part of it.
    #[allow(unsafe_code, reason = "where native code of this program is taken over")]
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|cause| LoadError::Invalid { path: IN_THIS_PROGRAM.into(), cause: format!("{cause:#}") })
}

/// A component for another engine with the same settings.
pub fn copy(engine: &Engine, component: &Component) -> wasmtime::Result<Component> {
    // SAFETY: these bytes are code that this process runs already.
    #[allow(unsafe_code, reason = "where native code of this program is taken over")]
    unsafe {
        Component::deserialize(engine, component.serialize()?)
    }
}

/// Makes a component of a module's file: by having it compiled, or as it is
/// where it is compiled and its digest is pinned.
pub fn component(engine: &Engine, file: &ModuleFile) -> Result<Component, LoadError> {
    component_for(engine, file, Purpose::Serve)
}

/// The same, for an engine of another kind.
pub fn component_for(engine: &Engine, file: &ModuleFile, purpose: Purpose) -> Result<Component, LoadError> {
    let path = file.path.display().to_string();
    if file.is_compiled() {
        return precompiled(engine, file, path);
    }
    // Before it is compiled, which takes long.
    wants::look(&path, &file.bytes)?;
    let code = file.compiler.code(&file.path, &file.bytes, purpose)?;
    // SAFETY: these bytes were made by a process of this very program, which
    // was given the module and nothing else, now or before; in that case they
    // are authenticated by a key that only this user has. See `compiler`.
    #[allow(unsafe_code, reason = "where our own compiler's code is taken over")]
    let component = unsafe { Component::deserialize(engine, &code) };
    component.map_err(|cause| LoadError::Invalid { path, cause: format!("{cause:#}") })
}

/// How compiled code begins.
const ELF: &[u8] = b"\x7fELF";

fn precompiled(engine: &Engine, file: &ModuleFile, path: String) -> Result<Component, LoadError> {
    let digest = Digest::of(Algorithm::Sha256, &file.bytes).to_string();
    if !file.pinned.contains(&digest) {
        return Err(LoadError::Precompiled { path, digest });
    }
    // SAFETY: the operator has named the digest of these very bytes as code to
    // be run, and they are not read again. wasmtime compares the version and
    // the engine's settings.
    #[allow(unsafe_code, reason = "where pinned native code is taken over")]
    let component = unsafe { Component::deserialize(engine, &file.bytes) };
    component.map_err(|cause| {
        let text = format!("{cause:#}");
        // What it was made by is right, and it asks for too much.
        match ["pooling allocator", "exceeds the limit"].iter().any(|part| text.contains(part)) {
            true => LoadError::Invalid { path, cause: text },
            false => LoadError::Foreign { path, cause },
        }
    })
}

/// Compiles a component for machines of this kind, with no more than their
/// baseline instructions, to be loaded by hosts of this very version: in a
/// process of its own.
///
/// # Errors
/// That it is no component, or that it takes too much.
pub fn precompile(file: &ModuleFile) -> Result<Vec<u8>, LoadError> {
    wants::look(&file.path.display().to_string(), &file.bytes)?;
    file.compiler.code(&file.path, &file.bytes, Purpose::Serve)
}

/// Compiles a component in this process, which is there for nothing else.
pub fn compile(bytes: &[u8], purpose: Purpose) -> Result<Vec<u8>, String> {
    #[cfg(feature = "compiler")]
    {
        let compile = || {
            let mut settings = compile::settings(Some(env!("SKERRY_TARGET")))?;
            settings.cranelift_nan_canonicalization(true).consume_fuel(purpose == Purpose::Count);
            Engine::new(&settings)?.precompile_component(bytes)
        };
        compile().map_err(|cause: wasmtime::Error| format!("{cause:#}"))
    }
    #[cfg(not(feature = "compiler"))]
    {
        let _ = (bytes, purpose);
        Err(LoadError::NoCompiler.to_string())
    }
}

/// A module's file: where it was found, and what it held.
pub struct ModuleFile {
    /// For messages.
    pub path: PathBuf,
    /// The component.
    pub bytes: Vec<u8>,
    /// Digests (`sha256:…`) of compiled code that may run.
    pub pinned: Vec<String>,
    /// What compiles it.
    pub compiler: Arc<Compiler>,
}

impl ModuleFile {
    /// Whether it is native code already.
    pub fn is_compiled(&self) -> bool {
        self.bytes.starts_with(ELF)
    }
}

/// What a registry module exports that tells facts.
const INVENTORY: &str = "skerry:registry/inventory@0.1.0";

/// What answers requests.
const HANDLER: &str = "skerry:registry/handler@0.1.0";

/// A component with what its world offers.
pub struct Linked {
    pub pre: RegistryPre<State>,
    /// What answers a request.
    pub handle: Function,
    /// The same, for what policies ask, where it tells anything.
    pub inventory: Option<InventoryPre<State>>,
}

/// Links a component to what its world offers.
pub fn link(engine: &Engine, linker: &Linker<State>, component: &Component, path: &str) -> Result<Linked, LoadError> {
    let world = |cause| LoadError::World { path: path.to_owned(), cause };
    let found = Wants::of(engine, component).worlds().map_err(|misfit| world(misfit.to_string()))?;
    if found.iter().all(|found| found.name != WORLD) {
        let found = found.first().map(|found| found.full()).unwrap_or_default();
        return Err(world(format!("is of the world {found}, and not a registry: name it in `policies`")));
    }
    let misfit = |cause: wasmtime::Error| {
        let offered = super::worlds::offer().full(WORLD);
        world(format!("does not fit the world {offered}, which is what this host offers: {cause:#}"))
    };
    let pre = linker.instantiate_pre(component).map_err(misfit)?;
    let tells = component.get_export_index(None, INVENTORY).is_some();
    let inventory = tells.then(|| InventoryPre::new(pre.clone())).transpose().map_err(misfit)?;
    let pre = RegistryPre::new(pre).map_err(misfit)?;
    let handle = Function::of(component, HANDLER, "handle").map_err(misfit)?;
    Ok(Linked { pre, handle, inventory })
}

/// The world of registries.
const WORLD: &str = "registry";

impl From<HostFailure> for handler::HostFailure {
    fn from(kind: HostFailure) -> Self {
        match kind {
            HostFailure::BadRequest => Self::BadRequest,
            HostFailure::NotFound => Self::NotFound,
            HostFailure::TimedOut => Self::TimedOut,
            HostFailure::TooLarge => Self::TooLarge,
            HostFailure::HeadTooLarge => Self::HeadTooLarge,
            HostFailure::Internal => Self::Internal,
            HostFailure::Unavailable => Self::Unavailable,
            HostFailure::NoSpace => Self::NoSpace,
        }
    }
}
