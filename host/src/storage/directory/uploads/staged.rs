//! Bytes of uploads that are not finished, by whom they count for.
//!
//! Nobody has more of them than one may, in however many uploads they are. An
//! upload counts for whoever was named first, as long as it is there. Who that
//! is lies in a small file of the host's own, written about every minute and
//! at the end, so that an upload goes on to count after a restart; what a
//! killed process did not write down counts again when somebody goes on with
//! it. Several hosts on one volume add to one file.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::io::Errno;

use crate::storage::{
    Failure, Key, Kind,
    directory::{
        Inner,
        locks::guard,
        own, stamp,
        tree::{Tree, Wait},
    },
};

/// The host's own file.
const FILE: &str = "staged";
const FORM: &str = "skerry staged 1\n";
/// Bytes of it.
const LARGEST: usize = 64 << 20;
/// Bytes of the longest name of a holder.
const LONGEST: usize = 1 << 10;
/// Uploads that are known while nobody uses them; one more counts only while
/// it is open.
const MOST: usize = 65_536;
/// Uploads looked at in one round.
const LOOKS: usize = 10_000;

/// What unfinished uploads hold, and for whom.
pub(in crate::storage::directory) struct Staged {
    /// Bytes that one holder may have; 0 for any number.
    most: u64,
    books: Mutex<Books>,
    refused: AtomicU64,
}

#[derive(Default)]
struct Books {
    holders: HashMap<Arc<str>, u64>,
    uploads: BTreeMap<Key, Known>,
    /// The last upload that was looked at.
    looked: Option<Key>,
}

struct Known {
    holder: Arc<str>,
    bytes: u64,
    /// Whether a [`Charge`] answers for it.
    open: bool,
}

/// What one open upload holds. It is given back when this is dropped.
pub(super) struct Charge {
    staged: Arc<Staged>,
    key: Option<Key>,
    /// Nobody yet, or not any more: then nothing counts.
    holder: Option<Arc<str>>,
    bytes: u64,
}

