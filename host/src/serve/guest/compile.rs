//! `guest compile`: a module made ready for hosts with no compiler.

use std::{fs, io, path::Path};

use super::super::map;
use crate::{
    cli::GuestCompile,
    config::ConfigError,
    sandbox::{self, LoadError},
    storage::{Algorithm, Digest},
};

/// Why a module was not compiled: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// There are no defaults.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot be compiled.
    #[error(transparent)]
    Module(#[from] LoadError),
    /// What came of it cannot be written.
    #[error("{path} cannot be written: {cause}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        cause: io::Error,
    },
}

/// Compiles a module; returns what to do with it, for people.
///
/// # Errors
/// That it cannot be read, compiled or written.
pub fn compile(asked: &GuestCompile) -> Result<String, CompileError> {
    let read = |cause| LoadError::Read { path: asked.file.display().to_string(), cause };
    let bytes = map::module(&asked.file).map_err(read)?;
    let code = sandbox::precompile(&map::apart(&super::defaults()?, &asked.file, bytes))?;
    let output = asked.output();
    write(&output, &code).map_err(|cause| CompileError::Write { path: output.display().to_string(), cause })?;
    Ok(format!(
        "{}: {} KiB of native code for {} and skerry {}, and for no other version.\n\n\
         It runs with all rights of skerry, and so only where its digest is listed. Name\n\
         the file in `sandbox.registry` or as the `module` of a policy, and add:\n\n\
         sandbox:\n  precompiled: [\"{}\"]\n",
        output.display(),
        code.len().div_ceil(1024),
        std::env::consts::ARCH,
        env!("CARGO_PKG_VERSION"),
        Digest::of(Algorithm::Sha256, &code),
    ))
}

/// Whole or not at all: a server may read it at any time.
fn write(output: &Path, code: &[u8]) -> io::Result<()> {
    let mut part = output.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, code)?;
    fs::rename(&part, output).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}
