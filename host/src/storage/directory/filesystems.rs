//! What a file's stamp is worth, by the kind of its filesystem.
//!
//! Only kinds that are known to be right are trusted: those that belong to one
//! machine, give every file a number that stays, and change its ctime with it.
//! On what is shared over a network (NFS, CIFS, 9p, Ceph, what FUSE brings) a
//! stamp may be an old one; FAT makes its numbers up.

use std::sync::{PoisonError, RwLock};

use rustix::fs::fstatfs;

use super::tree::Tree;
use crate::storage::Key;

/// ext2 to 4, XFS, Btrfs, tmpfs, ramfs, overlay, ZFS, F2FS, bcachefs, EROFS,
/// SquashFS, JFS, NILFS2, UBIFS: their numbers in `statfs`.
const TRUSTED: [u64; 14] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
    0x2fc1_2fc1,
    0xf2f5_2010,
    0xca45_1a4e,
    0xe0f5_e1e2,
    0x7371_7368,
    0x3153_464a,
    0x3434,
    0x2405_1905,
];

/// Devices that were met, and whether their stamps count.
#[derive(Default)]
pub(super) struct Filesystems {
    met: RwLock<Vec<(u64, bool)>>,
}

impl Filesystems {
    /// Whether the stamp of what lies at `place`, on `device`, counts. A
    /// device that was not met yet is asked for its kind.
    pub(super) fn have_stamps(&self, tree: &Tree, place: Option<&Key>, device: u64) -> bool {
        let find = |met: &[(u64, bool)]| met.iter().find(|(known, _)| *known == device).map(|(_, trusted)| *trusted);
        if let Some(trusted) = find(&self.met.read().unwrap_or_else(PoisonError::into_inner)) {
            return trusted;
        }
        let Ok(kind) = tree.handle(place).and_then(fstatfs) else { return false };
        let trusted = is_trusted(kind.f_type);
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        if find(&met).is_none() {
            met.push((device, trusted));
        }
        trusted
    }
}

/// Whether stamps of a filesystem of this kind count.
// The type of this field differs between the platforms of Linux; the numbers
// have 32 bits.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, trivial_numeric_casts)]
pub(in crate::storage) fn is_trusted(kind: rustix::fs::FsWord) -> bool {
    TRUSTED.contains(&(kind as u64 & 0xffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::is_trusted;

    #[test]
    fn what_is_shared_over_a_network_is_not_trusted() {
        assert!(is_trusted(0xef53) && is_trusted(0x794c_7630));
        // NFS, CIFS, SMB2, FUSE, 9p, Ceph, FAT.
        for kind in [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x4d44] {
            assert!(!is_trusted(kind), "{kind:x}");
        }
    }
}
