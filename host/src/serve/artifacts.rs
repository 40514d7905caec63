//! Modules that the configuration names as artifacts: by their digest, from
//! where they were kept, from the volume itself, or from their registry.

use std::{
    collections::HashMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use cap_fs_ext::DirExt;
use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions},
};

use super::{ServeError, map};
use crate::{
    config::{Config, ModuleAt, PolicyModule},
    oci::{Client, Credentials, LARGEST_MANIFEST, LARGEST_MODULE, Layer, Reference, Trust},
    sandbox::{ModuleFile, Prepared, Sandbox},
    storage::{Digest, Directory, HOST_SEGMENT},
};

/// Where they are kept, in the host's own directory: as the manifest and the
/// module, each verified whenever it is read. Not beside compiled code, of which
/// what was not used for long goes.
const KEPT: &str = "artifacts";

/// What artifacts hold, by what the configuration calls them.
#[derive(Default)]
pub struct Artifacts(HashMap<String, Bytes>);

impl Artifacts {
    /// Gets all that the configuration names and that is not a file.
    pub async fn of(config: &Config, storage: &Arc<Directory>) -> Result<Self, ServeError> {
        Self::gather(config, storage, named(config)).await
    }

    /// The same, of the registry module alone.
    pub async fn of_registry(config: &Config, storage: &Arc<Directory>) -> Result<Self, ServeError> {
        Self::gather(config, storage, registry(config)).await
    }

    /// Those alone that a configuration names.
    pub fn only(&self, config: &Config) -> Self {
        let has = |name: &String| Some((name.clone(), self.0.get(name)?.clone()));
        Self(named(config).filter_map(has).collect())
    }

    /// These, and what another configuration names beside them.
    pub async fn and(&self, config: &Config, storage: &Arc<Directory>) -> Result<Self, ServeError> {
        let known = Self(self.0.clone());
        known.with(config, storage, named(config)).await
    }

    async fn gather(
        config: &Config,
        storage: &Arc<Directory>,
        names: impl Iterator<Item = &String>,
    ) -> Result<Self, ServeError> {
        Self::default().with(config, storage, names).await
    }

    async fn with(
        self,
        config: &Config,
        storage: &Arc<Directory>,
        names: impl Iterator<Item = &String>,
    ) -> Result<Self, ServeError> {
        let mut artifacts = self;
        for name in names {
            if !artifacts.0.contains_key(name) {
                let module = get(config, storage, name).await;
                let module = module.map_err(|cause| ServeError::Artifact { name: name.clone(), cause })?;
                artifacts.0.insert(name.clone(), module);
            }
        }
        Ok(artifacts)
    }

    /// The module of one of them. Nothing that is compiled is taken from a
    /// registry, whatever else is pinned.
    pub fn file(&self, config: &Config, name: &str) -> ModuleFile {
        let bytes = self.0.get(name).map(|bytes| bytes.to_vec()).unwrap_or_default();
        ModuleFile { pinned: Vec::new(), ..map::module_file(config, Path::new(name), bytes) }
    }
}

fn named(config: &Config) -> impl Iterator<Item = &String> {
    let policies = config.policies.iter().filter_map(|policy| match &policy.module {
        PolicyModule::Artifact(name) => Some(name),
        PolicyModule::BuiltIn(_) | PolicyModule::File(_) => None,
    });
    registry(config).chain(policies)
}

fn registry(config: &Config) -> impl Iterator<Item = &String> {
    config.sandbox.registry.iter().filter_map(|module| match module {
        ModuleAt::Artifact(name) => Some(name),
        ModuleAt::File(_) => None,
    })
}

