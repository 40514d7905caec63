//! The long run of one target.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| skerry_fuzz::acme(bytes));