impl Staged {
    pub(in crate::storage::directory) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, books: Mutex::default(), refused: AtomicU64::new(0) })
    }

    /// Bytes that count for somebody, and how often there was no more room for
    /// somebody's.
    pub(in crate::storage::directory) fn count(&self) -> (u64, u64) {
        let bytes = guard(&self.books).holders.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        (bytes, self.refused.load(Ordering::Relaxed))
    }

    /// An upload that is new.
    pub(super) fn begin(self: &Arc<Self>, key: Option<Key>) -> Charge {
        Charge { staged: self.clone(), key, holder: None, bytes: 0 }
    }

    /// An upload that was found with so many bytes. It counts for whom it did
    /// before, or for nobody yet.
    pub(super) fn resume(self: &Arc<Self>, key: Key, bytes: u64) -> Charge {
        let mut books = guard(&self.books);
        let holder = books.uploads.get_mut(&key).map(|known| {
            known.open = true;
            known.holder.clone()
        });
        if holder.is_some() {
            books.set(&key, bytes);
        }
        drop(books);
        Charge { staged: self.clone(), key: Some(key), holder, bytes }
    }

    /// The upload is not there any more, and nobody has it open.
    pub(super) fn forget(&self, key: &Key) {
        let mut books = guard(&self.books);
        if books.uploads.get(key).is_some_and(|known| !known.open) {
            books.remove(key);
        }
    }

    /// Takes in what the text names and is not known here.
    fn adopt(&self, text: &[u8], size: impl Fn(&Key) -> Size) {
        let Some(lines) = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix(FORM)) else { return };
        for line in lines.lines().take(MOST) {
            let Ok((key, holder)) = serde_json::from_str::<(String, String)>(line) else { continue };
            let Ok(key) = Key::parse(&key) else { continue };
            let known = |books: &Books| books.uploads.contains_key(&key) || books.uploads.len() >= MOST;
            if holder.len() > LONGEST || known(&guard(&self.books)) {
                continue;
            }
            // Not under the lock: a disk may have to be waited for.
            let Size::Bytes(bytes @ 1..) = size(&key) else { continue };
            let mut books = guard(&self.books);
            if !known(&books) {
                books.list(&key, &holder.into(), 0, false);
                books.set(&key, bytes);
            }
        }
    }

    /// Looks whether uploads that nobody has open are still there, some of
    /// them in each round: others may have finished or removed them.
    fn look(&self, size: impl Fn(&Key) -> Size) {
        let keys: Vec<Key> = {
            let mut books = guard(&self.books);
            let from = books.looked.take().map_or(Bound::Unbounded, Bound::Excluded);
            let parked = books.uploads.range((from, Bound::Unbounded)).filter(|(_, known)| !known.open);
            let keys: Vec<Key> = parked.map(|(key, _)| key.clone()).take(LOOKS).collect();
            books.looked = keys.last().filter(|_| keys.len() == LOOKS).cloned();
            keys
        };
        for key in keys {
            let size = size(&key);
            let mut books = guard(&self.books);
            if books.uploads.get(&key).is_some_and(|known| !known.open) {
                match size {
                    Size::Gone | Size::Bytes(0) => books.remove(&key),
                    Size::Bytes(bytes) => books.set(&key, bytes),
                    Size::Unknown => {}
                }
            }
        }
    }

    /// What is to be written down: who holds what. How much is told by the
    /// uploads themselves.
    fn text(&self) -> Vec<u8> {
        let books = guard(&self.books);
        let mut text = if books.uploads.is_empty() { Vec::new() } else { FORM.as_bytes().to_vec() };
        for (key, known) in &books.uploads {
            let line = serde_json::json!([key.as_str(), &*known.holder]).to_string();
            if text.len() + line.len() >= LARGEST {
                break;
            }
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        text
    }

    /// Adds bytes to a holder's, within what one may have.
    fn take(&self, key: Option<&Key>, holder: &Arc<str>, bytes: u64, before: u64) -> Result<(), Failure> {
        let mut books = guard(&self.books);
        let held = books.holders.get(holder).copied().unwrap_or(0);
        if self.most > 0 && held.saturating_add(bytes) > self.most {
            drop(books);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::TooMuchStaged);
        }
        books.add(holder, bytes);
        if let Some(key) = key {
            books.list(key, holder, before, true);
            if let Some(known) = books.uploads.get_mut(key) {
                known.bytes = before.saturating_add(bytes);
            }
        }
        Ok(())
    }
}

/// What is found of an upload.
enum Size {
    Bytes(u64),
    Gone,
    /// The disk does not say just now.
    Unknown,
}

fn size(tree: &Tree, key: &Key) -> Size {
    match tree.look(Some(key), Wait::Yes) {
        Ok(stat) if stamp::kind(&stat) == Some(Kind::Object) => Size::Bytes(stamp::size(&stat)),
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Size::Gone,
        Err(_) => Size::Unknown,
    }
}

/// Reads what was written down before, at the start.
pub(in crate::storage::directory) fn load(inner: &Inner) {
    let Ok(stage) = inner.stage(None) else { return };
    match own::read(stage.home(), FILE, LARGEST as u64) {
        Ok(text) => inner.uploads.staged.adopt(&text.unwrap_or_default(), |key| size(&inner.tree, key)),
        Err(failure) => tracing::warn!("whom unfinished uploads count for cannot be read: {failure}"),
    }
}

/// Looks what became of uploads, and writes down whom they count for.
pub(in crate::storage::directory) fn settle(inner: &Inner) {
    let Ok(stage) = inner.stage(None) else { return };
    let staged = &inner.uploads.staged;
    let size = |key: &Key| size(&inner.tree, key);
    staged.look(size);
    let write = |text: Option<Vec<u8>>| {
        staged.adopt(text.as_deref().unwrap_or_default(), size);
        staged.text()
    };
    if let Err(failure) = own::change(inner, stage, FILE, LARGEST as u64, write) {
        tracing::warn!("whom unfinished uploads count for cannot be written down: {failure}");
    }
}

impl Books {
    fn add(&mut self, holder: &Arc<str>, bytes: u64) {
        if bytes > 0 {
            let held = self.holders.entry(holder.clone()).or_insert(0);
            *held = held.saturating_add(bytes);
        }
    }

