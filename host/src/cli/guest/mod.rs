//! `guest`: modules of one's own; a file for each command.

mod compile;

use clap::Subcommand;

pub use self::compile::GuestCompile;

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
