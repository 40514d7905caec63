//! The end of an upload: it becomes an object, or nothing.

use std::sync::Arc;

use rustix::io::Errno;

use super::{Lease, handle::Handle, spares::SWEEP};
use crate::storage::{
    Change, Expectation, Failure, Key,
    directory::{
        Inner,
        commit::{self, Incoming},
        errors::failure,
        locks::Mode,
        sweep,
    },
};

impl Handle {
    /// Makes the upload an object; its digest is right.
    pub(super) async fn finish_checked(
        &mut self,
        to: Key,
        expect: Vec<Expectation>,
        changes: Vec<Change>,
    ) -> Result<(), Failure> {
        commit::check(&expect, &changes)?;
        let (_, live) = self.live()?;
        live.usable()?;
        let mut lease = self.take()?;
        let inner = lease.inner.clone();
        let mut locks = commit::locks(&expect, &changes);
        locks.push((to.clone(), Mode::Exclusive));
        locks.extend(lease.key.as_ref().and_then(Key::parent).map(|directory| (directory, Mode::Exclusive)));
        let held = inner.locks.lock(locks).await;
        let job = move || {
            let _held = held;
            let result = finish(&mut lease, to, &expect, changes);
            Ok((lease, result))
        };
        let (lease, result) = inner.blocking(&inner.pools.commits, job).await?;
        self.give_back(lease);
        result
    }

    /// Removes the upload and the directory that it owns.
    pub(super) async fn remove(&mut self) -> Result<(), Failure> {
        let mut lease = self.take()?;
        let inner = lease.inner.clone();
        let directory = lease.key.as_ref().and_then(Key::parent);
        let held = inner.locks.lock(directory.map(|directory| (directory, Mode::Exclusive))).await;
        let job = move || {
            let _held = held;
            let beside = lease.live.as_ref().and_then(|live| live.beside());
            let result = match &lease.key {
                Some(key) => remove_directory(&lease.inner, key, beside),
                None => Ok(()),
            };
            if result.is_ok() {
                if let Some(live) = &mut lease.live {
                    live.set_gone();
                }
                // The file of one without a key goes with it.
                lease.live = None;
            }
            Ok((lease, result))
        };
        let (lease, result) = inner.blocking(&inner.pools.commits, job).await?;
        self.give_back(lease);
        result
    }
}

fn finish(lease: &mut Lease, to: Key, expect: &[Expectation], changes: Vec<Change>) -> Result<(), Failure> {
    let inner = lease.inner.clone();
    let Some(live) = &mut lease.live else { return Err(Failure::Busy) };
    // In the place of an upload of one digest that another request finished
    // first, this is never written at all.
    let file = live.spill(inner.stage(Some(&to))?)?;
    let (directory, name) = match (&lease.key, live.temp()) {
        (Some(key), _) => {
            let directory = inner.tree.directory(key.parent().as_ref());
            (directory.map_err(|errno| failure(errno, key))?, key.name().to_owned())
        }
        (None, Some(temp)) => {
            let directory = rustix::io::fcntl_dupfd_cloexec(&temp.stage.dir, 0);
            (directory.map_err(|errno| failure(errno, "the staging directory"))?, temp.name.clone())
        }
        (None, None) => return Err(Failure::Io(String::from("an upload without a file"))),
    };
    let directory = Arc::new(directory);
    let keep = lease.key.is_some();
    let mut incoming = Incoming { to, file, size: live.offset(), directory, name, keep, moved: false, doubtful: false };
    let result = commit::run(&inner, Some(&mut incoming), expect, changes);
    if incoming.moved {
        if let Some(temp) = live.temp() {
            temp.moved();
        }
        // Its file is the object now: nobody may write to it again. If the
        // rest failed, whoever goes on with the upload finds it shared.
        live.set_gone();
    } else if incoming.doubtful {
        // Perhaps it was its sync that failed, and the next would not tell.
        live.break_off();
    }
    result?;
    live.set_gone();
    let beside = live.take_beside();
    lease.live = None;
    if let Some(key) = &lease.key
        && let Err(failure) = remove_directory(&inner, key, beside.as_deref())
    {
        // The object is there; what is left is an upload to be purged.
        tracing::warn!(%key, "a finished upload cannot be removed: {failure}");
    }
    Ok(())
}

/// Removes the directory of an upload, and its hash state; one with known files
/// `beside` the data is kept for another upload. Not synced: what a power cut
/// brings back is rubbish that is purged in time.
fn remove_directory(inner: &Arc<Inner>, key: &Key, beside: Option<&[String]>) -> Result<(), Failure> {
    inner.forget_state(key);
    let Some(directory) = key.parent() else { return Ok(()) };
    let above = directory.parent();
    let mut changing = inner.generations.changing();
    changing.tree(&directory);
    changing.place(above.as_ref());
    let stage = inner.stage(Some(key))?;
    let spares = &inner.uploads.spares;
    let opened = inner.tree.directory(above.as_ref());
    let moved = opened.and_then(|above| spares.put(stage, (above, directory.name()), key.name(), beside));
    inner.listings.forget(&above);
    match moved {
        Ok(()) => Ok(()),
        // Overlay filesystems cannot rename what an image brought.
        Err(Errno::XDEV) => match inner.tree.directory(above.as_ref()) {
            Ok(above) => sweep::tree(above, directory.name(), SWEEP).map(drop),
            Err(errno) => Err(failure(errno, key)),
        },
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(errno) => Err(failure(errno, key)),
    }
}
