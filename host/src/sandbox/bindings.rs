//! What `wit/` says, as Rust: types, the traits of the imports, and the call
//! of the exports. One module a world; what worlds share is one type.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated; the documentation is in wit/")]

pub mod registry {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "registry",
        imports: {
            "skerry:registry/request": trappable,
            "skerry:registry/settings": trappable,
            "skerry:registry/marks": trappable,
            "skerry:registry/last-use": trappable,
            "skerry:registry/body.length": trappable,
            "skerry:registry/admission.wanted": trappable,
            "skerry:registry/uploads.[method]upload.offset": trappable,
            default: async | trappable,
        },
        exports: { default: async },
        with: {
            "skerry:registry/uploads.upload": super::super::state::UploadSlot,
        },
    });
}

pub mod auth_policy {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "auth-policy",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "skerry:registry/identity": super::registry::skerry::registry::identity,
            "skerry:registry/settings": super::registry::skerry::registry::settings,
            "skerry:registry/types": super::registry::skerry::registry::types,
        },
    });
}

/// What a registry module may export beside its world.
pub mod telling {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package skerry:host;
            world inventory { export skerry:registry/inventory@0.1.0; }
        ",
        world: "skerry:host/inventory",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "skerry:registry/types": super::registry::skerry::registry::types,
        },
        additional_derives: [Clone, PartialEq],
    });
}

pub mod storage_policy {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "storage-policy",
        imports: { "skerry:registry/facts": async | trappable, default: trappable },
        exports: { default: async },
        with: {
            "skerry:registry/identity": super::registry::skerry::registry::identity,
            "skerry:registry/settings": super::registry::skerry::registry::settings,
            "skerry:registry/types": super::registry::skerry::registry::types,
            "skerry:registry/fact-types": super::telling::skerry::registry::fact_types,
            "skerry:registry/storage-policy-types": super::registry::skerry::registry::storage_policy_types,
            "skerry:registry/files": super::auth_policy::skerry::registry::files,
            "skerry:registry/secrets": super::auth_policy::skerry::registry::secrets,
        },
    });
}

/// What a storage policy may export beyond its world.
pub mod keeper {
    wasmtime::component::bindgen!({
        inline: "
            package skerry:host;

            world keeper {
                export skerry:registry/retention@0.1.0;
            }
        ",
        path: "../wit",
        exports: { default: async },
        with: {
            "skerry:registry/types": super::registry::skerry::registry::types,
            "skerry:registry/retention-types": super::registry::skerry::registry::retention_types,
        },
    });
}

pub use self::{
    auth_policy::{
        AuthPolicy, AuthPolicyPre,
        exports::skerry::registry::auth,
        skerry::registry::{files, secrets},
    },
    keeper::KeeperPre,
    registry::{
        Registry, RegistryPre,
        exports::skerry::registry::handler,
        skerry::registry::{
            access, admission, body, identity, last_use, marks, request, retention_types, settings, storage,
            storage_policy_types, types, uploads,
        },
    },
    storage_policy::{StoragePolicy, StoragePolicyPre, skerry::registry::facts},
    telling::{Inventory, InventoryPre, exports::skerry::registry::inventory, skerry::registry::fact_types},
};
