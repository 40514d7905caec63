//! The binary `skerry`.

use std::process::ExitCode;

use skerry::{cli, serve};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(&serve::All)
}