    fn subtract(&mut self, holder: &Arc<str>, bytes: u64) {
        if let Some(held) = self.holders.get_mut(holder) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.holders.remove(holder);
            }
        }
    }

    /// Notes an upload, if there is room for more. Its bytes are counted
    /// already.
    fn list(&mut self, key: &Key, holder: &Arc<str>, bytes: u64, open: bool) {
        let full = self.uploads.len() >= MOST;
        if let Entry::Vacant(place) = self.uploads.entry(key.clone())
            && !full
        {
            place.insert(Known { holder: holder.clone(), bytes, open });
        }
    }

    /// So much is in an upload, whatever was thought.
    fn set(&mut self, key: &Key, bytes: u64) {
        let Some(known) = self.uploads.get_mut(key) else { return };
        let (holder, before) = (known.holder.clone(), std::mem::replace(&mut known.bytes, bytes));
        self.subtract(&holder, before);
        self.add(&holder, bytes);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(known) = self.uploads.remove(key) {
            self.subtract(&known.holder, known.bytes);
        }
    }
}

impl Charge {
    /// Bytes of the upload.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whom the upload counts for, unless it does for somebody already. What
    /// is there counts, though it may be more than one may have.
    pub(super) fn count_for(&mut self, holder: &Arc<str>) {
        if self.holder.is_some() || holder.len() > LONGEST {
            return;
        }
        self.holder = Some(holder.clone());
        if self.bytes > 0 {
            let mut books = guard(&self.staged.books);
            books.add(holder, self.bytes);
            if let Some(key) = &self.key {
                books.list(key, holder, self.bytes, true);
            }
        }
    }

