//! `guest compile`.

use std::path::PathBuf;

use clap::Args;

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

/// What a compiler of its own process may take. The module comes by standard
/// input, the code goes to standard output.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct CompileApart {
    /// Seconds.
    #[arg(long)]
    pub time: u64,
    /// Bytes of address space.
    #[arg(long)]
    pub memory: u64,
    /// For an engine that counts instructions.
    #[arg(long)]
    pub count: bool,
}

impl GuestCompile {
    /// Where the code goes.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.file.with_extension("cwasm"))
    }
}
