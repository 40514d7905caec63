//! Where the host asks the module for room, in the middle of a call: the one
//! place where the host calls back.

use std::{
    alloc::{Layout, alloc, handle_alloc_error, realloc},
    sync::atomic::{AtomicU8, Ordering},
};

use crate::skerry::registry::request;

/// What is done the next time.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Mischief {
    Nothing,
    Loop,
    Call,
    Trap,
    Beyond,
}

static NEXT: AtomicU8 = AtomicU8::new(Mischief::Nothing as u8);

/// Has the host ask for room once more.
pub fn next(mischief: Mischief) -> String {
    NEXT.store(mischief as u8, Ordering::Relaxed);
    request::path()
}

/// As the canonical ABI wants it.
///
/// # Safety
/// `old` is nothing, or was given out by this function with these sizes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let next = NEXT.swap(Mischief::Nothing as u8, Ordering::Relaxed);
    if next == Mischief::Loop as u8 {
        crate::attacks::compute();
    }
    if next == Mischief::Call as u8 {
        request::method();
    }
    if next == Mischief::Trap as u8 {
        std::process::abort();
    }
    if next == Mischief::Beyond as u8 {
        return usize::MAX.wrapping_sub(15) as *mut u8;
    }
    if size == 0 {
        return align as *mut u8;
    }
    let (before, after) =
        (Layout::from_size_align(old_size, align).unwrap(), Layout::from_size_align(size, align).unwrap());
    // SAFETY: the caller's promise, and `size` is not 0.
    let given = unsafe { if old_size == 0 { alloc(after) } else { realloc(old, before, size) } };
    if given.is_null() {
        handle_alloc_error(after);
    }
    given
}
