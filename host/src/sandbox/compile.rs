//! How guests are compiled: one file for the build script, which compiles the
//! built-in guest ahead of time, and for the host, which loads it. Code made
//! with other settings than these is refused when it is loaded.

use wasmtime::{Config, InstanceAllocationStrategy, ModuleVersionStrategy, Result};

/// What one linear memory may grow to, and the address space set aside for it.
/// Far below wasmtime's 4 GiB, so that a thousand instances fit where address
/// space is scarce; every access is checked in code instead, which a guest
/// that only decides does not feel.
pub const MEMORY_RESERVATION: u64 = 64 << 20;

/// The wasmtime that this host is built with. Its own check compares the major
/// version only.
const WASMTIME: &str = "48.0.8";

/// The settings that decide how code is made. `target` is the triple to
/// compile for, with no more than its baseline instructions; none means this
/// very machine.
pub fn settings(target: Option<&str>) -> Result<Config> {
    let mut config = Config::new();
    if let Some(target) = target {
        config.target(target)?;
    }
    config
        .module_version(ModuleVersionStrategy::Custom(format!(
            "skerry {} wasmtime {WASMTIME}",
            env!("CARGO_PKG_VERSION")
        )))?
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .epoch_interruption(true)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_reservation_for_growth(0)
        .memory_guard_size(64 << 10)
        .memory_may_move(false)
        .guard_before_linear_memory(false)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        // Surface that no guest of ours needs.
        .concurrency_support(false)
        .gc_support(false)
        .shared_memory(false);
    Ok(config)
}
