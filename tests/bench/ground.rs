//! What is served: one volume in distribution's layout, written as distribution
//! would write it but without a registry, and the same files for nginx.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use skerry_tests::{
    authority::Authority,
    content::{CONFIG, IMAGE, LAYER, Noise, descriptor},
    layout, sha256,
};
use tempfile::TempDir;

use crate::{blob::Blob, options::Sizes, servers::Ground};

/// How the directory of a run is called, and the file that its process locks.
const PREFIX: &str = "skerry-bench-";
const LOCK: &str = "lock";
/// The repository that most of it is in.
pub const NAME: &str = "bench/read";
/// The tag that is asked for again and again.
pub const TAG: &str = "latest";
/// Layers of an image, and the bytes of each.
pub const LAYERS: usize = 10;
pub const LAYER_SIZE: usize = 16 << 10;

/// A manifest under a tag.
pub struct Tagged {
    pub tag: String,
    pub digest: String,
    pub bytes: Bytes,
}

/// Small content under its digest.
#[derive(Clone)]
pub struct Small {
    pub digest: String,
    pub bytes: Bytes,
}

/// An image: manifest, configuration and layers.
pub struct Image {
    pub manifest: Small,
    /// The configuration, then the layers.
    pub blobs: Vec<Small>,
}

/// All of it.
pub struct Fixtures {
    pub ground: Ground,
    /// The first is what [`TAG`] names.
    pub tagged: Vec<Tagged>,
    pub small: Vec<Small>,
    pub large: Vec<Arc<Blob>>,
    /// Each in a repository of its own.
    pub images: Vec<Image>,
    _lock: File,
    // Last: it is removed when all else is gone.
    _directory: TempDir,
}

impl Small {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: sha256(&bytes), bytes }
    }
}

impl Image {
    /// One that `seed` determines.
    pub fn new(seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        let config = Small::new(format!(r#"{{"architecture":"amd64","os":"linux","seed":"{:x}"}}"#, noise.number()));
        let mut blobs = vec![config];
        blobs.extend((0..LAYERS).map(|_| Small::new(noise.bytes(LAYER_SIZE))));
        let layers: Vec<_> =
            blobs[1..].iter().map(|layer| descriptor(LAYER, &layer.digest, layer.bytes.len())).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE,
            "config": descriptor(CONFIG, &blobs[0].digest, blobs[0].bytes.len()), "layers": layers,
        });
        Self { manifest: Small::new(manifest.to_string()), blobs }
    }
}

/// The repository of an image that is pulled.
pub fn pulled(index: usize) -> String {
    format!("bench/image-{index}")
}

impl Fixtures {
    /// Writes all that the workloads read into a new directory below `parent`.
    pub fn new(parent: &Path, sizes: &Sizes) -> Self {
        sweep(parent);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).unwrap();
        let lock = File::create(directory.path().join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let (volume, www) = (directory.path().join("volume"), directory.path().join("www"));
        let trust = Authority::new(directory.path(), &["localhost", "127.0.0.1"]);
        let ground = Ground { directory: directory.path().to_owned(), volume, www, trust };
        let tagged: Vec<Tagged> = (0..sizes.tags).map(|index| tagged(index as u64)).collect();
        for one in &tagged {
            ground.manifest(NAME, &one.tag, &one.digest, &one.bytes);
        }
        let small: Vec<Small> =
            (0..sizes.small).map(|index| Small::new(Noise::new(index as u64 + (1 << 40)).bytes(2048))).collect();
        small.iter().for_each(|one| ground.small(NAME, one));
        let large: Vec<_> = sizes.large.iter().map(|&size| Blob::new(size, 0)).collect();
        large.iter().for_each(|blob| ground.large(NAME, blob));
        let images: Vec<_> = (0..sizes.clients).map(|index| Image::new(index as u64 + (1 << 41))).collect();
        for (index, image) in images.iter().enumerate() {
            let name = pulled(index);
            image.blobs.iter().for_each(|blob| ground.small(&name, blob));
            ground.manifest(&name, TAG, &image.manifest.digest, &image.manifest.bytes);
        }
        Self { ground, tagged, small, large, images, _lock: lock, _directory: directory }
    }
}

/// Removes what runs that were cut off left behind: whoever is there, locks.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A manifest of ten layers that lie nowhere: nobody asks for them.
fn tagged(index: u64) -> Tagged {
    let mut noise = Noise::new(index);
    let mut digest = || sha256(noise.number().to_le_bytes());
    let config = descriptor(CONFIG, &digest(), 7023);
    let layers: Vec<_> = (0..LAYERS).map(|layer| descriptor(LAYER, &digest(), 1_048_576 + layer)).collect();
    let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers });
    let Small { digest, bytes } = Small::new(manifest.to_string());
    Tagged { tag: if index == 0 { TAG.to_owned() } else { format!("v1.{index}") }, digest, bytes }
}

impl Ground {
    /// Writes a manifest with its links, and its two names for nginx.
    pub fn manifest(&self, name: &str, tag: &str, digest: &str, bytes: &[u8]) {
        let data = layout::blob(&self.volume, digest);
        write(&data, bytes);
        write(&layout::revision_link(&self.volume, name, digest), digest.as_bytes());
        write(&layout::tag_link(&self.volume, name, tag), digest.as_bytes());
        let index = layout::repository(&self.volume, name).join("_manifests/tags").join(tag);
        write(&index.join("index").join(digest.replace(':', "/")).join("link"), digest.as_bytes());
        for reference in [tag, digest] {
            self.link(&data, &format!("{name}/manifests/{reference}"));
        }
    }

    fn small(&self, name: &str, blob: &Small) {
        write(&layout::blob(&self.volume, &blob.digest), &blob.bytes);
        self.layer(name, &blob.digest);
    }

    fn large(&self, name: &str, blob: &Blob) {
        let data = layout::blob(&self.volume, &blob.digest);
        fs::create_dir_all(data.parent().unwrap()).unwrap();
        let mut file = BufWriter::with_capacity(1 << 20, File::create(data).unwrap());
        blob.pieces(0, blob.size).for_each(|piece| file.write_all(&piece).unwrap());
        file.into_inner().unwrap().sync_all().unwrap();
        self.layer(name, &blob.digest);
    }

    fn layer(&self, name: &str, digest: &str) {
        write(&layout::layer_link(&self.volume, name, digest), digest.as_bytes());
        self.link(&layout::blob(&self.volume, digest), &format!("{name}/blobs/{digest}"));
    }

    /// The same file, not a copy: one page cache for all.
    fn link(&self, data: &Path, target: &str) {
        let to = self.www.join("v2").join(target);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::hard_link(data, to).unwrap();
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
