//! What the configuration asks for, brought down to what the process may have.

use std::{num::NonZero, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{config::Config, server::EventLoops};

/// Descriptors that are none of a client's: listeners, directories, locks.
const OWN: usize = 32;

/// Kept for the files of requests, at the most; of few descriptors it is half.
const REQUESTS: usize = 1024;

/// For one event loop there are as many.
const EACH: usize = 64;

/// And so many bytes of address space: the allocator sets 64 MiB of it apart
/// for each thread, and takes twice that to begin with, while the engine needs
/// most of what there is.
const SPACE_EACH: u64 = 2 << 30;

/// Brings the bounds on connections and uploads down to where the descriptors
/// last: each connection has one, and a request mostly one more.
pub fn fit(mut config: Config) -> Config {
    let Some(files) = files() else { return config };
    let rest = files.saturating_sub(OWN + event_loops() * EventLoops::DESCRIPTORS);
    let limits = &mut config.limits;
    for (name, limit, most) in [
        ("connections", &mut limits.connections, rest - REQUESTS.min(rest / 2)),
        ("uploads", &mut limits.uploads, rest / 4),
        ("idle_uploads", &mut limits.idle_uploads, rest / 8),
    ] {
        let most = most.max(1);
        if *limit > most {
            tracing::warn!(
                "no more than {files} files may be open (ulimit -n): limits.{name} is {most}, and not {limit}"
            );
            *limit = most;
        }
    }
    config
}

/// How many event loops there are: one for each core that the process may use,
/// unless descriptors or address space are scarce; none where it would be one,
/// as the runtime does as well.
pub fn event_loops() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let by_files = files().map_or(usize::MAX, |files| files / EACH);
    let space = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    let by_space = usize::try_from(space / SPACE_EACH).unwrap_or(usize::MAX);
    match cores.min(by_files).min(by_space) {
        1 => 0,
        loops => loops,
    }
}

/// How many files may be open, once as many may be as the process is allowed
/// to have; nothing where there is no bound.
fn files() -> Option<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // It stays as it was where that is refused.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}
