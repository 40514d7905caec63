//! What must be true of a volume at any time.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use skerry_tests::{image::file_digest, layout};

/// Every blob that has its name is whole: a crash leaves none behind that is
/// not. Those that were seen are not looked at again. Returns one that is not.
pub fn blobs(volume: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    let root = layout::root(volume).join("blobs");
    for file in layout::files(&root) {
        if seen.contains(&file) {
            continue;
        }
        let parts: Vec<&str> = file.iter().map(|part| part.to_str().unwrap()).collect();
        let [algorithm, _, hex, "data"] = parts[..] else { panic!("{} among the blobs", file.display()) };
        assert_eq!(algorithm, "sha256", "{}", file.display());
        let digest = file_digest(&root.join(&file));
        if digest != format!("{algorithm}:{hex}") {
            return Err(format!("{} has {digest}", file.display()));
        }
        seen.insert(file);
    }
    Ok(())
}
