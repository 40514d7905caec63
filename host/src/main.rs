//! The binary `skerry`.

use std::process::ExitCode;

use skerry::{cli, serve};

fn main() -> ExitCode {
    cli::main(&serve::All)
}
