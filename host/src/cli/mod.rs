//! Commands: from what the process was given (arguments, environment, files)
//! to a [`Plan`] that needs none of it any more.

mod ambient;
mod args;
mod banner;
mod collect;
mod guest;
mod htpasswd;
pub mod logging;
mod names;
mod plan;
mod tls;

#[cfg(test)]
mod tests;

use std::{error::Error, ffi::OsString, io::Write, process::ExitCode, time::SystemTime};

use clap::{CommandFactory, FromArgMatches};

use self::names::Called;
pub use self::{
    ambient::Ambient,
    args::{Cli, Command, ConfigCommand, Serve},
    collect::{Collect, GarbageCollect},
    guest::{GuestCommand, GuestCompile},
    htpasswd::Htpasswd,
    plan::{FirstRun, Plan, PlanError, plan},
    tls::{CheckArgs, TlsCommand, TrustArgs},
};
use crate::config;

/// What a command ends with.
pub type Outcome = Result<(), Box<dyn Error>>;

/// The whole program; `run` serves until it is told to stop, `gather` collects
/// garbage, `compile` compiles a module and says what to do with it.
pub fn main(
    run: impl FnOnce(&Plan) -> Outcome,
    gather: impl FnOnce(&Collect) -> Outcome,
    compile: impl FnOnce(&GuestCompile) -> Result<String, Box<dyn Error>>,
) -> ExitCode {
    let ambient = Ambient::of_process();
    let command = match names::called(std::env::args_os()) {
        Called::Parse(program, words) => parse(program, words),
        Called::Say(text) => {
            say(std::io::stdout(), &text);
            return ExitCode::SUCCESS;
        }
    };
    match command {
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
        Command::Config { command: ConfigCommand::Keys } => {
            say(std::io::stdout(), &config::keys());
            ExitCode::SUCCESS
        }
        Command::GarbageCollect(args) => match collect::collect(&args, &ambient) {
            Ok(asked) => {
                if !asked.quiet {
                    warn(&asked.warnings);
                }
                match gather(&asked) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => fail(&error.to_string()),
                }
            }
            Err(error) => refuse(&error),
        },
        Command::Guest { command: GuestCommand::Compile(args) } => match compile(&args) {
            Ok(text) => {
                say(std::io::stdout(), &text);
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error.to_string()),
        },
        Command::Tls { command } => tls::run(&command, &ambient),
        Command::Htpasswd(args) => match args.line(std::io::stdin()) {
            Ok(line) => {
                say(std::io::stdout(), &line);
                ExitCode::SUCCESS
            }
            Err(sentence) => fail(&sentence),
        },
    }
}

/// Ends the process where the words make no command.
fn parse(program: names::Program, words: Vec<OsString>) -> Command {
    let command = Cli::command().name(program.name()).bin_name(program.name());
    let matches = command.get_matches_from(words);
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).command
}

fn fail(sentence: &str) -> ExitCode {
    say(std::io::stderr(), &format!("error: {sentence}\n"));
    ExitCode::FAILURE
}

fn serve(plan: Plan, run: impl FnOnce(&Plan) -> Outcome) -> ExitCode {
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
