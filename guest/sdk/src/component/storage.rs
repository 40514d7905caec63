//! The exports of the world `storage-policy`.

use std::marker::PhantomData;

use self::wit::{
    exports::skerry::registry::storage_rules as exported,
    skerry::registry::storage_policy_types::{self as types},
};
use super::{Imports, answered};
use crate::storage::{
    Blob, Concern, Happening, Manifest, ManifestDelete, Mount, Ruling, StoragePolicy, TagDelete, TagMove,
};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "storage-policy",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_storage_policy",
    });
}

/// A policy as a component.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: StoragePolicy> exported::Guest for Component<P> {
    fn check() -> Result<Vec<String>, String> {
        crate::check_storage::<P>(&Imports).map_err(|failed| failed.to_string())
    }

    fn concerns() -> Vec<exported::Concern> {
        answered(crate::concerns::<P>(&Imports)).into_iter().map(Into::into).collect()
    }

    fn admit(principal: Option<exported::Principal>, event: exported::Event) -> exported::Ruling {
        let principal = principal.map(|principal| crate::Principal {
            subject: principal.subject,
            groups: principal.groups,
            claims: principal.claims,
        });
        let event = crate::Event { repository: event.repository, action: event.action.into() };
        match answered(crate::admit::<P>(&Imports, principal.as_ref(), &event)) {
            Ruling::Allow(warnings) => exported::Ruling::Allow(warnings),
            Ruling::Deny(denial) => exported::Ruling::Deny(types::Denial {
                code: denial.code,
                status: denial.status.unwrap_or_default(),
                message: denial.message,
            }),
        }
    }
}

impl From<types::Happening> for Happening {
    fn from(action: types::Happening) -> Self {
        match action {
            types::Happening::ManifestPush(manifest) => Self::ManifestPush(manifest.into()),
            types::Happening::BlobPush(blob) => Self::BlobPush(Blob { digest: blob.digest, size: blob.size }),
            types::Happening::UploadStart(length) => Self::UploadStart(length),
            types::Happening::Mount(mount) => {
                Self::Mount(Mount { digest: mount.digest, size: mount.size, source: mount.source })
            }
            types::Happening::TagMove(tag) => Self::TagMove(TagMove { tag: tag.tag, old: tag.old, new: tag.new }),
            types::Happening::ManifestDelete(gone) => {
                Self::ManifestDelete(ManifestDelete { digest: gone.digest, tags: gone.tags })
            }
            types::Happening::BlobDelete(digest) => Self::BlobDelete(digest),
            types::Happening::TagDelete(gone) => Self::TagDelete(TagDelete { tag: gone.tag, digest: gone.digest }),
            types::Happening::Pull(manifest) => Self::Pull(manifest.into()),
        }
    }
}

impl From<types::Manifest> for Manifest {
    fn from(manifest: types::Manifest) -> Self {
        Self {
            digest: manifest.digest,
            media_type: manifest.media_type,
            artifact_type: manifest.artifact_type,
            size: manifest.size,
            subject: manifest.subject,
            annotations: manifest.annotations,
            tags: manifest.tags,
            content: manifest.content,
        }
    }
}

impl From<Concern> for types::Concern {
    fn from(concern: Concern) -> Self {
        match concern {
            Concern::ManifestPush => Self::ManifestPush,
            Concern::BlobPush => Self::BlobPush,
            Concern::UploadStart => Self::UploadStart,
            Concern::Mount => Self::Mount,
            Concern::TagMove => Self::TagMove,
            Concern::ManifestDelete => Self::ManifestDelete,
            Concern::BlobDelete => Self::BlobDelete,
            Concern::TagDelete => Self::TagDelete,
            Concern::Pull => Self::Pull,
        }
    }
}
