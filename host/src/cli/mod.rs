//! Commands: from what the process was given (arguments, environment, files)
//! to a [`Plan`] that needs none of it any more.

mod admin;
mod ambient;
mod args;
mod banner;
mod collect;
mod gathered;
mod guest;
mod htpasswd;
pub mod logging;
mod names;
mod plan;
mod policy;
mod retain;
mod tls;
mod verify;

#[cfg(test)]
mod tests;

use std::{error::Error, ffi::OsString, io::Write, process::ExitCode, time::SystemTime};

use clap::{CommandFactory, FromArgMatches};

use self::names::Called;
pub use self::{
    admin::{AdminCommand, Asked, Status, Swap},
    ambient::Ambient,
    args::{Cli, Command, ConfigCommand, Serve},
    collect::{Collect, GarbageCollect},
    guest::{
        CompileApart, GuestCheck, GuestCommand, GuestCompile, GuestNew, GuestPull, GuestPush, Language, Way, WorldName,
    },
    htpasswd::Htpasswd,
    plan::{FirstRun, Plan, PlanError, Reread, plan},
    policy::{PolicyCommand, PolicyTest},
    retain::{Retain, RetainArgs},
    tls::{CheckArgs, TlsCommand, TrustArgs},
    verify::{Verify, VerifyArgs},
};
use crate::config;

/// What a command ends with.
pub type Outcome = Result<(), Box<dyn Error>>;

/// What commands need of the rooms behind this one. A program may have some of
/// them only.
pub trait Rooms {
    /// Serves until it is told to stop.
    fn serve(&self, plan: &Plan) -> Outcome;

    /// Collects garbage.
    fn collect(&self, asked: &Collect) -> Outcome {
        let _ = asked;
        Err(MISSING.into())
    }

    /// Looks whether a volume is whole; whether it is.
    fn verify(&self, asked: &Verify) -> Result<bool, Box<dyn Error>> {
        let _ = asked;
        Err(MISSING.into())
    }

    /// Removes the tags that no policy keeps.
    fn retain(&self, asked: &Retain) -> Outcome {
        let _ = asked;
        Err(MISSING.into())
    }

    /// Does something with a module.
    fn guest(&self, asked: &GuestCommand, ambient: &Ambient) -> Result<Said, Box<dyn Error>> {
        let _ = (asked, ambient);
        Err(MISSING.into())
    }

    /// Does something with a policy.
    fn policy(&self, asked: &PolicyCommand) -> Result<Said, Box<dyn Error>> {
        let _ = asked;
        Err(MISSING.into())
    }
}

const MISSING: &str = "this program has no such command";

/// What a command says to people when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// For standard output.
    pub text: String,
    /// Whether all is well; if not, the exit status is 1.
    pub well: bool,
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self { text, well: true }
    }
}

/// The whole program.
pub fn main(rooms: &dyn Rooms) -> ExitCode {
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
            Ok(plan) => serve(plan, rooms),
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
                match rooms.collect(&asked) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => fail(&error.to_string()),
                }
            }
            Err(error) => refuse(&error),
        },
        Command::Verify(args) => {
            let outcome = match verify::verify(&args, &ambient) {
                Ok(asked) => {
                    warn(&asked.warnings);
                    rooms.verify(&asked).map_err(|error| fail(&error.to_string()))
                }
                Err(error) => Err(refuse(&error)),
            };
            match outcome {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                // Nobody knows: as `tls check` has it.
                Err(_) => ExitCode::from(2),
            }
        }
        Command::Retain(args) => match retain::retain(&args, &ambient) {
            Ok(asked) => {
                warn(&asked.warnings);
                match rooms.retain(&asked) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => fail(&error.to_string()),
                }
            }
            Err(error) => refuse(&error),
        },
        Command::Guest { command: GuestCommand::New(args) } => told(args.make().map_err(Into::into)),
        Command::Guest { command } => told(rooms.guest(&command, &ambient)),
        Command::Admin { command } => admin::run(&command, &ambient),
        Command::Policy { command } => told(rooms.policy(&command)),
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

fn told(outcome: Result<Said, Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(Said { text, well }) => {
            say(std::io::stdout(), &text);
            if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(sentence: &str) -> ExitCode {
    say(std::io::stderr(), &format!("error: {sentence}\n"));
    ExitCode::FAILURE
}

fn serve(plan: Plan, rooms: &dyn Rooms) -> ExitCode {
    logging::init(&plan.config.log);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = plan.source, "starting");
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
    }
    match rooms.serve(&plan) {
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
