//! Which system calls are about files, and about which.

use std::{
    fs,
    path::{Path, PathBuf},
};

use skerry_tests::supervisor::Kind;

use super::{memory, ptrace::Thread};

/// A call on something of the volume.
pub struct Call {
    pub number: i64,
    pub arguments: [u64; 6],
    pub kind: Kind,
    pub name: &'static str,
    /// Below the volume; of a rename or a link, the new one.
    pub path: PathBuf,
}

/// Where the path is that a call is about.
enum Of {
    /// Of an open file.
    File,
    /// A directory, and a path from there: the places of both.
    Path(usize, usize),
}

/// Reads a call; none that is about something else than the volume.
pub fn read(thread: Thread, volume: &Path, number: i64, arguments: [u64; 6]) -> Option<Call> {
    let (kind, name, of) = known(number)?;
    let path = match of {
        Of::File => open(thread, arguments[0])?,
        Of::Path(directory, name) => {
            let name = memory::text(thread, arguments[name])?;
            if name.is_empty() { open(thread, arguments[directory])? } else { at(thread, arguments[directory], &name)? }
        }
    };
    let path = path.strip_prefix(volume).ok()?.to_owned();
    let kind = if kind == Kind::Open && creates(thread, number, &arguments) { Kind::Create } else { kind };
    Some(Call { number, arguments, kind, name, path })
}

fn known(number: i64) -> Option<(Kind, &'static str, Of)> {
    use Of::{File, Path};
    Some(match number {
        libc::SYS_openat => (Kind::Open, "openat", Path(0, 1)),
        libc::SYS_openat2 => (Kind::Open, "openat2", Path(0, 1)),
        libc::SYS_mkdirat => (Kind::Make, "mkdirat", Path(0, 1)),
        libc::SYS_read => (Kind::Read, "read", File),
        libc::SYS_pread64 => (Kind::Read, "pread64", File),
        libc::SYS_preadv => (Kind::Read, "preadv", File),
        libc::SYS_preadv2 => (Kind::Read, "preadv2", File),
        libc::SYS_getdents64 => (Kind::List, "getdents64", File),
        libc::SYS_fstat => (Kind::Look, "fstat", File),
        libc::SYS_newfstatat => (Kind::Look, "newfstatat", Path(0, 1)),
        libc::SYS_statx => (Kind::Look, "statx", Path(0, 1)),
        libc::SYS_write => (Kind::Write, "write", File),
        libc::SYS_writev => (Kind::Write, "writev", File),
        libc::SYS_pwrite64 => (Kind::Write, "pwrite64", File),
        libc::SYS_pwritev => (Kind::Write, "pwritev", File),
        libc::SYS_pwritev2 => (Kind::Write, "pwritev2", File),
        libc::SYS_ftruncate => (Kind::Cut, "ftruncate", File),
        libc::SYS_fsync => (Kind::Sync, "fsync", File),
        libc::SYS_fdatasync => (Kind::Sync, "fdatasync", File),
        libc::SYS_syncfs => (Kind::SyncAll, "syncfs", File),
        libc::SYS_renameat => (Kind::Rename, "renameat", Path(2, 3)),
        libc::SYS_renameat2 => (Kind::Rename, "renameat2", Path(2, 3)),
        libc::SYS_linkat => (Kind::Link, "linkat", Path(2, 3)),
        libc::SYS_unlinkat => (Kind::Unlink, "unlinkat", Path(0, 1)),
        libc::SYS_flock => (Kind::Lock, "flock", File),
        _ => return None,
    })
}

/// Whether a call changes the volume in a way that is not written down here:
/// a record without it would be a lie.
pub fn unforeseen(thread: Thread, volume: &Path, number: i64, arguments: &[u64; 6]) -> bool {
    let named = |directory: u64, name: u64| at(thread, directory, &memory::text(thread, name)?);
    let here = libc::AT_FDCWD as u64;
    let path = match number {
        libc::SYS_rename
        | libc::SYS_link
        | libc::SYS_unlink
        | libc::SYS_rmdir
        | libc::SYS_mkdir
        | libc::SYS_creat
        | libc::SYS_truncate => named(here, arguments[0]),
        libc::SYS_symlinkat => named(arguments[1], arguments[2]),
        libc::SYS_mknodat => named(arguments[0], arguments[1]),
        libc::SYS_fallocate => open(thread, arguments[0]),
        libc::SYS_copy_file_range => open(thread, arguments[2]),
        _ => return false,
    };
    // The volume itself was there before.
    path.is_some_and(|path| path.starts_with(volume) && path != volume)
}

/// Whether a call that opens something makes it too.
fn creates(thread: Thread, number: i64, arguments: &[u64; 6]) -> bool {
    let flags = match number {
        libc::SYS_openat => arguments[2],
        // The first field of `open_how`.
        _ => memory::slices(thread, arguments[2], 1).first().map_or(0, |(flags, _)| *flags),
    };
    flags & libc::O_CREAT as u64 != 0
}

/// The path of an open file.
pub fn open(thread: Thread, file: u64) -> Option<PathBuf> {
    let link = if file as i32 == libc::AT_FDCWD { "cwd".to_owned() } else { format!("fd/{}", file as i32) };
    fs::read_link(format!("/proc/{thread}/{link}")).ok()
}

/// A path from an open directory.
pub fn at(thread: Thread, directory: u64, name: &str) -> Option<PathBuf> {
    if name.starts_with('/') { Some(PathBuf::from(name)) } else { Some(open(thread, directory)?.join(name)) }
}
