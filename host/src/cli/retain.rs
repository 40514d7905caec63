//! `retain`: removes the tags that no policy keeps, once.

use clap::Args;

use super::{
    ambient::Ambient,
    args::File,
    plan::{self, PlanError},
};
use crate::config::{Config, Warning};

/// How to do it.
#[derive(Debug, Clone, Default, Args)]
pub struct RetainArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: File,
    /// Only say what would be removed.
    #[arg(short, long)]
    pub dry_run: bool,
}

/// A run, ready to begin.
pub struct Retain {
    /// The effective configuration.
    pub config: Config,
    /// For standard error.
    pub warnings: Vec<Warning>,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// Reads the configuration.
pub(super) fn retain(args: &RetainArgs, ambient: &Ambient) -> Result<Retain, PlanError> {
    let (config, warnings) = plan::storage(&args.file, ambient)?;
    Ok(Retain { config, warnings, dry_run: args.dry_run })
}
