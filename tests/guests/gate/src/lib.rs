//! A storage policy, made from the WIT alone. It is about what the setting
//! `concerns` or the file of that name says (`trap` and `flood` are ways not to say
//! it), and lets through what is not called `closed`; it fails of what is called
//! `broken`, and warns of what is called `old`.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "storage-policy", generate_all });

use exports::skerry::registry::storage_rules::{Concern, Event, Guest, Principal, Ruling};
use skerry::registry::{
    files, settings,
    storage_policy_types::{Denial, Happening},
};

struct Gate;
export!(Gate);

impl Guest for Gate {
    fn check() -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn concerns() -> Vec<Concern> {
        let file = || String::from_utf8(files::read("concerns", 1 << 10).unwrap_or_default()).unwrap_or_default();
        let named = settings::value("concerns").unwrap_or_else(file);
        assert!(!named.contains("\"trap\""), "it is about nothing that can be said");
        if named.contains("\"flood\"") {
            return vec![Concern::Pull; 10_000];
        }
        let all = [
            ("manifest-push", Concern::ManifestPush),
            ("blob-push", Concern::BlobPush),
            ("upload-start", Concern::UploadStart),
            ("mount", Concern::Mount),
            ("tag-move", Concern::TagMove),
            ("manifest-delete", Concern::ManifestDelete),
            ("blob-delete", Concern::BlobDelete),
            ("tag-delete", Concern::TagDelete),
            ("pull", Concern::Pull),
        ];
        all.into_iter().filter(|(name, _)| named.contains(&format!("\"{name}\""))).map(|(_, concern)| concern).collect()
    }

    fn admit(_: Option<Principal>, event: Event) -> Ruling {
        let (kind, names) = match event.action {
            Happening::ManifestPush(manifest) => ("manifest-push", manifest.tags),
            Happening::BlobPush(_) => ("blob-push", Vec::new()),
            Happening::UploadStart(_) => ("upload-start", Vec::new()),
            Happening::Mount(_) => ("mount", Vec::new()),
            Happening::TagMove(moved) => ("tag-move", vec![moved.tag]),
            Happening::ManifestDelete(gone) => ("manifest-delete", gone.tags),
            Happening::BlobDelete(_) => ("blob-delete", Vec::new()),
            Happening::TagDelete(gone) => ("tag-delete", vec![gone.tag]),
            Happening::Pull(manifest) => ("pull", manifest.tags),
        };
        let called = |name: &str| names.iter().any(|tag| tag == name) || event.repository.ends_with(name);
        assert!(!called("broken"), "a secret of the policy");
        if called("closed") {
            let message = format!("{kind} of {}: closed to you", event.repository);
            return Ruling::Deny(Denial { code: "DENIED".to_owned(), status: 0, message });
        }
        Ruling::Allow(if called("old") { vec![format!("{kind}: it is old")] } else { Vec::new() })
    }
}
