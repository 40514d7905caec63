//! Where a setting came from, and what is wrong with it.

use std::{fmt, sync::Arc};

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is a default.
    Default,
    /// A file and a line of it, counted from 1.
    File(Arc<str>, usize),
    /// A variable of the environment.
    Environment(Arc<str>),
    /// A flag of the command line.
    Flag(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in defaults"),
            Self::File(name, 0) => write!(f, "{name}"),
            Self::File(name, line) => write!(f, "{name}:{line}"),
            Self::Environment(name) => write!(f, "{}", Shown(name)),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Something the operator should know, and that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where the reason was set.
    pub at: Origin,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// One reason not to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the reason was set.
    pub at: Origin,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// All the reasons not to start; one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
    /// What else came to light: an unknown key may be the cause.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], warnings: Vec::new() }
    }
}

/// What reading a configuration brought to light so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub warnings: Vec<Warning>,
    pub problems: Vec<Problem>,
}

impl Report {
    pub fn warn(&mut self, at: &Origin, message: impl Into<String>) {
        self.warnings.push(Warning { at: at.clone(), message: message.into() });
    }

    pub fn problem(&mut self, at: &Origin, message: impl Into<String>) {
        self.problems.push(Problem { at: at.clone(), message: message.into() });
    }
}

/// A piece of somebody's text in a message: escaped, and cut to 80 characters.
pub(super) struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        let mut rest = self.0.chars();
        for character in rest.by_ref().take(LONGEST) {
            match character {
                '"' | '\'' => write!(f, "{character}")?,
                _ => write!(f, "{}", character.escape_debug())?,
            }
        }
        if rest.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}
