//! Small files that somebody granted: those below one directory, or some by
//! names of the grantor's choice. They are read and never written, and what
//! was seen of them can be looked at again.

use std::{
    fs::File,
    io::{self, Read},
    time::{Duration, SystemTime},
};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{OFlags, fstat, fstatfs};

use super::{Failure, Key, Kind, Seen, Stamp, directory};

/// The largest file that is read, in bytes.
pub const LARGEST_GRANTED: u64 = 4 << 20;

/// A file that is written in place while it is read is read again so often.
const TRIES: usize = 3;

/// How long a file must have been left alone before its stamp counts.
const SETTLED: Duration = Duration::from_secs(2);

/// Opens one file, anew each time: who renews it puts another in its place.
pub type Opener = Box<dyn Fn() -> io::Result<File> + Send + Sync>;

/// What may be read.
#[derive(Default)]
pub enum Grant {
    /// Nothing: no name is known.
    #[default]
    Nothing,
    /// What lies below a directory. Links are followed where they stay within.
    Directory(Dir),
    /// Some files, by name.
    Files(Vec<(String, Opener)>),
}

impl Grant {
    /// The bytes of a file of at most `limit` bytes, and what was seen. An
    /// unsettled file, or one whose filesystem cannot be relied on, is
    /// `Unknown`.
    pub fn read(&self, name: &str, limit: u64) -> (Result<Vec<u8>, Failure>, Seen) {
        let limit = limit.min(LARGEST_GRANTED);
        let now = SystemTime::now();
        for _ in 0..TRIES {
            match self.read_once(name, limit) {
                Ok((bytes, before, after, trusted)) if before == after => {
                    let counts = trusted && before.settled(now, SETTLED);
                    return (Ok(bytes), if counts { Seen::State(before) } else { Seen::Unknown });
                }
                Ok(_) => {}
                Err(Failure::NotFound) => return (Err(Failure::NotFound), Seen::Nothing),
                Err(other) => return (Err(other), Seen::Unknown),
            }
        }
        (Err(Failure::Io("it is written to again and again".into())), Seen::Unknown)
    }

    /// What a look at a file would see now.
    pub fn glance(&self, name: &str) -> Seen {
        match self.open(name) {
            Ok(file) => fstat(&file).map_or(Seen::Unknown, |stat| Seen::State(Stamp::of(&stat))),
            Err(Failure::NotFound) => Seen::Nothing,
            Err(_) => Seen::Unknown,
        }
    }

    fn read_once(&self, name: &str, limit: u64) -> Result<(Vec<u8>, Stamp, Stamp, bool), Failure> {
        let file = self.open(name)?;
        let io = |cause: rustix::io::Errno| Failure::Io(cause.to_string());
        let before = fstat(&file).map_err(io)?;
        if directory::kind(&before) != Some(Kind::Object) {
            return Err(Failure::WrongKind);
        }
        let before = Stamp::of(&before);
        if before.size > limit {
            return Err(Failure::TooLarge(before.size));
        }
        let mut bytes = Vec::new();
        let read = (&file).take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|cause| Failure::Io(cause.to_string()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(Failure::TooLarge(limit));
        }
        let after = Stamp::of(&fstat(&file).map_err(io)?);
        let trusted = fstatfs(&file).is_ok_and(|kind| directory::is_trusted(kind.f_type));
        Ok((bytes, before, after, trusted))
    }

    fn open(&self, name: &str) -> Result<File, Failure> {
        let opened = match self {
            Self::Nothing => return Err(Failure::NotFound),
            Self::Directory(directory) => {
                let key = Key::parse(name)?;
                let mut options = OpenOptions::new();
                // A pipe that lies there would be waited for.
                options.read(true).custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0));
                directory.open_with(key.as_str(), &options).map(cap_std::fs::File::into_std)
            }
            Self::Files(files) => {
                let (_, open) = files.iter().find(|(known, _)| known == name).ok_or(Failure::NotFound)?;
                open()
            }
        };
        opened.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Failure::NotFound,
            _ => Failure::Io(cause.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, path::Path};

    use cap_std::ambient_authority;

    use super::*;

    fn granted(path: &Path) -> Grant {
        Grant::Directory(Dir::open_ambient_dir(path, ambient_authority()).unwrap())
    }

    fn age(path: &Path) {
        let old = SystemTime::now() - Duration::from_secs(60);
        File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }

    #[test]
    fn what_lies_below_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("granted");
        std::fs::create_dir_all(inner.join("sub")).unwrap();
        std::fs::write(dir.path().join("outside"), "no").unwrap();
        std::fs::write(inner.join("sub/file"), "yes").unwrap();
        symlink("sub/file", inner.join("within")).unwrap();
        symlink("../outside", inner.join("leaves")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, inner.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        let grant = granted(&inner);
        for name in ["sub/file", "within"] {
            assert_eq!(grant.read(name, 100).0, Ok(b"yes".to_vec()), "{name}");
        }
        for name in ["leaves", "../outside", "/etc/hostname", "", "sub/../../outside"] {
            assert!(grant.read(name, 100).0.is_err(), "{name}");
        }
        assert_eq!(grant.read("pipe", 100).0, Err(Failure::WrongKind));
        assert_eq!(grant.read("sub", 100).0, Err(Failure::WrongKind));
        assert_eq!(grant.read("sub/file", 2).0, Err(Failure::TooLarge(3)));
        assert_eq!(grant.read("none", 100), (Err(Failure::NotFound), Seen::Nothing));
        assert_eq!(Grant::Nothing.read("sub/file", 100).0, Err(Failure::NotFound));
    }

    #[test]
    fn a_change_is_seen_and_a_young_file_is_not_relied_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "a").unwrap();
        let grant = granted(dir.path());
        // Its ctime is of just now, whatever its mtime says.
        age(&path);
        assert_eq!(grant.read("file", 100), (Ok(b"a".to_vec()), Seen::Unknown));
        let seen = grant.glance("file");
        assert_eq!(grant.glance("file"), seen);
        std::fs::write(dir.path().join("other"), "b").unwrap();
        std::fs::rename(dir.path().join("other"), &path).unwrap();
        assert_ne!(grant.glance("file"), seen);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(grant.glance("file"), Seen::Nothing);
    }

    #[test]
    fn files_are_known_by_the_names_that_they_were_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("elsewhere");
        std::fs::write(&path, "a").unwrap();
        let open: Opener = Box::new(move || File::open(&path));
        let grant = Grant::Files(vec![("users".into(), open)]);
        assert_eq!(grant.read("users", 100).0, Ok(b"a".to_vec()));
        assert_eq!(grant.read("elsewhere", 100).0, Err(Failure::NotFound));
    }
}
