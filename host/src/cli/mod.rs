//! Commands: from what the process was given (arguments, environment, files)
//! to a [`Plan`] that needs none of it any more.

mod ambient;
mod args;
mod banner;
pub mod logging;
mod plan;

#[cfg(test)]
mod tests;

use std::{error::Error, io::Write, process::ExitCode, time::SystemTime};

use clap::Parser;

pub use self::{
    ambient::Ambient,
    args::{Cli, Command, ConfigCommand, Serve},
    plan::{FirstRun, Plan, PlanError, plan},
};
use crate::config;

/// The whole program; `run` serves until it is told to stop.
pub fn main(run: impl FnOnce(&Plan) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let ambient = Ambient::of_process();
    match Cli::parse().command {
        Command::Serve(args) => match plan(&args, &ambient, SystemTime::now()) {
            Ok(plan) => serve(plan, run),
            Err(error) => refuse(&error),
        },
        Command::Config { command: ConfigCommand::Check(args) } => match plan::checked(&args, &ambient) {
            Ok((config, warnings)) => {
                warn(&warnings);
                say(std::io::stdout(), &config.effective_yaml());
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        },
        Command::Config { command: ConfigCommand::Defaults } => {
            say(std::io::stdout(), config::DEFAULTS);
            ExitCode::SUCCESS
        }
    }
}

fn serve(plan: Plan, run: impl FnOnce(&Plan) -> Result<(), Box<dyn Error>>) -> ExitCode {
    logging::init(&plan.config.log);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = plan.source, "starting");
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
    }
    match run(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(error: &PlanError) -> ExitCode {
    if let PlanError::Config(error) = error {
        warn(&error.warnings);
    }
    let lines: String = error.to_string().lines().map(|line| format!("error: {line}\n")).collect();
    say(std::io::stderr(), &lines);
    ExitCode::FAILURE
}

fn warn(warnings: &[config::Warning]) {
    for warning in warnings {
        say(std::io::stderr(), &format!("warning: {warning}\n"));
    }
}

/// Writes a text; that nobody reads it any more is no failure.
fn say(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
