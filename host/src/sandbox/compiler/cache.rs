//! Code of foreign modules that was made before: kept in the host's private
//! directory, and authenticated by a key that lies there.
//!
//! Code runs with all rights of this process. So an entry counts only if this
//! very program made it (its own bytes are a part of the name), if it is as it
//! was written (its MAC), and if nobody else may write where it lies.

use std::{
    io::{Read, Write},
    sync::OnceLock,
};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, MetadataExt, OpenOptions, OpenOptionsExt};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const DIRECTORY: &str = "modules";
const KEY: &str = "key";
const SECRET: usize = 64;
const MAC: usize = 32;

/// Modules of which code is kept: those that were used last.
const MOST: usize = 16;

/// Bytes of one entry.
const LARGEST: u64 = 1 << 30;

/// The directory, and the key.
#[derive(Debug)]
pub struct Cache {
    dir: Dir,
    secret: [u8; SECRET],
    program: OnceLock<Option<[u8; 32]>>,
}

impl Cache {
    /// Opens it below the host's own directory, made if need be.
    pub fn open(home: &Dir) -> Result<Self, String> {
        let failed = |cause: std::io::Error| cause.to_string();
        match home.create_dir_with(DIRECTORY, DirBuilder::new().mode(0o700)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(cause)),
            _ => {}
        }
        let dir = home.open_dir_nofollow(DIRECTORY).map_err(failed)?;
        for held in [home, &dir] {
            private(&held.dir_metadata().map_err(failed)?)?;
        }
        let secret = secret(&dir)?;
        Ok(Self { dir, secret, program: OnceLock::new() })
    }

    /// Code that this program made of a module.
    pub fn find(&self, module: &[u8]) -> Option<Vec<u8>> {
        let name = self.name(module)?;
        let file = self.dir.open_with(&name, OpenOptions::new().read(true)).ok()?;
        let mut content = Vec::new();
        (&file).take(LARGEST).read_to_end(&mut content).ok()?;
        let (mac, code) = content.split_at_checked(MAC)?;
        self.mac(&name, code).verify_slice(mac).ok()?;
        // What is used stays.
        let _ = file.into_std().set_modified(std::time::SystemTime::now());
        content.drain(..MAC);
        Some(content)
    }

    /// Keeps code of a module; that it cannot is no failure.
    pub fn keep(&self, module: &[u8], code: &[u8]) {
        let Some(name) = self.name(module) else { return };
        if let Err(cause) = self.write(&name, code) {
            tracing::warn!(%cause, "a compiled module is not kept");
        }
        self.prune();
    }

    /// Not synced: one that a crash tears is none.
    fn write(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let part = format!("{name}.{:016x}.part", u64::from_ne_bytes(random));
        let mut options = OpenOptions::new();
        let mut file = self.dir.open_with(&part, options.write(true).create_new(true).mode(0o600))?;
        let written = file
            .write_all(&self.mac(name, code).finalize().into_bytes())
            .and_then(|()| file.write_all(code))
            .and_then(|()| self.dir.rename(&part, &self.dir, name));
        written.inspect_err(|_| {
            let _ = self.dir.remove_file(&part);
        })
    }

    /// Removes those that were not used for longest, and halves of old ones.
    fn prune(&self) {
        let Ok(entries) = self.dir.entries() else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .take(1_000)
            .filter(|entry| entry.file_name() != KEY)
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?.into_std(), entry.file_name())))
            .collect();
        files.sort();
        let spare = files.len().saturating_sub(MOST);
        for (_, name) in files.iter().take(spare) {
            let _ = self.dir.remove_file(name);
        }
    }

    /// Of the program that makes the code, and of the module.
    fn name(&self, module: &[u8]) -> Option<String> {
        let program = (*self.program.get_or_init(program))?;
        let digest = Sha256::new().chain_update(program).chain_update(Sha256::digest(module)).finalize();
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new(&self.secret.into()).chain_update(name.as_bytes()).chain_update(code)
    }
}

/// A digest of this very program.
fn program() -> Option<[u8; 32]> {
    let mut file = std::fs::File::open("/proc/self/exe").ok()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hash.finalize().into()),
            read => hash.update(buffer.get(..read)?),
        }
    }
}

/// Nobody but this user may write there.
fn private(metadata: &cap_std::fs::Metadata) -> Result<(), String> {
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    match ours && metadata.mode() & 0o022 == 0 {
        true => Ok(()),
        false => Err("others may write to the host's own directory".to_owned()),
    }
}

/// The key, made by whoever needs it first.
fn secret(dir: &Dir) -> Result<[u8; SECRET], String> {
    let failed = |cause: std::io::Error| cause.to_string();
    let read = || -> Result<Option<[u8; SECRET]>, String> {
        let mut file = match dir.open(KEY) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        private(&file.metadata().map_err(failed)?)?;
        let mut content = Vec::new();
        (&mut file).take(SECRET as u64 + 1).read_to_end(&mut content).map_err(failed)?;
        Ok(content.try_into().ok())
    };
    if let Some(secret) = read()? {
        return Ok(secret);
    }
    let mut secret = [0; SECRET];
    getrandom::fill(&mut secret).map_err(|cause| cause.to_string())?;
    let part = format!("{KEY}.{}.part", std::process::id());
    let mut options = OpenOptions::new();
    let mut file = dir.open_with(&part, options.write(true).create_new(true).mode(0o600)).map_err(failed)?;
    file.write_all(&secret).and_then(|()| file.sync_all()).map_err(failed)?;
    dir.rename(&part, dir, KEY).map_err(failed)?;
    // Another process may have made one as well: the last one counts.
    read()?.ok_or_else(|| "its key cannot be read back".to_owned())
}
