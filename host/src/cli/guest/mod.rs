//! `guest`: modules of one's own; a file for each command.

mod artifact;
mod check;
mod compile;
mod new;
mod project;

use clap::Subcommand;

pub use self::{
    artifact::{GuestPull, GuestPush, Way},
    check::GuestCheck,
    compile::{CompileApart, GuestCompile},
    new::{GuestNew, Language, WorldName},
};

/// What to do with a module.
#[derive(Debug, Subcommand)]
pub enum GuestCommand {
    /// Begin a module of your own: a folder with all that it takes.
    ///
    /// It has the WIT, twenty lines that decide something, cases for `skerry
    /// policy test`, and a README with the commands. Nothing is overwritten.
    New(GuestNew),
    /// Look at a module: its world, what it asks for, and what it will get.
    ///
    /// It is compiled and asked whether it can work, as at the start of a
    /// server; the exit status is 1 if it would be refused.
    Check(GuestCheck),
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
    /// How a host compiles a module: apart from itself.
    #[command(hide = true)]
    CompileApart(CompileApart),
}
