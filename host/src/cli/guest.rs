//! `guest`: modules of one's own.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with a module.
#[derive(Debug, Subcommand)]
pub enum GuestCommand {
    /// Compile a module ahead of time.
    ///
    /// For builds with no compiler, and for small machines, where compiling
    /// takes long. What comes of it is native code for this kind of machine
    /// and this very version of skerry: it runs only where
    /// `sandbox.precompiled` lists its digest, which is printed.
    Compile(GuestCompile),
}

/// What to compile.
#[derive(Debug, Clone, Default, Args)]
pub struct GuestCompile {
    /// A WebAssembly component.
    #[arg(value_name = "MODULE.wasm")]
    pub file: PathBuf,
    /// Write to this file; without, beside the module, as `.cwasm`.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl GuestCompile {
    /// Where the code goes.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.file.with_extension("cwasm"))
    }
}
