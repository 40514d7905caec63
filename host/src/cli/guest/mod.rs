//! `guest`: modules of one's own; a file for each command.

mod artifact;
mod compile;

use clap::Subcommand;

pub use self::{
    artifact::{GuestPull, GuestPush, Way},
    compile::GuestCompile,
};

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
    /// Push a module to a registry, as an OCI artifact.
    ///
    /// In the layout that `wkg` and other tools for WebAssembly read. The
    /// digest is printed by which a configuration names it; the same module
    /// has the same digest whenever it is pushed.
    Push(GuestPush),
    /// Pull a module from a registry, verified.
    Pull(GuestPull),
}
