//! What is done with modules beside serving them; a file for each command.

mod artifact;
mod check;
mod compile;

use std::{error::Error, path::Path};

use super::{CollectError, RetainError, ServeError, VerifyError, map, rehearse, runtime};
use crate::{
    cli::{Ambient, Collect, CompileApart, GuestCommand, Outcome, Plan, PolicyCommand, Retain, Rooms, Said, Verify},
    config::{self, Config},
    sandbox::{self, LoadError, PolicyOrigin},
};

/// All rooms, for the command line.
#[derive(Debug)]
pub struct All;

impl Rooms for All {
    fn serve(&self, plan: &Plan) -> Outcome {
        super::run(plan).map_err(|error: ServeError| error.into())
    }

    fn collect(&self, asked: &Collect) -> Outcome {
        super::collect(asked).map_err(|error: CollectError| error.into())
    }

    fn verify(&self, asked: &Verify) -> Result<bool, Box<dyn Error>> {
        super::verify(asked).map_err(|error: VerifyError| error.into())
    }

    fn retain(&self, asked: &Retain) -> Outcome {
        super::retain(asked).map_err(|error: RetainError| error.into())
    }

    fn guest(&self, asked: &GuestCommand, ambient: &Ambient) -> Result<Said, Box<dyn Error>> {
        Ok(match asked {
            GuestCommand::Compile(asked) => compile::compile(asked)?.into(),
            GuestCommand::Push(asked) => artifact::push(asked, ambient)?.into(),
            GuestCommand::Pull(asked) => artifact::pull(asked, ambient)?.into(),
            GuestCommand::CompileApart(CompileApart { time, memory, count }) => {
                sandbox::compile_apart(*time, *memory, *count)?;
                String::new().into()
            }
            GuestCommand::Check(asked) => {
                let configuration = asked.configuration(ambient)?;
                let runtime = runtime()?;
                runtime.block_on(check::check(&asked.file, configuration.as_ref()))?
            }
            GuestCommand::New(asked) => asked.make()?,
        })
    }

    fn policy(&self, asked: &PolicyCommand) -> Result<Said, Box<dyn Error>> {
        let PolicyCommand::Test(asked) = asked;
        let runtime = runtime()?;
        runtime.block_on(rehearse::rehearse(asked))
    }
}

/// What holds where no configuration is named.
pub fn defaults() -> Result<Config, config::ConfigError> {
    config::load(config::Source::nothing(), std::iter::empty()).map(|(config, _)| config)
}

/// A module as a command names it: a policy that is built in, or a file.
pub fn named(config: &Config, file: &Path) -> Result<PolicyOrigin, LoadError> {
    if let Some(name) = file.to_str().filter(|name| sandbox::built_in_policies().any(|known| known == *name))
        && !file.exists()
    {
        return Ok(PolicyOrigin::BuiltIn(name.to_owned()));
    }
    let read = |cause| LoadError::Read { path: file.display().to_string(), cause };
    Ok(PolicyOrigin::File(map::apart(config, file, map::module(file).map_err(read)?)))
}
