//! What is done with modules beside serving them; a file for each command.

mod artifact;
mod compile;

use std::error::Error;

use super::{CollectError, ServeError};
use crate::cli::{Ambient, Collect, GuestCommand, Outcome, Plan, Rooms, Said};

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

    fn guest(&self, asked: &GuestCommand, ambient: &Ambient) -> Result<Said, Box<dyn Error>> {
        Ok(match asked {
            GuestCommand::Compile(asked) => compile::compile(asked)?.into(),
            GuestCommand::Push(asked) => artifact::push(asked, ambient)?.into(),
            GuestCommand::Pull(asked) => artifact::pull(asked, ambient)?.into(),
        })
    }
}
