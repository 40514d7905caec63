//! Files of modules that change while they are in force.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::Modules;

/// How often files are looked at. One that has changed is read when it looks
/// the same once more: who writes it in place may not be done.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks after the files that the configuration names, for ever: after a
/// reload, they may be others.
pub async fn watch(modules: Arc<Modules>) {
    let mut files: Vec<Watched> = Vec::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let named = modules.files();
        files.retain(|file| named.contains(&file.path));
        let known: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
        files.extend(named.into_iter().filter(|path| !known.contains(path)).map(|path| Watched { path, last: None }));
        if files.is_empty() {
            continue;
        }
        // A disk or a network behind the files may be slow.
        let of = Arc::clone(&modules);
        let looked = spawn_blocking(move || {
            let changed: Vec<_> = files.iter_mut().filter_map(|file| file.look(&of.stamps)).collect();
            (files, changed)
        });
        let Ok((back, changed)) = looked.await else {
            tracing::error!("changed modules are no longer noticed; restart to go on");
            return;
        };
        files = back;
        if !changed.is_empty() {
            modules.changed(&changed).await;
        }
    }
}

/// All that tells two states of a file apart without reading it; nothing where
/// there is no file.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// How files looked before they were last read.
#[derive(Default)]
pub struct Stamps(Mutex<BTreeMap<PathBuf, Stamp>>);

impl Stamps {
    /// Files are about to be read.
    pub fn note(&self, files: &[PathBuf]) {
        for path in files {
            self.differs(path, stamp(path));
        }
    }

    /// Whether a file looks otherwise than when it was last read; then it is
    /// to be read, and this is how it looks.
    fn differs(&self, path: &Path, now: Stamp) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), now) != Some(now)
    }
}

struct Watched {
    path: PathBuf,
    last: Option<Stamp>,
}

impl Watched {
    /// The path, if the file has changed since it was last read and has been
    /// left alone since the last look.
    fn look(&mut self, read: &Stamps) -> Option<PathBuf> {
        self.see(stamp(&self.path), read)
    }

    fn see(&mut self, now: Stamp, read: &Stamps) -> Option<PathBuf> {
        let quiet = self.last.replace(now) == Some(now);
        (quiet && read.differs(&self.path, now)).then(|| self.path.clone())
    }
}

fn stamp(path: &Path) -> Stamp {
    let seen = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((seen.dev(), seen.ino(), seen.size(), (seen.mtime(), seen.mtime_nsec()), (seen.ctime(), seen.ctime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_reported_once_it_is_left_alone() {
        let (mut file, read) = (Watched { path: "/no/such.wasm".into(), last: None }, Stamps::default());
        let state = |size| Some((1, 1, size, (0, 0), (0, 0)));
        let mut looks = |seen: &[Stamp]| seen.iter().map(|now| file.see(*now, &read).is_some()).collect::<Vec<_>>();
        assert_eq!(looks(&[state(5), state(5), state(5)]), [false, true, false]);
        // It grows for a while.
        assert_eq!(looks(&[state(6), state(7), state(8), state(8), state(8)]), [false, false, false, true, false]);
        // It is away between two renames, and then it is gone.
        assert_eq!(looks(&[None, state(8), state(8)]), [false, false, false]);
        assert_eq!(looks(&[None, None, None, state(8), state(8)]), [false, true, false, false, true]);
        // Somebody else has read it meanwhile.
        read.note(&["/no/such.wasm".into()]);
        assert_eq!(looks(&[None, None]), [false, false]);
    }
}
