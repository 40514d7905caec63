//! What the tests say to `tests/supervise`, the program that the registry runs
//! under when its system calls are to fail, or to be written down.
//!
//! The real program runs, on a real directory: it is at the boundary to the
//! kernel that something happens, so nothing in the registry knows of it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{Options, Registry};

const PATIENCE: Duration = Duration::from_secs(60);

/// Kinds of system calls on files and directories of the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Opening what is there.
    Open,
    /// Opening with `O_CREAT`.
    Create,
    /// `mkdir`.
    Make,
    /// Reading bytes.
    Read,
    /// Reading a directory.
    List,
    /// Asking for size, times and the like.
    Look,
    /// Writing bytes.
    Write,
    /// Cutting a file.
    Cut,
    /// `fsync`, of a file or a directory.
    Sync,
    /// `syncfs`.
    SyncAll,
    /// `rename`.
    Rename,
    /// `link`.
    Link,
    /// `unlink` and `rmdir`.
    Unlink,
    /// `flock`.
    Lock,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Open,
        Self::Create,
        Self::Make,
        Self::Read,
        Self::List,
        Self::Look,
        Self::Write,
        Self::Cut,
        Self::Sync,
        Self::SyncAll,
        Self::Rename,
        Self::Link,
        Self::Unlink,
        Self::Lock,
    ];

    /// What can become of such a call on a bad day.
    pub fn actions(self) -> &'static [Action] {
        use Action::{Done, Fail, Full, Short};
        match self {
            Self::Open => &[Fail(Errno::EIO), Fail(Errno::EMFILE)],
            Self::Create => &[Fail(Errno::ENOSPC), Fail(Errno::EIO), Fail(Errno::EMFILE), Fail(Errno::EROFS)],
            Self::Make => &[Fail(Errno::ENOSPC), Fail(Errno::EIO), Fail(Errno::EROFS)],
            Self::Read | Self::List | Self::Look => &[Fail(Errno::EIO)],
            Self::Write => &[Fail(Errno::ENOSPC), Fail(Errno::EDQUOT), Fail(Errno::EIO), Short, Full],
            Self::Cut => &[Fail(Errno::EIO), Fail(Errno::EROFS)],
            Self::Sync | Self::SyncAll => &[Fail(Errno::EIO), Fail(Errno::ENOSPC)],
            Self::Rename | Self::Link => &[Fail(Errno::ENOSPC), Fail(Errno::EIO), Fail(Errno::EROFS), Done(Errno::EIO)],
            Self::Unlink => &[Fail(Errno::EIO), Fail(Errno::EROFS), Done(Errno::EIO)],
            Self::Lock => &[Fail(Errno::EIO)],
        }
    }
}

/// Errors of the kernel, by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, clippy::upper_case_acronyms, reason = "the kernel's names")]
pub enum Errno {
    EDQUOT,
    EIO,
    EMFILE,
    ENOSPC,
    EROFS,
}

impl Errno {
    /// Its number.
    pub fn number(self) -> i32 {
        match self {
            Self::EDQUOT => libc::EDQUOT,
            Self::EIO => libc::EIO,
            Self::EMFILE => libc::EMFILE,
            Self::ENOSPC => libc::ENOSPC,
            Self::EROFS => libc::EROFS,
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It does nothing, and fails.
    Fail(Errno),
    /// It does what it should, and says that it failed.
    Done(Errno),
    /// It writes the first half only.
    Short,
    /// It writes the first half only, and the next write finds no room.
    Full,
    /// It waits until it is let go.
    Hold,
}

impl Action {
    /// The error that the registry sees.
    pub fn errno(self) -> Option<Errno> {
        match self {
            Self::Fail(errno) | Self::Done(errno) => Some(errno),
            Self::Full => Some(Errno::ENOSPC),
            Self::Short | Self::Hold => None,
        }
    }
}

/// What is to happen, and to which calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Fault {
    /// To the `nth` call (from 0) of a kind, and to all of the kind after it
    /// if it is to last.
    Nth {
        /// Which calls are counted.
        kind: Kind,
        /// How many come before.
        nth: u64,
        /// What happens.
        action: Action,
        /// Whether it lasts.
        lasting: bool,
    },
    /// To each call with a probability, something that can happen to it.
    Random {
        /// Of the random numbers.
        seed: u64,
        /// Of a thousand calls, so many.
        permille: u64,
    },
}

/// A call that something happened to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fired {
    /// Its kind.
    pub kind: Kind,
    /// The call's own name.
    pub call: String,
    /// The file or directory, by its path on the volume.
    pub path: PathBuf,
    /// What happened.
    pub action: Action,
}

