//! What the clients are pointed at.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use skerry_tests::{
    Client, Peer, Registry,
    image::{Layout, Packing, digest_of, file_digest},
    layout, tools,
};
use tempfile::TempDir;

/// A registry, and a directory for what a client keeps.
pub struct Target {
    // Either is kept for its end.
    _ours: Option<Registry>,
    _peer: Option<Peer>,
    pub localhost: String,
    pub address: String,
    pub client: Client,
    pub ca: PathBuf,
    pub volume: PathBuf,
    directory: TempDir,
}

/// Whether the clients are to be tried on registry 3 instead of ours
/// (`SKERRY_CLIENTS_AGAINST=registry3`).
pub fn against_a_peer() -> bool {
    env::var_os("SKERRY_CLIENTS_AGAINST").is_some_and(|name| name == "registry3")
}

/// A tag of a repository, and what it must be.
pub struct Pushed<'a> {
    pub name: &'a str,
    pub tag: &'a str,
    pub digest: &'a str,
}

impl Target {
    /// Our own registry, or registry 3, to tell our mistakes from a client's.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("skerry-client-").tempdir().unwrap();
        let target = if against_a_peer() {
            let volume = directory.path().join("volume");
            fs::create_dir(&volume).unwrap();
            let peer = Peer::registry3(&volume);
            Self {
                _ours: None,
                localhost: peer.localhost(),
                address: peer.address().to_owned(),
                client: peer.client(),
                ca: peer.trust().ca.clone(),
                volume,
                _peer: Some(peer),
                directory,
            }
        } else {
            let ours = Registry::new();
            Self {
                localhost: ours.localhost(),
                address: ours.address().to_owned(),
                client: ours.client(),
                ca: ours.trust().ca.clone(),
                volume: ours.volume().to_owned(),
                _ours: Some(ours),
                _peer: None,
                directory,
            }
        };
        let certificates = target.path("certificates");
        fs::create_dir(&certificates).unwrap();
        fs::copy(&target.ca, certificates.join("ca.crt")).unwrap();
        fs::write(target.path("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
        fs::create_dir(target.path("home")).unwrap();
        fs::write(target.path("home").join("config.json"), "{}").unwrap();
        target
    }

    /// A path in the test's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A tool with a home of its own, which finds nothing of the machine's
    /// user, and trusts the test's authority alone where it is Go's own trust.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = tools::tool(name);
        command
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("home"))
            .env("DOCKER_CONFIG", self.path("home"))
            .env("SSL_CERT_FILE", &self.ca)
            .env("SSL_CERT_DIR", self.path("none"))
            .current_dir(self.directory.path());
        command
    }

    /// `localhost:port/name:tag`.
    pub fn reference(&self, name: &str, tag: &str) -> String {
        format!("{}/{name}:{tag}", self.localhost)
    }

    /// Fails unless what was pushed is what `from` holds.
    #[track_caller]
    pub fn check(&self, pushed: &Pushed<'_>, from: &Layout) {
        let Pushed { name, tag, digest } = *pushed;
        let head = self.client.head(&format!("/v2/{name}/manifests/{tag}")).expect(200);
        assert_eq!(head.header("docker-content-digest"), digest, "{name}:{tag}");
        let (manifests, blobs) = from.closure(digest);
        for digest in &manifests {
            let answer = self.client.get(&format!("/v2/{name}/manifests/{digest}")).expect(200);
            assert!(answer.body == fs::read(from.blob(digest)).unwrap(), "{name}@{digest}");
        }
        for digest in &blobs {
            let head = self.client.head(&format!("/v2/{name}/blobs/{digest}")).expect(200);
            let size = fs::metadata(from.blob(digest)).unwrap().len();
            assert_eq!(head.header("content-length"), size.to_string(), "{name}'s {digest}");
            assert_eq!(file_digest(&layout::blob(&self.volume, digest)), *digest);
        }
    }
}

/// An image for two machines: plain, gzip and zstd layers.
pub fn multi(directory: &Path, seed: u64) -> (Layout, String) {
    let layout = Layout::create(directory);
    let shared = layout.layer(Packing::Gzip, 300_000, seed);
    let amd = layout.image("amd64", &[shared.clone(), layout.layer(Packing::Zstd, 200_000, seed + 1)]);
    let arm = layout.image("arm64", &[shared, layout.layer(Packing::Tar, 100_000, seed + 2)]);
    let digest = layout.name("multi", &layout.index(&[amd, arm]));
    (layout, digest)
}

/// An image of many gzip layers.
pub fn many(directory: &Path, layers: u64, seed: u64) -> (Layout, String) {
    let layout = Layout::create(directory);
    let layers: Vec<_> = (0..layers).map(|n| layout.layer(Packing::Gzip, 50_000 + n * 1000, seed + n)).collect();
    let digest = layout.name("many", &layout.image("amd64", &layers));
    (layout, digest)
}

/// An image with a layer of 500 MB.
pub fn large(directory: &Path, seed: u64) -> (Layout, String) {
    let layout = Layout::create(directory);
    let layers = [layout.layer(Packing::Gzip, 1000, seed), layout.layer(Packing::Tar, 500_000_000, seed + 1)];
    let digest = layout.name("large", &layout.image("amd64", &layers));
    (layout, digest)
}

/// The digest of the configuration in an image's manifest.
pub fn configuration(layout: &Layout, manifest: &str) -> String {
    let manifest: Value = serde_json::from_slice(&fs::read(layout.blob(manifest)).unwrap()).unwrap();
    digest_of(&manifest["config"])
}
