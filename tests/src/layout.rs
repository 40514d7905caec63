//! Where things lie on a volume, by distribution's layout.

use std::path::{Path, PathBuf};

fn split(digest: &str) -> (&str, &str) {
    digest.split_once(':').expect("a digest has an algorithm")
}

/// The root of a volume's tree.
pub fn root(volume: &Path) -> PathBuf {
    volume.join("docker/registry/v2")
}

/// The bytes of a blob.
pub fn blob(volume: &Path, digest: &str) -> PathBuf {
    let (algorithm, hex) = split(digest);
    root(volume).join("blobs").join(algorithm).join(&hex[..2]).join(hex).join("data")
}

/// A repository's own directory.
pub fn repository(volume: &Path, name: &str) -> PathBuf {
    root(volume).join("repositories").join(name)
}

/// The link that makes a blob part of a repository.
pub fn layer_link(volume: &Path, name: &str, digest: &str) -> PathBuf {
    let (algorithm, hex) = split(digest);
    repository(volume, name).join("_layers").join(algorithm).join(hex).join("link")
}

/// The link that makes a manifest part of a repository.
pub fn revision_link(volume: &Path, name: &str, digest: &str) -> PathBuf {
    let (algorithm, hex) = split(digest);
    repository(volume, name).join("_manifests/revisions").join(algorithm).join(hex).join("link")
}

/// The link that says what a tag is now.
pub fn tag_link(volume: &Path, name: &str, tag: &str) -> PathBuf {
    repository(volume, name).join("_manifests/tags").join(tag).join("current/link")
}

/// The directory of a repository's uploads.
pub fn uploads(volume: &Path, name: &str) -> PathBuf {
    repository(volume, name).join("_uploads")
}

/// All files below a directory, as paths from there, sorted.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    fn walk(root: &Path, directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, directory, &mut found);
    found.sort();
    found
}
