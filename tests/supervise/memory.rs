//! The memory of a thread that stands still.

use std::{fs, io, os::unix::fs::FileExt as _};

use super::ptrace::Thread;

/// Bytes of the longest path.
const PATH: usize = 4096;
/// Slices of one write.
const SLICES: usize = 1024;

fn open(thread: Thread) -> io::Result<fs::File> {
    fs::File::options().read(true).write(true).open(format!("/proc/{thread}/mem"))
}

/// `count` bytes.
pub fn bytes(thread: Thread, address: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    open(thread)?.read_exact_at(&mut bytes, address)?;
    Ok(bytes)
}

/// Up to `count` bytes.
pub fn some(thread: Thread, address: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = open(thread).and_then(|memory| memory.read_at(&mut bytes, address)).unwrap_or(0);
    bytes.truncate(read);
    bytes
}

/// The text that ends with a zero.
pub fn text(thread: Thread, address: u64) -> Option<String> {
    let mut bytes = some(thread, address, PATH);
    bytes.truncate(bytes.iter().position(|byte| *byte == 0)?);
    String::from_utf8(bytes).ok()
}

/// A list of slices (`iovec`): addresses and lengths.
pub fn slices(thread: Thread, address: u64, count: u64) -> Vec<(u64, u64)> {
    let count = usize::try_from(count).map_or(SLICES, |count| count.min(SLICES));
    let bytes = some(thread, address, count * 16);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    bytes.chunks_exact(16).map(|slice| (number(&slice[..8]), number(&slice[8..]))).collect()
}

/// Overwrites a number.
pub fn put(thread: Thread, address: u64, number: u64) {
    // One that was killed meanwhile needs it no more.
    let _ = open(thread).and_then(|memory| memory.write_all_at(&number.to_le_bytes(), address));
}
