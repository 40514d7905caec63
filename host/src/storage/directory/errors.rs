//! What the kernel's errors mean to a caller of storage.

use std::fmt::Display;

use rustix::io::Errno;

use crate::storage::Failure;

/// The failure for `errno`, met while doing `what`. Those that no longer say
/// what it was are told to the log here.
pub(super) fn failure(errno: Errno, what: impl Display) -> Failure {
    let told = |failure: Failure| {
        tracing::warn!("{what}: {errno}");
        failure
    };
    match errno {
        Errno::NOENT => Failure::NotFound,
        Errno::NOSPC | Errno::DQUOT => told(Failure::NoSpace),
        Errno::ROFS => told(Failure::ReadOnly),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => told(Failure::Busy),
        // A symbolic link on the way, a directory, a file where a directory
        // should be, a socket or a pipe with no reader.
        Errno::LOOP | Errno::ISDIR | Errno::NOTDIR | Errno::NXIO => Failure::WrongKind,
        Errno::NAMETOOLONG => Failure::InvalidKey(String::from("too long for this filesystem")),
        Errno::FBIG => Failure::TooLarge(i64::MAX.unsigned_abs()),
        other => Failure::Io(format!("{what}: {other}")),
    }
}

/// As [`failure`], for a look: below a file there is nothing.
pub(super) fn looking(errno: Errno, what: impl Display) -> Failure {
    match errno {
        Errno::NOTDIR => Failure::NotFound,
        other => failure(other, what),
    }
}

/// As [`failure`], for errors of cap-std.
pub(super) fn from_io(error: &std::io::Error, what: impl Display) -> Failure {
    match Errno::from_io_error(error) {
        Some(errno) => failure(errno, what),
        None => Failure::Io(format!("{what}: {error}")),
    }
}
