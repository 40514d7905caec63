//! Machine code in memory: the built-in module runs where the kernel mapped it
//! with this program, without a copy of its own, so that only the pages that
//! are used take memory, and a start does not touch the rest.

use std::{ffi::c_void, sync::Arc};

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{Config, CustomCodeMemory, Result};

/// A page, as compiled code is aligned to it.
const PAGE: usize = 4096;

/// Bytes that begin where a page does.
#[repr(C, align(4096))]
pub struct Aligned<T: ?Sized>(pub T);

/// Makes pages executable that are never written to: those of this program as
/// well as those that wasmtime filled.
struct Pages;

impl CustomCodeMemory for Pages {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, start: *const u8, length: usize) -> Result<()> {
        // SAFETY: wasmtime passes whole pages of compiled code, which nobody
        // writes to from now on: its own, or constants of this program.
        #[allow(unsafe_code, reason = "code that is to run must be executable")]
        unsafe {
            mprotect(start.cast_mut().cast::<c_void>(), length, MprotectFlags::READ | MprotectFlags::EXEC)?;
        }
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> Result<()> {
        // Wasmtime's own pages are unmapped next. Those of this program may
        // run for another engine.
        Ok(())
    }
}

/// Whether code can run where it lies. Elsewhere pages may be larger, or
/// branches protected by their flags.
pub const IN_PLACE: bool = cfg!(target_arch = "x86_64");

/// Has an engine run code where it lies.
pub fn in_place(settings: &mut Config) {
    if IN_PLACE {
        settings.with_custom_code_memory(Some(Arc::new(Pages)));
    }
}
