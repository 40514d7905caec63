//! Machine code in memory: the built-in module runs where the kernel mapped it
//! with this program, without a copy of its own, so that only the pages that
//! are used take memory, and a start does not touch the rest.

use std::{ffi::c_void, sync::Arc};

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{Config, CustomCodeMemory, Engine, Result, component::Component};

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
        // writes to from now on: its own, or those of `component`.
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

/// Has an engine run code where it lies.
pub fn in_place(settings: &mut Config) {
    // Elsewhere pages may be larger, or branches protected by their flags.
    if cfg!(target_arch = "x86_64") {
        settings.with_custom_code_memory(Some(Arc::new(Pages)));
    }
}

/// A component that the build script of this program compiled.
///
/// # Errors
/// It was compiled for another engine.
pub fn built_in(engine: &Engine, code: &'static Aligned<[u8]>) -> Result<Component> {
    if cfg!(target_arch = "x86_64") {
        // SAFETY: these bytes were made by the build script of this very
        // program with `Engine::precompile_component`, and are part of it:
        // they live as long as it does, and nothing writes to them.
        #[allow(unsafe_code, reason = "where native code of this program is taken over")]
        let component = unsafe { Component::deserialize_raw(engine, (&code.0).into()) };
        match component {
            Ok(component) => return Ok(component),
            // A system that allows no program to make its pages executable.
            Err(cause) => tracing::debug!("the built-in module does not run in place: {cause:#}"),
        }
    }
    copied(engine, &code.0)
}

/// The same, by a copy.
///
/// # Errors
/// It was compiled for another engine.
pub fn copied(engine: &Engine, code: &[u8]) -> Result<Component> {
    // SAFETY: these bytes were made by the build script of this very program
    // with `Engine::precompile_component`, and are part of it, packed or not.
    #[allow(unsafe_code, reason = "where native code of this program is taken over")]
    unsafe {
        Component::deserialize(engine, code)
    }
}
