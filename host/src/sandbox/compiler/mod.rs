//! Foreign modules become native code in a process of their own, never in this
//! one: a compiler that is fed by a stranger takes any time and any memory, or
//! overflows its stack. The child is this very program, which bounds itself
//! before it looks at the module ([`apart`]); what it made may be kept for the
//! next start ([`cache`]).

mod apart;
mod cache;
mod child;

use std::{path::Path, sync::OnceLock, time::Duration};

use cap_std::fs::Dir;

pub use self::apart::apart;
use self::{cache::Cache, child::Broken};
use super::module::LoadError;

/// What one compilation may take.
#[derive(Debug, Clone, Copy)]
pub struct CompilerLimits {
    /// Of the clock.
    pub time: Duration,
    /// Bytes of address space.
    pub memory: u64,
}

/// Makes code of modules.
#[derive(Debug)]
pub struct Compiler {
    limits: CompilerLimits,
    /// The host's private directory, where there is one to keep code in.
    home: Option<Dir>,
    cache: OnceLock<Option<Cache>>,
}

/// How code is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For the engine that serves.
    Serve,
    /// For one that counts instructions.
    Count,
}

impl Compiler {
    /// With these limits; what it makes is kept in `home`, a directory that
    /// nobody else may write to.
    pub fn new(limits: CompilerLimits, home: Option<Dir>) -> Self {
        Self { limits, home, cache: OnceLock::new() }
    }

    /// Code of a component: from the last time, or made now. It blocks for as
    /// long as that takes.
    pub(super) fn code(&self, path: &Path, bytes: &[u8], purpose: Purpose) -> Result<Vec<u8>, LoadError> {
        if cfg!(not(feature = "compiler")) {
            return Err(LoadError::NoCompiler);
        }
        let cache = match purpose {
            Purpose::Serve => self.cache(),
            Purpose::Count => None,
        };
        if let Some(code) = cache.and_then(|cache| cache.find(bytes)) {
            return Ok(code);
        }
        let path = || path.display().to_string();
        let code = child::compile(bytes, &self.limits, purpose).map_err(|broken| match broken {
            Broken::Module(cause) => LoadError::Invalid { path: path(), cause },
            Broken::Compiler(cause) => LoadError::Compile { path: path(), cause },
        })?;
        if let Some(cache) = cache {
            cache.keep(bytes, &code);
        }
        Ok(code)
    }

    /// Opened when it is first needed: most hosts run what is built in.
    fn cache(&self) -> Option<&Cache> {
        let open = || match Cache::open(self.home.as_ref()?) {
            Ok(cache) => Some(cache),
            Err(cause) => {
                tracing::warn!(%cause, "compiled modules are not kept, and are compiled at each start");
                None
            }
        };
        self.cache.get_or_init(open).as_ref()
    }
}
