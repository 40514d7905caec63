//! Files: read whole with a reason for every failure, written whole or not at
//! all.

use std::{
    ffi::OsString,
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rustix::io::Errno;

use super::error::TlsError;

const LARGEST: u64 = 1 << 20;
/// Links behind a path that are followed, as Linux itself does.
const LINKS: usize = 40;

/// The bytes of a regular file; it may be behind symbolic links, as mounted
/// secrets are.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let at = || path.to_owned();
    let metadata = fs::metadata(path).map_err(|error| missing(path, error))?;
    if metadata.is_dir() {
        return Err(TlsError::Directory(at()));
    }
    // Opening a pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(TlsError::NotRegular(at()));
    }
    let file = fs::File::open(path).map_err(|error| missing(path, error))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| TlsError::Unreadable(at(), error))?;
    match bytes.len() as u64 {
        0 => Err(TlsError::Empty(at())),
        length if length > LARGEST => Err(TlsError::TooLarge(at())),
        _ => Ok(bytes),
    }
}

fn missing(path: &Path, error: std::io::Error) -> TlsError {
    if error.kind() != ErrorKind::NotFound {
        return TlsError::Unreadable(path.to_owned(), error);
    }
    // Kubernetes has links to links: the one that leads nowhere is named.
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&at) else { break };
        let next = at.parent().unwrap_or(Path::new("/")).join(&target);
        if fs::symlink_metadata(&next).is_err() {
            return TlsError::Dangling(path.to_owned(), target);
        }
        at = next;
    }
    // The highest directory that is not there; it may itself be such a link.
    let gone = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty() && !above.exists()).last();
    match gone.map(|gone| (gone, fs::read_link(gone))) {
        Some((_, Ok(target))) => TlsError::Dangling(path.to_owned(), target),
        Some((gone, Err(_))) => TlsError::MissingDirectory(path.to_owned(), gone.to_owned()),
        None => TlsError::Missing(path.to_owned()),
    }
}

/// A directory that only its owner can enter.
pub(crate) fn private_directory(path: &Path) -> Result<(), TlsError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(TlsError::unwritable(parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(TlsError::Unwritable(path.to_owned(), error)),
        _ => Ok(()),
    }
}

/// Writes a file: whole and on the disk, or not at all.
pub(crate) fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), TlsError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // Same directory: a rename must not cross devices.
    // The dot: some directories have files that are named as hosts are.
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = directory.join(name);
    let attempt = || {
        // A leftover of a crash; callers hold the lock.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match fs::File::open(directory)?.sync_all().map_err(|error| (Errno::from_io_error(&error), error)) {
            // Some filesystems cannot sync a directory; the storage says so.
            Err((Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY), _)) => Ok(()),
            done => done.map_err(|(_, error)| error),
        }
    };
    attempt().map_err(TlsError::unwritable(path))
}

/// Held while the local authority's files are looked at and made, so that two
/// starts at once do not mix theirs.
pub(super) fn lock(directory: &Path) -> Result<fs::File, TlsError> {
    let path = directory.join("lock");
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(TlsError::unwritable(&path))?;
    file.lock().map_err(TlsError::unwritable(&path))?;
    Ok(file)
}
