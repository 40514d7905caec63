//! What is done to a volume, in order, and what is answered meanwhile.

use std::{
    collections::HashMap,
    fs,
    io::{BufWriter, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use skerry_tests::supervisor::Event;

use super::{
    calls::{self, at, open},
    memory,
    ptrace::Thread,
};

/// Bytes of a request's head that are looked at.
const HEAD: usize = 4096;

/// Writes events to a file.
pub struct Record {
    volume: PathBuf,
    file: BufWriter<fs::File>,
    /// By connection, the number of the request that is being answered.
    requests: HashMap<u64, u64>,
}

/// A call that was entered.
pub enum Noted {
    /// It is this, if it succeeds.
    Event(Event),
    /// It opens something, perhaps for the first time.
    Create { dir: u64, name: String },
    /// It makes a directory.
    Make { dir: u64, name: String, path: PathBuf },
    /// It writes these bytes, or the first of them; at a place that the kernel
    /// knows, where it says none.
    Write { file: u64, inode: u64, offset: Option<u64>, bytes: Vec<u8> },
    /// It receives from a connection.
    Receive { socket: u64, address: u64 },
}

impl Noted {
    /// Whether it changes the volume or syncs some of it.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Receive { .. })
    }
}

impl Record {
    pub fn new(volume: &Path, file: &Path) -> Self {
        let mut record = Self {
            volume: volume.to_owned(),
            file: BufWriter::new(fs::File::create(file).unwrap()),
            requests: HashMap::new(),
        };
        let inode = fs::metadata(volume).unwrap().ino();
        record.write(&Event::Root { inode });
        record
    }

    fn write(&mut self, event: &Event) {
        writeln!(self.file, "{}", serde_json::to_string(event).unwrap()).unwrap();
        self.file.flush().unwrap();
    }

    /// Reads a call that is about to happen.
    pub fn entry(&mut self, thread: Thread, number: i64, arguments: [u64; 6]) -> Option<Noted> {
        match number {
            libc::SYS_read | libc::SYS_recvfrom if is_socket(thread, arguments[0]) => {
                return Some(Noted::Receive { socket: arguments[0], address: arguments[1] });
            }
            libc::SYS_write | libc::SYS_sendto | libc::SYS_writev | libc::SYS_sendmsg
                if is_socket(thread, arguments[0]) =>
            {
                self.sent(thread, number, &arguments);
                return None;
            }
            _ => {}
        }
        assert!(!calls::unforeseen(thread, &self.volume, number, &arguments), "call {number} is not understood");
        let call = calls::read(thread, &self.volume, number, arguments)?;
        let (file, inode) = (arguments[0], || inode(thread, arguments[0]));
        Some(match number {
            libc::SYS_openat | libc::SYS_openat2 if call.kind == skerry_tests::supervisor::Kind::Create => {
                let (dir, name) = place(thread, arguments[0], arguments[1])?;
                Noted::Create { dir, name }
            }
            libc::SYS_mkdirat => {
                let (dir, name) = place(thread, arguments[0], arguments[1])?;
                Noted::Make { dir, name, path: self.volume.join(call.path) }
            }
            libc::SYS_write => {
                let bytes = memory::bytes(thread, arguments[1], arguments[2] as usize).ok()?;
                Noted::Write { file, inode: inode()?, offset: None, bytes }
            }
            libc::SYS_pwrite64 => {
                let bytes = memory::bytes(thread, arguments[1], arguments[2] as usize).ok()?;
                Noted::Write { file, inode: inode()?, offset: Some(arguments[3]), bytes }
            }
            libc::SYS_writev | libc::SYS_pwritev | libc::SYS_pwritev2 => {
                let slices = memory::slices(thread, arguments[1], arguments[2]);
                let read = |(address, length)| memory::bytes(thread, address, length as usize);
                let bytes = slices.into_iter().map(read).collect::<Result<Vec<_>, _>>().ok()?.concat();
                let offset = (number != libc::SYS_writev).then_some(arguments[3]);
                Noted::Write { file, inode: inode()?, offset, bytes }
            }
            libc::SYS_ftruncate => Noted::Event(Event::Cut { inode: inode()?, size: arguments[1] }),
            libc::SYS_fsync | libc::SYS_fdatasync => Noted::Event(Event::Sync { inode: inode()? }),
            libc::SYS_syncfs => Noted::Event(Event::SyncAll),
            libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => {
                let (dir, name) = place(thread, arguments[0], arguments[1])?;
                let (to, new) = place(thread, arguments[2], arguments[3])?;
                Noted::Event(if number == libc::SYS_linkat {
                    Event::Link { dir, name, to, new }
                } else {
                    Event::Rename { dir, name, to, new }
                })
            }
            libc::SYS_unlinkat => {
                let (dir, name) = place(thread, arguments[0], arguments[1])?;
                Noted::Event(Event::Unlink { dir, name })
            }
            _ => return None,
        })
    }

    /// A call has happened.
    pub fn exit(&mut self, thread: Thread, noted: Noted, value: i64) {
        if value < 0 {
            return;
        }
        match noted {
            Noted::Event(event) => self.write(&event),
            Noted::Create { dir, name } => {
                let inode = inode(thread, value.cast_unsigned()).expect("what was just opened is open");
                self.write(&Event::Create { dir, name, inode });
            }
            Noted::Make { dir, name, path } => {
                let inode = fs::symlink_metadata(&path).expect("what was just made is there").ino();
                self.write(&Event::Make { dir, name, inode });
            }
            Noted::Write { file, inode, offset, mut bytes } => {
                bytes.truncate(value as usize);
                let end = position(thread, file);
                let offset = offset.unwrap_or_else(|| end.saturating_sub(value.cast_unsigned()));
                self.write(&Event::Write { inode, offset, bytes });
            }
            Noted::Receive { socket, address } => {
                let head = memory::some(thread, address, HEAD.min(value as usize));
                if let Some(number) = number_after(&String::from_utf8_lossy(&head).to_lowercase(), "\r\nx-number: ") {
                    self.requests.insert(socket, number);
                }
            }
        }
    }

    /// An answer is about to be sent.
    fn sent(&mut self, thread: Thread, number: i64, arguments: &[u64; 6]) {
        let address = match number {
            libc::SYS_writev => memory::slices(thread, arguments[1], 1).first().map(|(address, _)| *address),
            // `msg_iov` of `msghdr`.
            libc::SYS_sendmsg => memory::slices(thread, arguments[1] + 16, 1)
                .first()
                .and_then(|(slices, _)| memory::slices(thread, *slices, 1).first().map(|(address, _)| *address)),
            _ => Some(arguments[1]),
        };
        let head = String::from_utf8_lossy(&memory::some(thread, address.unwrap_or(0), 16)).into_owned();
        if let Some(status) = number_after(&head, "HTTP/1.1 ").filter(|status| *status >= 200)
            && let Some(number) = self.requests.remove(&arguments[0])
        {
            self.write(&Event::Sent { number, status: status as u16 });
        }
    }
}

/// The directory that a path is in, and its last name.
fn place(thread: Thread, directory: u64, name: u64) -> Option<(u64, String)> {
    let path = at(thread, directory, &memory::text(thread, name)?)?;
    let metadata = fs::metadata(path.parent()?).ok()?;
    Some((metadata.ino(), path.file_name()?.to_str()?.to_owned()))
}

fn inode(thread: Thread, file: u64) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{thread}/fd/{file}")).ok()?.ino())
}

fn is_socket(thread: Thread, file: u64) -> bool {
    open(thread, file).is_some_and(|path| path.to_string_lossy().starts_with("socket:"))
}

/// Where the next bytes of an open file are read or written.
fn position(thread: Thread, file: u64) -> u64 {
    let text = fs::read_to_string(format!("/proc/{thread}/fdinfo/{file}")).unwrap_or_default();
    number_after(&text, "pos:\t").unwrap_or(0)
}

/// The number that follows a name in a text.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = &text[text.find(name)? + name.len()..];
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}
