//! `guest check`.

use std::path::PathBuf;

use clap::Args;

use super::super::{
    ambient::Ambient,
    args::File,
    plan::{self, PlanError},
};
use crate::config::Config;

/// What to check.
#[derive(Debug, Clone, Default, Args)]
pub struct GuestCheck {
    /// A WebAssembly component, or the name of a policy that is built in.
    #[arg(value_name = "MODULE.wasm")]
    pub file: PathBuf,
    /// Show what this configuration grants to the module, and ask it whether it
    /// can work with that.
    #[arg(long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,
}

impl GuestCheck {
    /// The configuration, where one was named.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn configuration(&self, ambient: &Ambient) -> Result<Option<Config>, PlanError> {
        let Some(path) = &self.config else { return Ok(None) };
        let file = File { config: Some(path.clone()), no_config: false };
        Ok(Some(plan::storage(&file, ambient)?.0))
    }
}
