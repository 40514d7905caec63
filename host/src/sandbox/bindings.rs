//! What `wit/` says, as Rust: types, the traits of the imports, and the call
//! of the exports.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated; the documentation is in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "registry",
    imports: {
        "skerry:registry/request": trappable,
        "skerry:registry/settings": trappable,
        "skerry:registry/marks": trappable,
        "skerry:registry/body.length": trappable,
        "skerry:registry/uploads.[method]upload.offset": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: {
        "skerry:registry/uploads.upload": super::state::UploadSlot,
    },
});

pub use self::skerry::registry::{body, marks, request, settings, storage, types, uploads};
pub use exports::skerry::registry::handler;
