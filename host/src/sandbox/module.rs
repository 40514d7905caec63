//! A loaded module: compiled, linked, asked for what it wants said when the
//! host has to answer for it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::HeaderMap;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

#[cfg(feature = "compiler")]
use super::compile;
use super::{
    bindings::{InventoryPre, RegistryPre, handler},
    state::State,
};
use crate::{
    server::HostFailure,
    storage::{Algorithm, Digest},
};

/// The built-in module, compiled by the build script.
static BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/registry.cwasm"));

// `POLICIES`: what is built in beside it, likewise.
include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// A module that can be instantiated for each request.
pub struct Module {
    pub pre: RegistryPre<State>,
    /// The same, for what policies ask, where it tells anything.
    pub inventory: Option<InventoryPre<State>>,
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
    #[error("the module {path} is no WebAssembly component that this host can run: {cause:#}")]
    Invalid {
        /// The file.
        path: String,
        /// Why.
        cause: wasmtime::Error,
    },
    /// It is a component of another world.
    #[error(
        "the module {path} does not fit the world skerry:registry/registry@0.1.0, which is what this host offers: {cause:#}"
    )]
    World {
        /// The file.
        path: String,
        /// Why.
        cause: wasmtime::Error,
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
    part_of_this_binary(engine, BUILT_IN)
}

/// Names of the policies that are built in.
pub fn policies() -> impl Iterator<Item = &'static str> {
    POLICIES.iter().map(|(name, ..)| *name)
}

/// A policy that is built in, by its name.
pub fn built_in_policy(engine: &Engine, name: &str) -> Result<Component, LoadError> {
    match POLICIES.iter().find(|(known, ..)| *known == name) {
        Some((_, packed, length)) => {
            let code = decompress_to_vec_zlib_with_limit(packed, *length).map_err(|error| LoadError::Invalid {
                path: "that is built in".into(),
                cause: wasmtime::Error::msg(error.to_string()),
            })?;
            part_of_this_binary(engine, &code)
        }
        None => {
            let known: Vec<_> = policies().collect();
            Err(LoadError::Unknown { name: name.to_owned(), known: known.join(", ") })
        }
    }
}

/// For nothing but what `include_bytes!` took in from the build script, packed
/// or not.
fn part_of_this_binary(engine: &Engine, code: &[u8]) -> Result<Component, LoadError> {
    // SAFETY: these bytes were made by the build script of this very binary
    // with `Engine::precompile_component`, and are part of it.
    #[allow(unsafe_code, reason = "the one place where native code is taken over")]
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|cause| LoadError::Invalid { path: "that is built in".into(), cause })
}

/// Makes a component of a module's file: by compiling it, or as it is where it
/// is compiled and its digest is pinned.
pub fn component(engine: &Engine, file: &ModuleFile) -> Result<Component, LoadError> {
    let path = file.path.display().to_string();
    if file.bytes.starts_with(ELF) {
        return precompiled(engine, file, path);
    }
    #[cfg(feature = "compiler")]
    return Component::from_binary(engine, &file.bytes).map_err(|cause| LoadError::Invalid { path, cause });
    #[cfg(not(feature = "compiler"))]
    Err(LoadError::NoCompiler)
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
    component.map_err(|cause| LoadError::Foreign { path, cause })
}

/// Compiles a component for machines of this kind, with no more than their
/// baseline instructions, to be loaded by hosts of this very version.
///
/// # Errors
/// [`LoadError::NoCompiler`], or that it is no component.
pub fn precompile(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    #[cfg(feature = "compiler")]
    {
        let invalid = |cause| LoadError::Invalid { path: path.display().to_string(), cause };
        let mut settings = compile::settings(Some(env!("SKERRY_TARGET"))).map_err(invalid)?;
        let engine = Engine::new(settings.cranelift_nan_canonicalization(true)).map_err(invalid)?;
        engine.precompile_component(bytes).map_err(invalid)
    }
    #[cfg(not(feature = "compiler"))]
    {
        let _ = (path, bytes);
        Err(LoadError::NoCompiler)
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
}

/// What a registry module exports that tells facts.
const INVENTORY: &str = "skerry:registry/inventory@0.1.0";

/// A component with what its world offers: for requests, and for facts.
type Linked = (RegistryPre<State>, Option<InventoryPre<State>>);

/// Links a component to what its world offers.
pub fn link(linker: &Linker<State>, component: &Component, path: &str) -> Result<Linked, LoadError> {
    let world = |cause| LoadError::World { path: path.to_owned(), cause };
    let pre = linker.instantiate_pre(component).map_err(world)?;
    let tells = component.get_export_index(None, INVENTORY).is_some();
    let inventory = tells.then(|| InventoryPre::new(pre.clone())).transpose().map_err(world)?;
    Ok((RegistryPre::new(pre).map_err(world)?, inventory))
}

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
