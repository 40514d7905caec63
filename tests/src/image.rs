//! Images as OCI layouts on disk, for clients to push, and what clients pulled.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    content::{CONFIG, IMAGE, INDEX, Noise, descriptor, hex},
    tools,
};

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// A tar as it is.
    Tar,
    /// The usual.
    Gzip,
    /// By the program `zstd`.
    Zstd,
}

impl Packing {
    fn media_type(self) -> &'static str {
        match self {
            Self::Tar => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A layer: its descriptor, and the digest of its plain tar.
#[derive(Debug, Clone)]
pub struct Layer {
    descriptor: Value,
    diff_id: String,
}

/// An OCI layout in a directory.
#[derive(Debug, Clone)]
pub struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// A new one.
    pub fn create(directory: &Path) -> Self {
        fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let empty = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
        fs::write(directory.join("index.json"), empty.to_string()).unwrap();
        Self { directory: directory.to_owned() }
    }

    /// One that a client wrote.
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The file of a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        self.directory.join("blobs").join(digest.replace(':', "/"))
    }

    /// Writes a layer that holds one file of `size` bytes that `seed`
    /// determines and that do not compress.
    pub fn layer(&self, packing: Packing, size: u64, seed: u64) -> Layer {
        let plain = self.directory.join(format!("layer-{seed}"));
        let mut out = Hashing::new(BufWriter::with_capacity(1 << 20, File::create(&plain).unwrap()));
        {
            let mut tar = tar::Builder::new(&mut out);
            let mut header = tar::Header::new_ustar();
            header.set_size(size);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("data-{seed}"), NoiseReader::new(seed).take(size)).unwrap();
            tar.finish().unwrap();
        }
        let (diff_id, _) = out.finish();
        let packed = match packing {
            Packing::Tar => plain,
            Packing::Gzip => {
                let packed = plain.with_extension("gz");
                let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
                io::copy(&mut File::open(&plain).unwrap(), &mut encoder).unwrap();
                encoder.finish().unwrap();
                fs::remove_file(plain).unwrap();
                packed
            }
            Packing::Zstd => {
                let mut zstd = tools::tool("zstd");
                zstd.args(["--quiet", "--rm", "-1"]).arg(&plain);
                tools::succeed(zstd);
                plain.with_extension("zst")
            }
        };
        let size = fs::metadata(&packed).unwrap().len() as usize;
        let digest = file_digest(&packed);
        fs::rename(&packed, self.blob(&digest)).unwrap();
        Layer { descriptor: descriptor(packing.media_type(), &digest, size), diff_id }
    }

    /// Writes an image of these layers; returns its manifest's descriptor.
    pub fn image(&self, architecture: &str, layers: &[Layer]) -> Value {
        let config = json!({
            "architecture": architecture, "os": "linux", "config": { "Cmd": ["/bin/true"] },
            "created": "2026-01-01T00:00:00Z",
            "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|l| &l.diff_id).collect::<Vec<_>>() },
            "history": layers.iter().map(|_| json!({ "created": "2026-01-01T00:00:00Z", "created_by": "a test" }))
                .collect::<Vec<_>>(),
        });
        let config = self.write(CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE, "config": config,
            "layers": layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
        });
        let mut descriptor = self.write(IMAGE, manifest.to_string().as_bytes());
        descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
        descriptor
    }

    /// Writes an index over manifests; returns its descriptor.
    pub fn index(&self, children: &[Value]) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        self.write(INDEX, index.to_string().as_bytes())
    }

    /// Gives a manifest a name in this layout; returns its digest.
    pub fn name(&self, name: &str, descriptor: &Value) -> String {
        let path = self.directory.join("index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut named = descriptor.clone();
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        index["manifests"].as_array_mut().unwrap().push(named);
        fs::write(path, index.to_string()).unwrap();
        digest_of(descriptor)
    }

    /// The digests in its list of manifests.
    pub fn roots(&self) -> Vec<String> {
        let index: Value = serde_json::from_slice(&fs::read(self.directory.join("index.json")).unwrap()).unwrap();
        index["manifests"].as_array().unwrap().iter().map(digest_of).collect()
    }

    /// All digests that can be reached from a manifest: manifests first, then
    /// the blobs.
    pub fn closure(&self, root: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut manifests, mut blobs) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![root.to_owned()];
        while let Some(digest) = open.pop() {
            let manifest: Value = serde_json::from_slice(&fs::read(self.blob(&digest)).unwrap()).unwrap();
            open.extend(manifest["manifests"].as_array().into_iter().flatten().map(digest_of));
            let layers = manifest["layers"].as_array().into_iter().flatten();
            blobs.extend(layers.chain(manifest.get("config")).map(digest_of));
            manifests.insert(digest);
        }
        (manifests, blobs)
    }

    /// Fails unless all that can be reached from `root` is there and whole.
    #[track_caller]
    pub fn check(&self, root: &str) {
        let (manifests, blobs) = self.closure(root);
        for digest in manifests.iter().chain(&blobs) {
            assert_eq!(file_digest(&self.blob(digest)), *digest, "in {}", self.directory.display());
        }
    }

    fn write(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = crate::sha256(bytes);
        fs::write(self.blob(&digest), bytes).unwrap();
        descriptor(media_type, &digest, bytes.len())
    }
}

/// The digest in a descriptor.
pub fn digest_of(descriptor: &Value) -> String {
    descriptor["digest"].as_str().expect("a descriptor has a digest").to_owned()
}

/// The digest of a file of any size.
#[track_caller]
pub fn file_digest(path: &Path) -> String {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hash = Hashing::new(io::sink());
    io::copy(&mut BufReader::with_capacity(1 << 20, file), &mut hash).unwrap();
    hash.finish().0
}

struct Hashing<W> {
    to: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> Hashing<W> {
    fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), length: 0 }
    }

    fn finish(mut self) -> (String, u64) {
        self.to.flush().unwrap();
        (format!("sha256:{}", hex(&self.hash.finalize())), self.length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Noise without end.
struct NoiseReader {
    noise: Noise,
    left: Vec<u8>,
}

impl NoiseReader {
    fn new(seed: u64) -> Self {
        Self { noise: Noise::new(seed), left: Vec::new() }
    }
}

impl Read for NoiseReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            self.left = self.noise.bytes(64 * 1024);
        }
        let count = buffer.len().min(self.left.len());
        buffer[..count].copy_from_slice(&self.left[..count]);
        self.left.drain(..count);
        Ok(count)
    }
}