async fn get(config: &Config, storage: &Arc<Directory>, name: &str) -> Result<Bytes, String> {
    let reference = Reference::parse(name)?;
    let digest = reference.pin().ok_or("it has no digest")?.clone();
    let kept = Kept::open(config);
    if let Some(module) = kept.as_ref().and_then(|kept| kept.find(&digest)) {
        return Ok(module);
    }
    let (manifest, module) = match own(config, storage, &reference, &digest).await {
        Some(found) => {
            tracing::info!(module = name, "taken from this registry's own storage");
            found
        }
        None => {
            let found = pull(config, &reference).await.map_err(|cause| {
                format!("{cause}; it is neither among those that were kept nor in this registry's own storage")
            })?;
            tracing::info!(module = name, bytes = found.1.len(), "pulled");
            found
        }
    };
    if let Some(kept) = kept
        && let Err(cause) = kept.keep(&digest, &manifest, &module)
    {
        tracing::warn!(module = name, %cause, "a module cannot be kept: it is pulled again at the next start");
    }
    Ok(module)
}

async fn pull(config: &Config, reference: &Reference) -> Result<(Bytes, Bytes), String> {
    let credentials = match credentials(config) {
        Some(path) => Credentials::read(&path)?,
        None => Credentials::default(),
    };
    let trust = Trust::Authorities(config.sandbox.oci.ca.as_deref());
    Client::new(reference, trust, &credentials)?.pull(reference).await
}

/// What is named, or what `docker login` of this user left.
fn credentials(config: &Config) -> Option<PathBuf> {
    if let Some(named) = &config.sandbox.oci.credentials {
        return Some(named.clone());
    }
    crate::oci::docker_config(|name| std::env::var_os(name))
}

/// From the volume, by the built-in registry module: who runs the registry
/// that policies come from would have to start it without them else.
async fn own(
    config: &Config,
    storage: &Arc<Directory>,
    reference: &Reference,
    digest: &Digest,
) -> Option<(Bytes, Bytes)> {
    let prepared = Prepared::new(map::limits(config), false).ok()?;
    let storage = Arc::clone(storage) as _;
    let sandbox = Sandbox::start(prepared, storage, Box::new(|_| None), (None, None), Vec::new(), None).await;
    let sandbox = sandbox.ok()?;
    let repository = &reference.repository;
    let read = async |path: String, most| sandbox.read_own(&path, most).await.ok().flatten();
    let manifest = read(format!("/v2/{repository}/manifests/{digest}"), LARGEST_MANIFEST).await?;
    let layer = Layer::of(&manifest).ok().filter(|_| Digest::of(digest.algorithm(), &manifest) == *digest)?;
    let module = read(format!("/v2/{repository}/blobs/{}", layer.digest), LARGEST_MODULE).await?;
    layer.verify(&module).ok()?;
    Some((manifest, module))
}

/// What was got before.
struct Kept(Dir);

impl Kept {
    fn open(config: &Config) -> Option<Self> {
        let root = Dir::open_ambient_dir(&config.storage.root, ambient_authority()).ok()?;
        let home = root.open_dir_nofollow(HOST_SEGMENT).ok()?;
        if !config.storage.read_only {
            // That it is there already is what opening it shows.
            let _ = home.create_dir_with(KEPT, DirBuilder::new().mode(0o700));
        }
        home.open_dir_nofollow(KEPT).ok().map(Self)
    }

    /// What is damaged counts as not there.
    fn find(&self, digest: &Digest) -> Option<Bytes> {
        let manifest = self.read(&format!("{}.json", digest.hex()), LARGEST_MANIFEST)?;
        if Digest::of(digest.algorithm(), &manifest) != *digest {
            return None;
        }
        let module = Bytes::from(self.read(&format!("{}.wasm", digest.hex()), LARGEST_MODULE)?);
        Layer::of(&manifest).ok()?.verify(&module).ok()?;
        Some(module)
    }

    fn read(&self, name: &str, most: u64) -> Option<Vec<u8>> {
        // A pipe would be waited for.
        if !self.0.symlink_metadata(name).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        self.0.open(name).ok()?.take(most).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn keep(&self, digest: &Digest, manifest: &[u8], module: &[u8]) -> std::io::Result<()> {
        for (kind, bytes) in [("wasm", module), ("json", manifest)] {
            let name = format!("{}.{kind}", digest.hex());
            let part = format!("{name}.part");
            let _ = self.0.remove_file(&part);
            let mut file = self.0.open_with(&part, OpenOptions::new().write(true).create_new(true))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            self.0.rename(&part, &self.0, &name)?;
        }
        Ok(())
    }
}
