//! Small files of the host's own that several processes on one volume share.

use std::{io::Read, sync::Arc};

use cap_fs_ext::OpenOptionsFollowExt;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, fsync, openat, renameat},
    io::retry_on_intr,
};

use super::{
    Directory, Inner,
    errors::{failure, from_io},
    files,
    flush::Target,
    stage::{Stage, private_file},
};
use crate::storage::Failure;

/// Held while one of them is changed.
const LOCK: &str = "own.lock";

impl Directory {
    /// The host's own file of this name, if it is there and has at most `limit`
    /// bytes. Others may have written it.
    ///
    /// # Errors
    /// [`Failure::Io`]; [`Failure::ReadOnly`] where nothing is the host's own.
    pub async fn own(&self, name: &'static str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let stage = self.inner.stage(None)?.clone();
        self.inner.blocking(&self.inner.pools.reads, move || read(stage.home(), name, limit)).await
    }

    /// Changes the host's own file of this name, from what it is to what
    /// `change` makes of that, while no other process of ours does: in one
    /// step, and durably.
    ///
    /// # Errors
    /// [`Failure::NoSpace`], [`Failure::ReadOnly`], [`Failure::Io`]; the file is
    /// as it was.
    pub async fn change_own(
        &self,
        name: &'static str,
        limit: u64,
        change: impl FnOnce(Option<Vec<u8>>) -> Vec<u8> + Send + 'static,
    ) -> Result<(), Failure> {
        let inner = self.inner.clone();
        let job = move || {
            let stage = inner.stage(None)?;
            self::change(&inner, stage, name, limit, change)
        };
        self.inner.blocking(&self.inner.pools.commits, job).await
    }
}

/// As [`Directory::change_own`], on a thread that may block.
pub(super) fn change(
    inner: &Inner,
    stage: &Arc<Stage>,
    name: &'static str,
    limit: u64,
    change: impl FnOnce(Option<Vec<u8>>) -> Vec<u8>,
) -> Result<(), Failure> {
    let failed = |errno| failure(errno, format_args!("the host's file {name}"));
    let lock = private_file(stage.home(), LOCK)?;
    retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive)).map_err(failed)?;
    let before = read(stage.home(), name, limit)?;
    let bytes = change(before.clone());
    if before.unwrap_or_default() == bytes {
        return Ok(());
    }
    let (file, mut temp) = stage.create()?;
    files::write_whole(&file, &bytes).and_then(|()| fsync(&file)).map_err(failed)?;
    renameat(&stage.dir, temp.name.as_str(), stage.home(), name).map_err(failed)?;
    temp.moved();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let home = openat(stage.home(), ".", flags, Mode::empty()).map_err(failed)?;
    inner.flusher.sync(vec![Target::Directory(home.into())])
}

/// What is in the host's own file, if it is there and has at most `limit`
/// bytes.
pub(super) fn read(home: &Dir, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: std::io::Error| from_io(&error, format_args!("the host's file {name}"));
    let mut options = OpenOptions::new();
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    options.read(true).custom_flags(flags).follow(cap_fs_ext::FollowSymlinks::No);
    let file = match home.open_with(name, &options) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
