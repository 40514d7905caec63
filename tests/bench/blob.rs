//! Large content that costs next to nothing to make, to check and to hash.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use skerry_tests::content::{Noise, hex};

/// Every block is the same noise, but for its stamp.
const BLOCK: u64 = 1 << 20;
/// A stamp begins each block, so that no block can stand for another.
const STAMP: usize = 8;
/// Bytes that are handed over at a time.
pub const PIECE: u64 = 64 << 10;

fn noise() -> &'static [u8] {
    static NOISE: OnceLock<&'static [u8]> = OnceLock::new();
    NOISE.get_or_init(|| Vec::leak(Noise::new(1).bytes(BLOCK as usize)))
}

/// Bytes that are determined by their number and a seed.
#[derive(Debug)]
pub struct Blob {
    pub size: u64,
    seed: u64,
    pub digest: String,
}

impl Blob {
    /// Blobs of one size differ in their last block only: what comes before it
    /// is hashed once a run, and not while a server is measured.
    pub fn new(size: u64, seed: u64) -> Arc<Self> {
        type Hashed = Mutex<HashMap<u64, Sha256>>;
        static HASHED: OnceLock<Hashed> = OnceLock::new();
        let mut blob = Self { size, seed, digest: String::new() };
        let last = size.saturating_sub(1) / BLOCK * BLOCK;
        let hashed = HASHED.get_or_init(Hashed::default);
        let mut hash = hashed
            .lock()
            .unwrap()
            .entry(last)
            .or_insert_with(|| {
                let mut hash = Sha256::new();
                blob.pieces(0, last).for_each(|piece| hash.update(&piece));
                hash
            })
            .clone();
        blob.pieces(last, size).for_each(|piece| hash.update(&piece));
        blob.digest = format!("sha256:{}", hex(&hash.finalize()));
        Arc::new(blob)
    }

    fn stamp(&self, block: u64) -> [u8; STAMP] {
        let last = self.size.saturating_sub(1) / BLOCK;
        (block ^ if block == last { self.seed << 32 } else { 0 }).to_le_bytes()
    }

    /// At most [`PIECE`] bytes from `from`, which is a multiple of it.
    pub fn piece(&self, from: u64, to: u64) -> Bytes {
        let end = to.min(from + PIECE);
        let within = (from % BLOCK) as usize;
        let plain = &noise()[within..within + (end - from) as usize];
        if within > 0 {
            return Bytes::from_static(plain);
        }
        let mut stamped = plain.to_vec();
        let stamp = self.stamp(from / BLOCK);
        let length = stamped.len().min(STAMP);
        stamped[..length].copy_from_slice(&stamp[..length]);
        stamped.into()
    }

    /// The bytes between two offsets; the first is a multiple of [`PIECE`].
    pub fn pieces(&self, from: u64, to: u64) -> impl Iterator<Item = Bytes> {
        (from..to).step_by(PIECE as usize).map(move |at| self.piece(at, to))
    }

    /// Whether `bytes` are what this blob has at `offset`.
    pub fn holds(&self, mut offset: u64, mut bytes: &[u8]) -> bool {
        if offset + bytes.len() as u64 > self.size {
            return false;
        }
        while !bytes.is_empty() {
            let within = (offset % BLOCK) as usize;
            let (now, same) = if within < STAMP {
                let stamp = self.stamp(offset / BLOCK);
                let now = bytes.len().min(STAMP - within);
                (now, bytes[..now] == stamp[within..within + now])
            } else {
                let now = bytes.len().min(BLOCK as usize - within);
                (now, bytes[..now] == noise()[within..within + now])
            };
            if !same {
                return false;
            }
            bytes = &bytes[now..];
            offset += now as u64;
        }
        true
    }
}
