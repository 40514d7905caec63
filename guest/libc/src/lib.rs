//! The few functions of libc that std calls in a module that opens no files.
//!
//! libc's own bring all that can lie behind a descriptor with them: terminals,
//! polling, the environment. Of each import that a module has, wasmtime looks
//! for the code whenever an instance begins, so those of std that are never
//! called are paid for all the same. With these in their place, what is written
//! goes to `wasi:cli/stderr`, and there is no environment.
//!
//! A module takes part by `use skerry_libc as _;`. One that reads or writes
//! files by WASI must not.

#[cfg(target_family = "wasm")]
mod functions;
