//! `guest push` and `guest pull`: modules in registries.

use std::path::PathBuf;

use clap::Args;

use crate::oci::Reference;

/// What to push.
#[derive(Debug, Clone, Args)]
pub struct GuestPush {
    /// A WebAssembly component.
    #[arg(value_name = "MODULE.wasm")]
    pub file: PathBuf,
    /// Where to: `registry.example/policies/sizes:1.0`.
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    pub reference: Reference,
    /// How to get there.
    #[command(flatten)]
    pub way: Way,
}

/// What to pull.
#[derive(Debug, Clone, Args)]
pub struct GuestPull {
    /// Where from: `registry.example/policies/sizes:1.0`.
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    pub reference: Reference,
    /// Write to this file; without, to the last part of the repository's name
    /// and `.wasm`. A file that is there is not overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How to get there.
    #[command(flatten)]
    pub way: Way,
}

/// How to get to a registry.
#[derive(Debug, Clone, Default, Args)]
pub struct Way {
    /// Trust the authorities of this PEM file alone, and not the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "plain_http")]
    pub ca: Option<PathBuf>,
    /// Without TLS.
    #[arg(long)]
    pub plain_http: bool,
    /// A `config.json` of docker with users and passwords; without, the one
    /// that `docker login` writes.
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
}
