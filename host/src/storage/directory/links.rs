//! Symbolic links that would hide a part of the volume, found at start.
//!
//! No link is followed that was not allowed, so a volume whose upper
//! directories are links to another disk would look empty. That is said at
//! once rather than found out by the first pull.

use std::collections::VecDeque;

use rustix::{
    fs::{AtFlags, Dir, FileType, readlinkat, statat},
    io::Errno,
};

use super::{
    errors::failure,
    tree::{Place, Tree},
};
use crate::storage::{
    Failure, Key,
    key::{self, HOST_SEGMENT},
};

/// A link is looked for in directories above this depth; volumes are laid out
/// over disks near the root.
const DEPTH: usize = 4;
/// Names looked at in all, and in one directory: more of them are content.
const NAMES: usize = 256;
const NAMES_EACH: usize = 64;

/// Fails if a directory near the root is a link that is not allowed.
pub(super) fn check(tree: &Tree) -> Result<(), Failure> {
    let mut left = NAMES;
    let mut queue: VecDeque<Place> = VecDeque::from([None]);
    while let Some(place) = queue.pop_front() {
        // What cannot be read is found out by whoever asks for it.
        let Ok(directory) = tree.directory(place.as_ref()) else { continue };
        let Ok(entries) = Dir::read_from(&directory) else { continue };
        let depth = place.as_ref().map_or(0, |key| key.segments().count());
        for entry in entries.flatten().take(NAMES_EACH.min(left)) {
            left -= 1;
            let Some(key) = entry.file_name().to_str().ok().and_then(|name| child(&place, name)) else { continue };
            let kind = match entry.file_type() {
                // Filesystems that do not say it in the listing.
                FileType::Unknown => match statat(&directory, key.name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                known => known,
            };
            let allowed = tree.is_link(&key);
            if kind == FileType::Symlink && !allowed && leads_to_directory(&directory, key.name()) {
                let target = readlinkat(&directory, key.name(), Vec::new()).unwrap_or_default();
                return Err(Failure::Other(format!(
                    "`{key}` is a symbolic link to `{}`, and links are not followed: add `{key}` to \
                     storage.filesystem.symlinks, or mount that directory in the link's place",
                    target.to_string_lossy().escape_debug()
                )));
            }
            if (kind == FileType::Directory || allowed) && depth + 1 < DEPTH {
                queue.push_back(Some(key));
            }
        }
    }
    Ok(())
}

/// The first symbolic link anywhere below the root that is not allowed, or
/// what is there and cannot be looked at: for work that removes what it finds
/// no use of, and must know that it saw every use.
pub(super) fn unseen(tree: &Tree) -> Result<Option<Key>, Failure> {
    let mut found = None;
    walk(tree, &mut |key, kind| {
        found = (kind == FileType::Symlink).then_some(key);
        found.is_none()
    })?;
    Ok(found)
}

/// Up to `most` things anywhere below the root that are neither files nor
/// directories, nor links that are allowed.
pub(super) fn others(tree: &Tree, most: usize) -> Result<Vec<Key>, Failure> {
    let mut found = Vec::new();
    walk(tree, &mut |key, _| {
        found.push(key);
        found.len() < most
    })?;
    Ok(found)
}

/// Tells `visit` of all that is neither a file, nor a directory, nor a link
/// that is allowed, until it has enough.
fn walk(tree: &Tree, visit: &mut dyn FnMut(Key, FileType) -> bool) -> Result<(), Failure> {
    let mut left: Vec<Place> = vec![None];
    while let Some(place) = left.pop() {
        let failed = |errno| failure(errno, "looking for symbolic links");
        let directory = match tree.directory(place.as_ref()) {
            Ok(directory) => directory,
            // Removed meanwhile.
            Err(Errno::NOENT) if place.is_some() => continue,
            Err(errno) => return Err(failed(errno)),
        };
        for entry in Dir::read_from(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(key) = entry.file_name().to_str().ok().and_then(|name| child(&place, name)) else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => match statat(&directory, key.name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(failed(errno)),
                },
                known => known,
            };
            match kind {
                FileType::RegularFile => {}
                FileType::Directory => left.push(Some(key)),
                FileType::Symlink if tree.is_link(&key) => left.push(Some(key)),
                other if !visit(key, other) => return Ok(()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A name in a directory as a key; not what is no key, or the host's own.
fn child(place: &Place, name: &str) -> Option<Key> {
    if !key::is_segment(name) || name == HOST_SEGMENT {
        return None;
    }
    match place {
        Some(above) => above.join(name).ok(),
        None => Key::parse(name).ok(),
    }
}

/// A link to nothing counts: the disk may not be mounted.
fn leads_to_directory(directory: impl std::os::fd::AsFd, name: &str) -> bool {
    match statat(directory, name, AtFlags::empty()) {
        Ok(stat) => FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
        Err(errno) => errno == Errno::NOENT,
    }
}
