//! Hash states of uploads, written down between two processes.
//!
//! A state that does not belong to exactly these bytes would give a right
//! digest over wrong ones. So it is written only after a sync of the bytes,
//! says which file in which state it is of, lies where no guest's key leads,
//! and is authenticated by a key of this host. Any doubt means that all bytes
//! are hashed again.

use std::{
    io::{Read, Write},
    os::fd::AsFd,
    sync::Arc,
};

use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit, Mac};
use rustix::{
    fs::{Mode, OFlags, fstat, fsync, renameat},
    io::Errno,
};
use sha2::Sha256;

use crate::storage::{
    Algorithm, Digest, Failure, Hasher, Key,
    directory::{
        errors::{failure, from_io},
        files,
        stage::{Stage, private_directory, private_file},
        stamp::Stamp,
        tree::{Tree, Wait},
    },
};

const FORM: &[u8] = b"skerry hash state 1\n";
const SECRET: usize = 64;
const MAC: usize = 32;
const MAX_FILE: u64 = 8 << 10;
/// States looked at in one sweep.
const MAX_SWEEP: usize = 10_000;

/// The directory of states, and the key that authenticates them.
pub(in crate::storage::directory) struct States {
    dir: Dir,
    stage: Arc<Stage>,
    secret: [u8; SECRET],
    boot: Option<[u8; 36]>,
}

impl States {
    /// Opens them in the host's own directory; the caller holds the start
    /// lock.
    pub(in crate::storage::directory) fn open(home: &Dir, stage: Arc<Stage>) -> Result<Self, Failure> {
        Ok(Self { dir: private_directory(home, "uploads")?, stage, secret: secret(home)?, boot: boot() })
    }

    /// Writes a state down. The first `offset` bytes of `file` are synced.
    pub(super) fn save(&self, key: &Key, file: impl AsFd, offset: u64, hasher: &Hasher) -> Result<(), Failure> {
        let stat = fstat(file).map_err(|errno| failure(errno, "a hash state"))?;
        let Some(facts) = self.facts(key, &Stamp::of(&stat)) else { return Ok(()) };
        let mut payload = facts;
        payload.extend_from_slice(&offset.to_be_bytes());
        payload.extend_from_slice(&hasher.save());
        let mut content = FORM.to_vec();
        content.extend_from_slice(&self.mac(&payload).finalize().into_bytes());
        content.extend_from_slice(&payload);
        let (file, mut temp) = self.stage.create()?;
        files::write_whole(&file, &content).map_err(|errno| failure(errno, "a hash state"))?;
        // Not synced: one that a crash tears is none.
        renameat(&self.stage.dir, temp.name.as_str(), &self.dir, name(key))
            .map_err(|errno| failure(errno, "a hash state"))?;
        temp.moved();
        Ok(())
    }

    /// The state of all bytes of `file`, if one was written down and nothing
    /// happened to the file since.
    pub(in crate::storage::directory) fn load(&self, key: &Key, file: impl AsFd) -> Option<Hasher> {
        let stamp = Stamp::of(&fstat(file).ok()?);
        let payload = self.read(&name(key))?;
        let rest = payload.strip_prefix(self.facts(key, &stamp)?.as_slice())?;
        let (offset, state) = rest.split_first_chunk::<8>()?;
        if u64::from_be_bytes(*offset) != stamp.size {
            return None;
        }
        Hasher::restore(Algorithm::Sha256, state)
    }

    pub(super) fn remove(&self, key: &Key) {
        // Most uploads never had one.
        let _ = self.dir.remove_file(name(key));
    }

    /// Removes states whose upload is gone.
    pub(in crate::storage::directory) fn sweep(&self, tree: &Tree) {
        let Ok(entries) = self.dir.entries() else { return };
        for entry in entries.flatten().take(MAX_SWEEP) {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let key = self.read(name).and_then(|payload| {
                let (length, rest) = payload.split_first_chunk::<2>()?;
                let text = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
                Key::parse(std::str::from_utf8(text).ok()?).ok()
            });
            let live =
                key.is_some_and(|key| !matches!(tree.look(Some(&key), Wait::Yes), Err(Errno::NOENT | Errno::NOTDIR)));
            if !live {
                let _ = self.dir.remove_file(name);
            }
        }
    }

    /// The payload of a state file that this host wrote.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        self.dir.open(name).ok()?.take(MAX_FILE).read_to_end(&mut content).ok()?;
        let (mac, payload) = content.strip_prefix(FORM)?.split_first_chunk::<MAC>()?;
        self.mac(payload).verify_slice(mac).ok()?;
        Some(payload.to_vec())
    }

    /// Which file a state is of, and in which state it must be: the key, its
    /// inode, the time of its last change, and this boot of the machine, as
    /// after a power cut the times say nothing about the bytes.
    fn facts(&self, key: &Key, stamp: &Stamp) -> Option<Vec<u8>> {
        let mut facts = u16::try_from(key.as_str().len()).ok()?.to_be_bytes().to_vec();
        facts.extend_from_slice(key.as_str().as_bytes());
        facts.extend_from_slice(&self.boot?);
        for number in [stamp.device, stamp.inode, stamp.changed.0.cast_unsigned(), stamp.changed.1] {
            facts.extend_from_slice(&number.to_be_bytes());
        }
        Some(facts)
    }

    fn mac(&self, payload: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new(&self.secret.into());
        mac.chain_update(payload)
    }
}

/// The name of a key's state: any key makes a valid one.
fn name(key: &Key) -> String {
    Digest::of(Algorithm::Sha256, key.as_str().as_bytes()).hex()
}

/// This host's key, made at the first start.
fn secret(home: &Dir) -> Result<[u8; SECRET], Failure> {
    let failed = |error: std::io::Error| from_io(&error, "the host's key");
    let mut file = private_file(home, "key")?;
    let mut content = Vec::new();
    (&mut file).take(SECRET as u64 + 1).read_to_end(&mut content).map_err(failed)?;
    if let Ok(secret) = <[u8; SECRET]>::try_from(content.as_slice()) {
        return Ok(secret);
    }
    // New, or torn by a crash: then nothing that it vouched for matters.
    let mut secret = [0; SECRET];
    getrandom::fill(&mut secret).map_err(|error| Failure::Io(format!("random numbers: {error}")))?;
    file.set_len(0).map_err(failed)?;
    files::write_whole(&file, &secret).map_err(|errno| failure(errno, "the host's key"))?;
    file.flush().map_err(failed)?;
    fsync(&file).map_err(|errno| failure(errno, "the host's key"))?;
    Ok(secret)
}

/// The id of this boot. The kernel gives it at this path and nowhere else.
fn boot() -> Option<[u8; 36]> {
    let path = "/proc/sys/kernel/random/boot_id";
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut id = [0; 36];
    let read = rustix::io::read(file, &mut id).ok()?;
    (read == id.len()).then_some(id)
}
