//! What the author of a policy needs: a policy is one trait and one macro.
//!
//! ```
//! use serde::Deserialize;
//! use skerry_sdk::{Event, Failed, Happening, Host, Principal, Ruling, StoragePolicy};
//!
//! /// Uploads have a declared length, and not too large a one.
//! struct Sizes {
//!     most: u64,
//! }
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     most: u64,
//! }
//!
//! impl StoragePolicy for Sizes {
//!     type Settings = Settings;
//!
//!     fn new(settings: Settings) -> Result<Self, Failed> {
//!         if settings.most == 0 { Err("`most` is 0: nothing could be pushed".into()) } else { Ok(Self { most: settings.most }) }
//!     }
//!
//!     fn admit(&self, _: &dyn Host, _: Option<&Principal>, event: &Event) -> Result<Ruling, Failed> {
//!         Ok(match event.action {
//!             Happening::UploadStart(Some(length)) if length > self.most => {
//!                 Ruling::deny(format!("{length} bytes are more than the {} that go in here", self.most))
//!             }
//!             _ => Ruling::allow(),
//!         })
//!     }
//! }
//!
//! skerry_sdk::storage_policy!(Sizes);
//!
//! // The same logic, natively.
//! use skerry_sdk::memory::Memory;
//! let event = Event { repository: "a".into(), action: Happening::UploadStart(Some(11)) };
//! let ruling = skerry_sdk::admit::<Sizes>(&Memory::new(r#"{"most": 10}"#), None, &event)?;
//! assert!(matches!(ruling, Ruling::Deny(denial) if denial.message.starts_with("11 bytes")));
//! # Ok::<(), Failed>(())
//! ```
//!
//! In `Cargo.toml`: `crate-type = ["cdylib"]`. Then
//! `cargo build --release --target wasm32-wasip2` makes the component, and the
//! registry runs it by
//!
//! ```yaml
//! policies:
//! - name: sizes
//!   module: /etc/skerry/sizes.wasm
//!   settings:
//!     most: 1000000000
//! ```
//!
//! The host starts a fresh instance for each request, so a policy keeps nothing
//! between two of them; what it may look at comes by [`Host`]. A new value of
//! an auth policy is made for each instance, which may be asked a few questions
//! about one request. It cannot fail open: an error, a panic and settings that
//! are wrong deny the request with 503 and a line in the log, unless the
//! operator chose otherwise (`on_failure`).

mod auth;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod component;
mod facts;
mod failed;
pub mod glob;
mod host;
mod identity;
#[cfg(not(target_family = "wasm"))]
pub mod memory;
mod retention;
mod storage;

pub use self::{
    auth::{
        AuthPolicy, Certificate, Challenge, Client, Credential, Decision, Evidence, Identity, Outcome, Refusal,
        authenticate, authorize, challenges, check_auth, knows_by,
    },
    facts::{FactFailure, Facts, Referrer, StoredManifest, Tag, TagPage, Usage},
    failed::Failed,
    glob::Glob,
    host::{Clock, FileFailure, Files, Host, Log, Secrets, Settings},
    identity::{Access, Action, Principal},
    retention::{Departure, Retention, RetentionPolicy, TagFacts, retain},
    storage::{
        Blob, Concern, Denial, Event, Happening, Manifest, ManifestDelete, Mount, Ruling, StoragePolicy, TagDelete,
        TagMove, admit, check_storage, concerns,
    },
};

/// Makes a component of the world `auth-policy` of an [`AuthPolicy`]. It does
/// nothing natively, so that the crate can be tested as it is.
#[macro_export]
macro_rules! auth_policy {
    ($policy:ty) => {
        #[cfg(target_family = "wasm")]
        #[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
        mod skerry_component {
            use super::*;
            type Component = $crate::component::auth::Component<$policy>;
            $crate::component::auth::wit::export_auth_policy!(Component with_types_in $crate::component::auth::wit);
        }
    };
}

/// Makes a component of the world `storage-policy` of a [`StoragePolicy`]. It
/// does nothing natively, so that the crate can be tested as it is.
#[macro_export]
macro_rules! storage_policy {
    ($policy:ty) => {
        #[cfg(target_family = "wasm")]
        #[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
        mod skerry_component {
            use super::*;
            type Component = $crate::component::storage::Component<$policy>;
            $crate::component::storage::wit::export_storage_policy!(Component with_types_in $crate::component::storage::wit);
        }
    };
}

/// Makes a component of the world `retention-policy` of a [`RetentionPolicy`].
/// It does nothing natively, so that the crate can be tested as it is.
#[macro_export]
macro_rules! retention_policy {
    ($policy:ty) => {
        $crate::storage_policy!($policy);
        #[cfg(target_family = "wasm")]
        #[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
        mod skerry_retention {
            use super::*;
            type Component = $crate::component::retention::Component<$policy>;
            $crate::component::retention::wit::export_retention!(Component with_types_in $crate::component::retention::wit);
        }
    };
}
