//! `limits`, `sandbox` and `remember`: numbers, each within a range that makes
//! sense.

use std::{path::PathBuf, time::Duration};

use super::{
    model::{Limits, ModuleAt, Oci, Preopen, Remember, Sandbox},
    node::Node,
    policies::{ARTIFACT, preopen},
    read::{DAY, MIB, MOST, Reader},
    report::Shown,
};

impl Reader<'_> {
    pub(super) fn limits(&mut self) -> Limits {
        let (short, hour) = (Duration::from_millis(100), Duration::from_secs(3600));
        let limits = Limits {
            connections: native(self.number("limits.connections", 1, 1_000_000)),
            connections_per_address: native(self.number("limits.connections_per_address", 1, 1_000_000)),
            handshakes: native(self.number("limits.handshakes", 1, 1_000_000)),
            handshake_time: self.time("limits.handshake_time", short, hour),
            head_time: self.time("limits.head_time", short, hour),
            head_bytes: native(self.size("limits.head_bytes", 8 << 10, MIB)),
            head_fields: native(self.number("limits.head_fields", 16, 10_000)),
            target_bytes: native(self.size("limits.target_bytes", 1 << 10, MIB)),
            keep_alive: self.time("limits.keep_alive", short, DAY),
            read_idle: self.time("limits.read_idle", short, DAY),
            write_idle: self.time("limits.write_idle", short, DAY),
            linger: self.time("limits.linger", Duration::ZERO, hour),
            manifest: self.size("limits.manifest", 1 << 10, 64 * MIB),
            blob: self.size("limits.blob", 1, i64::MAX as u64),
            body_in_memory: self.size("limits.body_in_memory", 1 << 10, 64 * MIB),
            object_in_memory: self.size("limits.object_in_memory", 1 << 10, 64 * MIB),
            answer: self.size("limits.answer", 64 << 10, 64 * MIB),
            uploads: native(self.number("limits.uploads", 1, 1_000_000)),
            idle_uploads: native(self.number("limits.idle_uploads", 0, 1_000_000)),
            idle_upload: self.time("limits.idle_upload", Duration::ZERO, DAY),
            staged_per_principal: self.size("limits.staged_per_principal", 0, i64::MAX as u64),
            listing_cache: self.size("limits.listing_cache", 0, 1 << 40),
            h1_buffer: native(self.size("limits.h1_buffer", 8 << 10, 64 * MIB)),
            h2_streams: small(self.number("limits.h2_streams", 1, 10_000)),
            h2_stream_window: small(self.size("limits.h2_stream_window", 64 << 10, 1 << 30)),
            h2_connection_window: small(self.size("limits.h2_connection_window", 64 << 10, 1 << 30)),
            h2_send_buffer: native(self.size("limits.h2_send_buffer", 16 << 10, 64 * MIB)),
            h2_pending_resets: native(self.number("limits.h2_pending_resets", 1, 10_000)),
            h2_local_resets: native(self.number("limits.h2_local_resets", 1, 10_000)),
            h2_ping: self.time("limits.h2_ping", Duration::from_secs(1), hour),
        };
        for (name, size) in [("body_in_memory", limits.body_in_memory), ("object_in_memory", limits.object_in_memory)] {
            if size < limits.manifest {
                let path = format!("limits.{name}");
                let manifest = self.at("limits.manifest");
                self.problem(
                    &path,
                    format!("`{path}` is less than `limits.manifest` ({manifest}): such manifests could not be read"),
                );
            }
        }
        limits
    }

    /// A list of `sha256:` digests.
    fn digests(&mut self, path: &str) -> Vec<String> {
        let items = self.root.find(path).map(Node::items).unwrap_or_default();
        let mut digests = Vec::new();
        for item in items.iter().filter_map(Node::text).take(MOST) {
            let hex = item.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                digests.push(item.to_owned());
            } else {
                let message =
                    format!("`{path}` is to list digests: `sha256:` and 64 hexadecimal digits, not `{}`", Shown(item));
                self.problem(path, message);
            }
        }
        digests
    }

    /// The name of a module that comes from a registry.
    pub(super) fn artifact(&mut self, path: &str, text: &str) -> String {
        let pinned = text.rsplit_once("@sha256:").is_some_and(|(_, hex)| {
            hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if !pinned {
            let message = format!(
                "`{path}`: `{}` is to be pinned by the digest of its manifest, oci://registry/repository@sha256:…, as \
                 `skerry guest push` prints it: whoever moves a tag would decide what runs here",
                Shown(text)
            );
            self.problem(path, message);
        }
        text.to_owned()
    }

    pub(super) fn sandbox(&mut self) -> Sandbox {
        let hour = Duration::from_secs(3600);
        let registry = self.text("sandbox.registry").to_owned();
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let preopen = preopen(self.text("sandbox.preopen"));
        if preopen == Some(Preopen::ReadWrite) && self.flag("storage.filesystem.exclusive") {
            // What it writes by itself is not noticed.
            self.problem(
                "sandbox.preopen",
                "`sandbox.preopen: rw` and `storage.filesystem.exclusive` contradict each other: the module would be \
                 another one who writes",
            );
        }
        Sandbox {
            registry: match registry.starts_with(ARTIFACT) {
                true => Some(ModuleAt::Artifact(self.artifact("sandbox.registry", &registry))),
                false => path(&registry).map(ModuleAt::File),
            },
            oci: Oci { ca: path(self.text("sandbox.oci.ca")), credentials: path(self.text("sandbox.oci.credentials")) },
            precompiled: self.digests("sandbox.precompiled"),
            preopen,
            // wasm32 has no more than 4 GiB.
            memory: self.size("sandbox.memory", MIB, 4096 * MIB),
            table_elements: native(self.number("sandbox.table_elements", 1 << 10, 10_000_000)),
            time: self.time("sandbox.time", Duration::from_millis(10), hour),
            storage_time: self.time("sandbox.storage_time", Duration::from_millis(100), hour),
            calls: small(self.number("sandbox.calls", 100, u64::from(u32::MAX))),
            bytes: self.size("sandbox.bytes", MIB, 1 << 40),
            instances: small(self.number("sandbox.instances", 1, 10_000)),
            parked: small(self.number("sandbox.parked", 1, 100_000)),
            parked_per_address: small(self.number("sandbox.parked_per_address", 1, 100_000)),
            parked_per_principal: small(self.number("sandbox.parked_per_principal", 1, 100_000)),
            asking: small(self.number("sandbox.asking", 1, 100_000)),
            asking_per_address: small(self.number("sandbox.asking_per_address", 1, 100_000)),
            queue: native(self.number("sandbox.queue", 0, 1_000_000)),
            queue_time: self.time("sandbox.queue_time", Duration::ZERO, hour),
            compile_time: self.time("sandbox.compile_time", Duration::from_secs(1), hour),
            compile_memory: self.size("sandbox.compile_memory", 64 * MIB, 1 << 40),
            recount: self.time("sandbox.recount", Duration::from_millis(10), 24 * hour),
        }
    }
}

impl Reader<'_> {
    pub(super) fn remember(&mut self) -> Option<Remember> {
        let remember = Remember {
            entries: native(self.number("remember.entries", 16, 100_000_000)),
            bytes: self.size("remember.bytes", 64 << 10, 1 << 40),
            answer: self.size("remember.answer", 1 << 10, 64 * MIB),
            age: self.time("remember.age", Duration::ZERO, DAY),
        };
        self.flag("remember.enabled").then_some(remember)
    }
}

/// A number that was checked to be smaller than the type's end.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn native(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
