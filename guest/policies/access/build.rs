//! Gives the component a small stack: a fresh instance answers each request,
//! and starting one costs what its memory costs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../../wit");
    let wasm = std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm");
    if wasm {
        println!("cargo:rustc-link-arg-cdylib=-zstack-size=131072");
    }
}
