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

impl GuestCompile {
    /// Where the code goes.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.file.with_extension("cwasm"))
    }
}