/// What a test asks of the supervisor; each is answered by one line.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Something is to happen from now on.
    Arm(Fault),
    /// Nothing is to happen any more. Answered by a list of [`Fired`].
    Disarm,
    /// Answered by how many calls are held.
    Held,
}

/// One thing that was done to a volume, or an answer that was sent; names are
/// those in the directory `dir`, which is an inode.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are what the calls are given")]
pub enum Event {
    /// The volume itself.
    Root { inode: u64 },
    /// A name was opened with `O_CREAT`; it may have been there.
    Create { dir: u64, name: String, inode: u64 },
    /// A directory was made.
    Make { dir: u64, name: String, inode: u64 },
    /// Bytes were written.
    Write { inode: u64, offset: u64, bytes: Vec<u8> },
    /// A file was cut, or made longer.
    Cut { inode: u64, size: u64 },
    /// A file or a directory was synced.
    Sync { inode: u64 },
    /// All of it was synced.
    SyncAll,
    /// Something got another name.
    Rename { dir: u64, name: String, to: u64, new: String },
    /// Something got one more name.
    Link { dir: u64, name: String, to: u64, new: String },
    /// A name was removed.
    Unlink { dir: u64, name: String },
    /// The request with this number in its field `x-number` is being answered.
    Sent { number: u64, status: u16 },
}

/// A registry that runs under the supervisor, and a volume that outlives it.
pub struct Supervised {
    /// The registry. Its process is the supervisor's; signals are passed on.
    pub registry: Registry,
    // After the registry, so that it has ended when these are removed.
    directory: TempDir,
}

impl Supervised {
    /// Starts one on a new volume. `program` is the supervisor; with `record`
    /// it writes down what is done to the volume.
    pub fn start(program: &str, record: bool, options: Options) -> Self {
        let directory = tempfile::Builder::new().prefix("skerry-supervised-").tempdir().unwrap();
        let volume = directory.path().join("volume");
        fs::create_dir(&volume).unwrap();
        // Both are known to the supervisor by their real paths.
        let directory_path = directory.path().canonicalize().unwrap();
        let mut through = vec![program.to_owned()];
        for path in ["volume", "control", "record"].iter().take(if record { 3 } else { 2 }) {
            through.push(directory_path.join(path).display().to_string());
        }
        through.push("--".to_owned());
        let volume = Some(directory_path.join("volume"));
        let registry = Registry::start(Options { volume, through, ..options });
        Self { registry, directory }
    }

    /// Something is to happen from now on.
    pub fn arm(&self, fault: Fault) {
        self.order::<()>(&Order::Arm(fault));
    }

    /// Nothing is to happen any more, and what is held goes on; returns what
    /// happened.
    pub fn disarm(&self) -> Vec<Fired> {
        self.order(&Order::Disarm)
    }

    /// Waits until a call is held.
    #[track_caller]
    pub fn wait_held(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.order::<usize>(&Order::Held) == 0 {
            assert!(Instant::now() < deadline, "no call came that could be held");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was written down so far.
    pub fn events(&self) -> Vec<Event> {
        let file = fs::File::open(self.directory.path().join("record")).unwrap();
        BufReader::new(file).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }

    fn order<T: for<'a> Deserialize<'a>>(&self, order: &Order) -> T {
        let mut socket = UnixStream::connect(self.directory.path().join("control")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(socket, "{}", serde_json::to_string(order).unwrap()).unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{order:?}: {error}: {line:?}"))
    }
}
