//! `verify`: is all that is stored whole?

use clap::Args;

use super::{
    ambient::Ambient,
    args::File,
    plan::{self, PlanError},
};
use crate::config::{Config, Warning};

/// How to verify.
#[derive(Debug, Clone, Default, Args)]
pub struct VerifyArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: File,
    /// Mend what can be mended, with no server running.
    ///
    /// What follows from what is there is made anew. The rest of what is
    /// damaged goes to `.skerry/quarantine` in the volume, so that the next
    /// push stores it again; nothing is deleted.
    #[arg(long)]
    pub repair: bool,
    /// A line of JSON for each damage.
    #[arg(long)]
    pub json: bool,
    /// Show no progress.
    #[arg(short, long)]
    pub quiet: bool,
}

/// A verification, ready to run.
pub struct Verify {
    /// The effective configuration.
    pub config: Config,
    /// For standard error.
    pub warnings: Vec<Warning>,
    /// Whether to mend what can be mended.
    pub repair: bool,
    /// For programs.
    pub json: bool,
    /// Show no progress.
    pub quiet: bool,
}

/// Reads the configuration.
pub(super) fn verify(args: &VerifyArgs, ambient: &Ambient) -> Result<Verify, PlanError> {
    let (config, warnings) = plan::storage(&args.file, ambient)?;
    let VerifyArgs { repair, json, quiet, .. } = *args;
    Ok(Verify { config, warnings, repair, json, quiet })
}
