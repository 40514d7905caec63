//! What is served now, and how it is replaced while connections go on.
//!
//! Every look compares what the files hold with what was taken from them last:
//! by content, so that it does not matter how a file was changed. What cannot
//! be used as a whole is not used at all; the old stays, and that is said once.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use super::{
    cached::Cached,
    error::TlsError,
    load::{self, Loaded, TlsFiles},
    local,
    print::Print,
};

/// How long until a local leaf that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(60 * 60);

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Files that the operator names.
    Files(TlsFiles),
    /// What was ordered for the names that the operator lists.
    Cached(Cached),
    /// The authority of this machine, in a directory.
    Local {
        /// Which.
        directory: PathBuf,
        /// What its leaf is for.
        names: Vec<String>,
        /// Whether HTTP/2 is offered.
        http2: bool,
    },
}

impl Origin {
    /// Loads what is there; a local leaf that is missing is made, where its
    /// authority is there.
    pub fn load(&self, now: SystemTime) -> Result<Loaded, TlsError> {
        match self {
            Self::Files(files) => load::load(files),
            Self::Cached(cached) => cached.load(None),
            Self::Local { directory, names, http2 } => local::renew(directory, names, *http2, now),
        }
    }

    fn print(&self) -> Print {
        match self {
            Self::Files(files) => Print::take(files.paths()),
            Self::Cached(cached) => cached.print(),
            Self::Local { directory, http2, .. } => Print::take(local::pair(directory, *http2).paths()),
        }
    }

    fn is_due(&self, loaded: &Loaded, now: SystemTime) -> bool {
        matches!(self, Self::Local { .. }) && local::is_due(loaded, now)
    }
}

/// What new handshakes are made with.
#[derive(Debug)]
pub struct Store(RwLock<Arc<Loaded>>);

impl Store {
    /// Begins with what was loaded.
    pub fn new(loaded: Loaded) -> Self {
        Self(RwLock::new(Arc::new(loaded)))
    }

    /// What is served now.
    pub fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, loaded: Loaded) -> Arc<Loaded> {
        let loaded = Arc::new(loaded);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&loaded);
        loaded
    }
}

/// What came of a look.
#[derive(Debug)]
pub enum Look {
    /// Nothing to say: as it was, or not for long enough to tell.
    Same,
    /// Something else is served from now on.
    Taken(Arc<Loaded>),
    /// What is there now cannot be used. Said once of each such state.
    Refused(TlsError),
}

/// Looks after the files of a store.
#[derive(Debug)]
pub struct Watch {
    origin: Origin,
    store: Arc<Store>,
    /// A state that cannot be used, and whether that was said. Who renews
    /// writes one file after the other: it is not said before the next look.
    bad: Option<(Print, bool)>,
    /// When a local leaf can be tried again.
    retry: Option<SystemTime>,
}

impl Watch {
    /// Begins with what is served.
    pub fn new(origin: Origin, store: Arc<Store>) -> Self {
        Self { origin, store, bad: None, retry: None }
    }

    /// Looks whether something changed, and takes it if it is good. `asked`
    /// by somebody, it does not wait to say what is wrong.
    pub fn look(&mut self, now: SystemTime, asked: bool) -> Look {
        let current = self.store.current();
        let print = self.origin.print();
        // A clock that was set back does not put off the next try.
        let wait = |at: SystemTime| at.duration_since(now).is_ok_and(|left| !left.is_zero() && left <= RETRY);
        let due = self.origin.is_due(&current, now) && !self.retry.is_some_and(wait);
        if print == current.print && !due {
            self.bad = None;
            return Look::Same;
        }
        let known = self.bad.as_ref().filter(|(bad, _)| *bad == print).map(|(_, said)| *said);
        if known == Some(true) && !due && !asked {
            return Look::Same;
        }
        let loaded = match &self.origin {
            Origin::Cached(cached) => cached.load(Some(&current)),
            origin => origin.load(now),
        };
        match loaded {
            Ok(loaded) => {
                self.bad = None;
                self.retry = None;
                Look::Taken(self.store.replace(loaded))
            }
            Err(error) => {
                if due {
                    self.retry = now.checked_add(RETRY);
                }
                let say = asked || due || known == Some(false);
                self.bad = Some((print, say));
                if say { Look::Refused(error) } else { Look::Same }
            }
        }
    }
}
