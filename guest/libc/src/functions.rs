//! By the names that std links against, with the help of what wasi-libc
//! declares in `wasi/wasip2.h`.

#![allow(unsafe_code, reason = "functions of C, which std calls as POSIX says")]

use std::{
    ffi::{c_char, c_int, c_void},
    mem::MaybeUninit,
    ptr, slice,
    sync::atomic::{AtomicI32, Ordering},
};

/// Bytes that `blocking-write-and-flush` takes at once.
const MOST: usize = 4096;

/// `struct iovec`.
#[repr(C)]
struct Part {
    start: *const u8,
    length: usize,
}

/// `streams_stream_error_t`.
#[repr(C)]
struct StreamError {
    tag: u8,
    error: i32,
}

unsafe extern "C" {
    safe fn stderr_get_stderr() -> i32;
    safe fn streams_borrow_output_stream(stream: i32) -> i32;
    fn streams_method_output_stream_blocking_write_and_flush(
        stream: i32,
        contents: *const Part,
        error: *mut MaybeUninit<StreamError>,
    ) -> bool;
}

/// Writes to the module's output, whichever descriptor this is: there are no
/// others.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(descriptor: c_int, start: *const c_void, length: usize) -> isize {
    let part = Part { start: start.cast(), length };
    // SAFETY: a caller of `write` has so many bytes there.
    unsafe { writev(descriptor, &raw const part, 1) }
}

/// The same, the first part that has any bytes: whoever calls calls again for
/// the others.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(_: c_int, parts: *const Part, count: c_int) -> isize {
    // SAFETY: a caller of `writev` has so many parts there.
    let parts = unsafe { slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
    let Some(part) = parts.iter().find(|part| part.length > 0) else { return 0 };
    // SAFETY: and so many bytes in each of them.
    output(unsafe { slice::from_raw_parts(part.start, part.length) })
}

/// Writes bytes, and says how many those were.
fn output(bytes: &[u8]) -> isize {
    static STDERR: AtomicI32 = AtomicI32::new(0);
    if STDERR.load(Ordering::Relaxed) == 0 {
        STDERR.store(stderr_get_stderr(), Ordering::Relaxed);
    }
    let stream = streams_borrow_output_stream(STDERR.load(Ordering::Relaxed));
    let bytes = bytes.get(..MOST).unwrap_or(bytes);
    let part = Part { start: bytes.as_ptr(), length: bytes.len() };
    // SAFETY: both pointers are to what lives here. What cannot be written is
    // lost, as there is nobody who could be told.
    unsafe {
        streams_method_output_stream_blocking_write_and_flush(stream, &raw const part, &mut MaybeUninit::uninit())
    };
    isize::try_from(bytes.len()).unwrap_or(isize::MAX)
}

/// There is no environment.
#[unsafe(no_mangle)]
extern "C" fn getenv(_: *const c_char) -> *mut c_char {
    ptr::null_mut()
}

/// Ends the instance.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    core::arch::wasm32::unreachable()
}