    /// Fails where that many bytes more cannot be taken just now.
    pub(super) fn has_room_for(&self, bytes: u64) -> Result<(), Failure> {
        let Some(holder) = &self.holder else { return Ok(()) };
        let held = guard(&self.staged.books).holders.get(holder).copied().unwrap_or(0);
        if self.staged.most > 0 && held.saturating_add(bytes) > self.staged.most {
            self.staged.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::TooMuchStaged);
        }
        Ok(())
    }

    /// Takes bytes, before they are written.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Failure> {
        if let Some(holder) = &self.holder {
            self.staged.take(self.key.as_ref(), holder, bytes, self.bytes)?;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Gives bytes back.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        let Some(holder) = &self.holder else { return };
        let mut books = guard(&self.staged.books);
        books.subtract(holder, bytes);
        if let Some(known) = self.key.as_ref().and_then(|key| books.uploads.get_mut(key)) {
            known.bytes = self.bytes;
        }
    }

    /// The upload is closed and stays: its bytes go on to count.
    pub(super) fn park(&mut self) {
        let Some(holder) = self.holder.take() else { return };
        let mut books = guard(&self.staged.books);
        match self.key.as_ref().and_then(|key| books.uploads.get_mut(key)) {
            Some(known) if self.bytes > 0 => known.open = false,
            _ => self.leave(&mut books, &holder),
        }
    }

    fn leave(&self, books: &mut Books, holder: &Arc<str>) {
        books.subtract(holder, self.bytes);
        if let Some(key) = &self.key {
            books.uploads.remove(key);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(holder) = self.holder.take() {
            self.leave(&mut guard(&self.staged.books), &holder);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::thread;

    use super::*;
    use crate::storage::suite::key;

    fn held(staged: &Staged, holder: &str) -> u64 {
        guard(&staged.books).holders.get(holder).copied().unwrap_or(0)
    }

    fn charge(staged: &Arc<Staged>, at: &str, holder: &str) -> Charge {
        let mut charge = staged.begin(Some(key(at)));
        charge.count_for(&holder.into());
        charge
    }

    #[test]
    fn each_has_a_share() {
        let staged = Staged::new(100);
        let mut one = charge(&staged, "u/1/data", "ann");
        let mut two = charge(&staged, "u/2/data", "ann");
        one.grow(60).unwrap();
        assert_eq!(two.grow(41), Err(Failure::TooMuchStaged));
        assert_eq!(two.has_room_for(41), Err(Failure::TooMuchStaged));
        assert_eq!((two.has_room_for(40), two.grow(40)), (Ok(()), Ok(())));
        // Another has his own.
        let mut other = charge(&staged, "u/3/data", "bob");
        other.grow(100).unwrap();
        assert_eq!(staged.count(), (200, 2));
        // What was cut off, or came to an end, makes room.
        two.shrink(15);
        one.grow(15).unwrap();
        assert_eq!(one.grow(1), Err(Failure::TooMuchStaged));
        drop(two);
        one.grow(25).unwrap();
        drop((one, other));
        assert_eq!(staged.count().0, 0);
        let books = guard(&staged.books);
        assert!(books.holders.is_empty() && books.uploads.is_empty());
    }

    #[test]
    fn nothing_is_bounded_where_there_is_no_bound() {
        let staged = Staged::new(0);
        let mut one = charge(&staged, "u/1/data", "ann");
        one.grow(u64::MAX).unwrap();
        one.grow(1).unwrap();
        drop(one);
        assert_eq!(staged.count(), (0, 0));
    }

    #[test]
    fn many_at_once_take_no_more() {
        let staged = Staged::new(1000);
        let taken: u64 = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let mut one = charge(&staged, &format!("u/{n}/data"), "ann");
                    scope.spawn(move || {
                        let taken = (0..1000).filter(|_| one.grow(1).is_ok()).count() as u64;
                        one.park();
                        taken
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((taken, held(&staged, "ann")), (1000, 1000));
    }

    #[test]
    fn a_closed_upload_counts_for_whom_it_did() {
        let staged = Staged::new(100);
        let mut one = charge(&staged, "u/1/data", "ann");
        one.grow(60).unwrap();
        one.park();
        drop(one);
        assert_eq!(held(&staged, "ann"), 60);
        let mut again = staged.resume(key("u/1/data"), 70);
        again.count_for(&"bob".into());
        assert_eq!((held(&staged, "ann"), held(&staged, "bob")), (70, 0));
        assert_eq!(again.grow(31), Err(Failure::TooMuchStaged));
        staged.forget(&key("u/1/data"));
        assert_eq!(held(&staged, "ann"), 70, "it is open");
        again.park();
        staged.forget(&key("u/1/data"));
        drop(again);
        assert_eq!(staged.count().0, 0);
        // One that nobody was named for counts for who goes on with it, all
        // of it.
        let mut found = staged.resume(key("u/2/data"), 500);
        found.count_for(&"bob".into());
        assert_eq!((held(&staged, "bob"), found.grow(1)), (500, Err(Failure::TooMuchStaged)));
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let staged = Staged::new(100);
        let strange = "principal a\n\"b\"\u{1b}";
        for (at, holder) in [("u/1/data", strange), ("u/2/data", "bob")] {
            let mut one = charge(&staged, at, holder);
            one.grow(10).unwrap();
            one.park();
        }
        let text = staged.text();
        let next = Staged::new(100);
        // Since then, one became larger and the other is gone.
        next.adopt(&text, |upload| if *upload == key("u/1/data") { Size::Bytes(30) } else { Size::Gone });
        assert_eq!((held(&next, strange), held(&next, "bob")), (30, 0));
        // What it knows is not read again.
        next.adopt(&text, |_| Size::Bytes(50));
        assert_eq!((held(&next, strange), held(&next, "bob")), (30, 50));
        next.look(|upload| if *upload == key("u/2/data") { Size::Gone } else { Size::Unknown });
        assert_eq!(next.count().0, 30);
        // Whatever the file holds.
        for text in ["", "skerry staged 2\n", "skerry staged 1\n[1]\n[\"../x\",\"y\"]\nx\n[\"a\",\"b\",\"c\"]\n"] {
            next.adopt(text.as_bytes(), |_| Size::Bytes(1));
        }
        next.adopt(&[0xff; 100], |_| Size::Bytes(1));
        assert_eq!(next.count().0, 30);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let staged = Staged::new(0);
        for n in 0..MOST + 10 {
            let mut one = charge(&staged, &format!("u/{n}/data"), "ann");
            one.grow(1).unwrap();
            one.park();
        }
        assert_eq!(guard(&staged.books).uploads.len(), MOST);
        assert_eq!(held(&staged, "ann"), MOST as u64, "the rest counted while it was open");
    }
}
