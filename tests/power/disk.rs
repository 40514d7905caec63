//! A disk that loses what it was not asked to keep.
//!
//! The weakest that POSIX allows: what a file holds is safe when the file was
//! synced after it was written, and a name in a directory when that directory
//! was synced after the name was made, changed or removed; or when the whole
//! filesystem was. Until then each is
//! as it was, or as it became, or as it was at a moment between, whatever
//! becomes of the others; bytes may have come in part, or as zeros. A rename
//! over a name leaves the old file there or the new one, never none.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use skerry_tests::{content::Noise, supervisor::Event};

/// What is lost of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    All,
    /// The bytes: all names are as they became.
    Content,
    /// Some of it.
    Chance,
    /// Nothing, as when only the process dies.
    None,
}

/// A file or a directory: inodes are used again, these are not.
type Node = usize;

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    bytes: Vec<u8>,
}

/// What a name stands for: by the last sync, and since.
#[derive(Default)]
struct Name {
    synced: Option<Node>,
    since: Vec<Option<Node>>,
}

impl Name {
    fn now(&self) -> Option<Node> {
        *self.since.last().unwrap_or(&self.synced)
    }
}

enum Content {
    File(File),
    Directory(BTreeMap<String, Name>),
}

impl Content {
    fn sync(&mut self) {
        match self {
            Self::File(file) => file.synced.clone_from(&file.bytes),
            Self::Directory(names) => {
                for name in names.values_mut() {
                    name.synced = name.now();
                    name.since.clear();
                }
            }
        }
    }
}

/// All that was done.
pub struct Disk {
    nodes: Vec<Content>,
    inodes: HashMap<u64, Node>,
}

impl Disk {
    /// What events made of an empty volume.
    pub fn after(events: &[Event]) -> Self {
        let mut disk = Self { nodes: Vec::new(), inodes: HashMap::new() };
        for event in events {
            disk.apply(event);
        }
        disk
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Root { inode } => {
                self.node(*inode, Content::Directory(BTreeMap::new()));
            }
            Event::Create { dir, name, inode } => {
                if self.names(*dir).get(name).and_then(Name::now).is_none() {
                    let node = self.node(*inode, Content::File(File::default()));
                    self.set(*dir, name, Some(node));
                }
            }
            Event::Make { dir, name, inode } => {
                let node = self.node(*inode, Content::Directory(BTreeMap::new()));
                self.set(*dir, name, Some(node));
            }
            Event::Write { inode, offset, bytes } => {
                let file = self.file(*inode);
                let (from, to) = (*offset as usize, *offset as usize + bytes.len());
                file.bytes.resize(file.bytes.len().max(to), 0);
                file.bytes[from..to].copy_from_slice(bytes);
            }
            Event::Cut { inode, size } => self.file(*inode).bytes.resize(*size as usize, 0),
            Event::Sync { inode } => self.nodes[self.inodes[inode]].sync(),
            Event::SyncAll => self.nodes.iter_mut().for_each(Content::sync),
            Event::Rename { dir, name, to, new } => {
                let node = self.names(*dir)[name].now();
                self.set(*dir, name, None);
                self.set(*to, new, node);
            }
            Event::Link { dir, name, to, new } => {
                let node = self.names(*dir)[name].now();
                self.set(*to, new, node);
            }
            Event::Unlink { dir, name } => self.set(*dir, name, None),
            Event::Sent { .. } => {}
        }
    }

    fn node(&mut self, inode: u64, content: Content) -> Node {
        self.nodes.push(content);
        self.inodes.insert(inode, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn file(&mut self, inode: u64) -> &mut File {
        match &mut self.nodes[self.inodes[&inode]] {
            Content::File(file) => file,
            Content::Directory(_) => panic!("{inode} is a directory"),
        }
    }

    fn names(&mut self, inode: u64) -> &mut BTreeMap<String, Name> {
        match &mut self.nodes[self.inodes[&inode]] {
            Content::Directory(names) => names,
            Content::File(_) => panic!("{inode} is a file"),
        }
    }

    fn set(&mut self, dir: u64, name: &str, node: Option<Node>) {
        self.names(dir).entry(name.to_owned()).or_default().since.push(node);
    }

    /// Writes what is left of it to a directory.
    pub fn write(&self, to: &Path, loss: Loss, noise: &mut Noise) {
        let mut left = Left { disk: self, loss, noise, written: HashMap::new() };
        left.directory(0, to);
    }
}

/// What is left, while it is written.
struct Left<'a> {
    disk: &'a Disk,
    loss: Loss,
    noise: &'a mut Noise,
    /// Files that have a name already.
    written: HashMap<Node, PathBuf>,
}

impl Left<'_> {
    fn directory(&mut self, node: Node, to: &Path) {
        let Content::Directory(names) = &self.disk.nodes[node] else { return };
        for (name, what) in names {
            let Some(node) = self.choose(what) else { continue };
            let path = to.join(name);
            match &self.disk.nodes[node] {
                Content::Directory(_) => {
                    fs::create_dir(&path).unwrap();
                    self.directory(node, &path);
                }
                Content::File(file) => match self.written.get(&node) {
                    Some(other) => fs::hard_link(other, &path).unwrap(),
                    None => {
                        fs::write(&path, self.bytes(file)).unwrap();
                        self.written.insert(node, path);
                    }
                },
            }
        }
    }

    fn choose(&mut self, name: &Name) -> Option<Node> {
        match self.loss {
            Loss::All => name.synced,
            Loss::Content | Loss::None => name.now(),
            Loss::Chance => match self.noise.below(name.since.len() as u64 + 1) as usize {
                0 => name.synced,
                n => name.since[n - 1],
            },
        }
    }

    fn bytes(&mut self, file: &File) -> Vec<u8> {
        let way = match self.loss {
            Loss::None => 0,
            Loss::All => 1,
            Loss::Content => 1 + self.noise.below(3),
            Loss::Chance => self.noise.below(4),
        };
        let (synced, bytes) = (&file.synced, &file.bytes);
        match way {
            0 => bytes.clone(),
            1 => synced.clone(),
            // Some of it came.
            2 => {
                let same = synced.iter().zip(bytes).take_while(|(old, new)| old == new).count();
                bytes[..same + self.noise.below((bytes.len() - same) as u64 + 1) as usize].to_vec()
            }
            // It is as long as it became, and what came after the sync is
            // not there.
            _ => {
                let at = |n: usize| synced.get(n).copied().unwrap_or(0);
                (0..bytes.len()).map(at).collect()
            }
        }
    }
}
