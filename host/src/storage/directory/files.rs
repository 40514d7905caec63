//! Bytes of open files.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use rustix::{
    fs::{Advice, Stat, fadvise, fstat},
    io::{Errno, ReadWriteFlags, pread, preadv2, pwrite, pwritev, retry_on_intr},
};

use super::{
    errors::{failure, looking},
    stamp,
    tree::{Tree, Wait},
};
use crate::storage::{Algorithm, Digest, Failure, Hasher, Key, Kind};

/// Buffers given to the kernel in one call; it takes no more than 1,024.
const MAX_SLICES: usize = 64;
/// How much is hashed or copied at a time.
const STEP: usize = 256 << 10;

/// That an open file is an object, and what else is known of it.
pub(super) fn object_stat(file: impl AsFd, key: &Key) -> Result<Stat, Failure> {
    let stat = fstat(file).map_err(|errno| failure(errno, key))?;
    match stamp::kind(&stat) {
        Some(Kind::Object) => Ok(stat),
        _ => Err(Failure::WrongKind),
    }
}

/// An object of at most `limit` bytes, on a thread that may block.
pub(super) fn whole(tree: &Tree, key: &Key, limit: u64) -> Result<(Bytes, OwnedFd, Stat), Failure> {
    let file = tree.object(key, Wait::Yes).map_err(|errno| looking(errno, key))?;
    let stat = object_stat(&file, key)?;
    let size = stamp::size(&stat);
    if size > limit {
        return Err(Failure::TooLarge(size));
    }
    let bytes = read_whole(&file, size).map_err(|errno| failure(errno, key))?;
    Ok((bytes, file, stat))
}

/// The first `size` bytes; fewer if the file was cut meanwhile.
pub(super) fn read_whole(file: impl AsFd, size: u64) -> Result<Bytes, Errno> {
    let mut buffer = vec![0; usize::try_from(size).map_err(|_| Errno::NOMEM)?];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match retry_on_intr(|| pread(&file, &mut *rest, filled as u64))? {
            0 => break,
            n => filled += n,
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

/// As [`read_whole`], if it can be had without waiting; `EAGAIN` if not.
pub(super) fn read_ready(file: impl AsFd, size: u64) -> Result<Bytes, Errno> {
    let size = usize::try_from(size).map_err(|_| Errno::NOMEM)?;
    let read = chunk_ready(&file, 0, size)?;
    // Only part of it was at hand, or the file was cut: let the other way see.
    if read.len() < size { Err(Errno::AGAIN) } else { Ok(read) }
}

/// Up to `max` bytes at `offset` that are at hand; `EAGAIN` if none are, also
/// where the filesystem cannot tell.
pub(super) fn chunk_ready(file: impl AsFd, offset: u64, max: usize) -> Result<Bytes, Errno> {
    let mut buffer = vec![0; max];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut buffer)], offset, ReadWriteFlags::NOWAIT);
    match read {
        Ok(read) => {
            buffer.truncate(read);
            Ok(buffer.into())
        }
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Err(Errno::AGAIN),
        Err(errno) => Err(errno),
    }
}

/// Up to `max` bytes at `offset`; none at the end.
pub(super) fn chunk(file: impl AsFd, offset: u64, max: usize) -> Result<Bytes, Errno> {
    let mut buffer = vec![0; max];
    let read = retry_on_intr(|| pread(&file, buffer.as_mut_slice(), offset))?;
    buffer.truncate(read);
    Ok(buffer.into())
}

/// Writes all of `bytes` at the start of a file.
pub(super) fn write_whole(file: impl AsFd, bytes: &[u8]) -> Result<(), Errno> {
    write_at(file, bytes, 0)
}

fn write_at(file: impl AsFd, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| pwrite(&file, bytes, offset))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// Writes all of `batch` at `offset`.
pub(super) fn write_batch(file: impl AsFd, batch: &[Bytes], mut offset: u64) -> Result<(), Errno> {
    for part in batch.chunks(MAX_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = part.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let written = retry_on_intr(|| pwritev(&file, rest, offset))?;
            if written == 0 {
                return Err(Errno::IO);
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    Ok(())
}

/// Hashes the first `size` bytes. `stop` is asked now and then.
pub(super) fn hash(file: impl AsFd, size: u64, hasher: &mut Hasher, stop: &dyn Fn() -> bool) -> Result<(), Errno> {
    steps(file, size, &mut |bytes, _| {
        hasher.update(bytes);
        if stop() { Err(Errno::CANCELED) } else { Ok(()) }
    })
}

/// The digest of the first `size` bytes, which are counted in `hashed` as it
/// goes on.
pub(super) fn digest(file: impl AsFd, size: u64, algorithm: Algorithm, hashed: &AtomicU64) -> Result<Digest, Errno> {
    // Only advice: there are filesystems that take none.
    let _ = fadvise(&file, 0, None, Advice::Sequential);
    let mut hasher = Hasher::new(algorithm);
    steps(file, size, &mut |bytes, _| {
        hasher.update(bytes);
        hashed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    })?;
    Ok(hasher.digest())
}

/// Copies the first `size` bytes.
pub(super) fn copy(from: impl AsFd, to: impl AsFd, size: u64) -> Result<(), Errno> {
    steps(from, size, &mut |bytes, offset| write_at(&to, bytes, offset))
}

/// What is done with some bytes and their offset.
type Each<'a> = dyn FnMut(&[u8], u64) -> Result<(), Errno> + 'a;

fn steps(file: impl AsFd, size: u64, each: &mut Each<'_>) -> Result<(), Errno> {
    let mut buffer = vec![0; STEP];
    let mut offset = 0;
    while offset < size {
        let most = usize::try_from(size - offset).map_or(STEP, |left| left.min(STEP));
        let read = retry_on_intr(|| pread(&file, buffer.get_mut(..most).unwrap_or_default(), offset))?;
        if read == 0 {
            // Cut by somebody else.
            return Err(Errno::STALE);
        }
        each(buffer.get(..read).unwrap_or_default(), offset)?;
        offset += read as u64;
    }
    Ok(())
}
