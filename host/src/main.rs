//! The binary `skerry`.

use std::process::ExitCode;

use skerry::{cli, serve};

fn main() -> ExitCode {
    cli::main(|plan| Ok(serve::run(plan)?), |asked| Ok(serve::collect(asked)?), |asked| Ok(serve::compile(asked)?))
}
