//! Removing a directory with all that is in it, following nothing.

use std::{
    ffi::CString,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat},
    io::Errno,
};

use super::errors::failure;
use crate::storage::Failure;

/// Deeper than any key is; what is deeper stays.
const MAX_DEPTH: usize = 600;

/// Removes the directory (or file) `name` in `parent`. Returns whether it is
/// all gone: after `budget` removals it stops half way, to be called again.
pub(super) fn tree(parent: impl AsFd, name: &str, mut budget: u64) -> Result<bool, Failure> {
    let failed = |errno: Errno| failure(errno, "removing a directory");
    let top = parent.as_fd().try_clone_to_owned().map_err(|error| Failure::Io(error.to_string()))?;
    // The way down to the directory that is being emptied.
    let name = CString::new(name).map_err(|_| Failure::WrongKind)?;
    let mut way: Vec<(OwnedFd, CString)> = vec![(top, name)];
    while let Some((above, name)) = way.last() {
        if budget == 0 {
            return Ok(false);
        }
        budget -= 1;
        match unlinkat(above, name.as_c_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {
                way.pop();
                continue;
            }
            Err(Errno::NOTDIR) => {
                match unlinkat(above, name.as_c_str(), AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => way.pop(),
                    Err(errno) => return Err(failed(errno)),
                };
                continue;
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        if way.len() > MAX_DEPTH {
            return Err(Failure::TooLarge(MAX_DEPTH as u64));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(above, name.as_c_str(), flags, Mode::empty()).map_err(failed)?;
        let mut inner = None;
        for entry in Dir::read_from(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if budget == 0 {
                return Ok(false);
            }
            match unlinkat(&directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => budget -= 1,
                Err(Errno::ISDIR | Errno::PERM) => {
                    inner = Some(name.to_owned());
                    break;
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
        if let Some(inner) = inner {
            way.push((directory, inner));
        }
    }
    Ok(true)
}
