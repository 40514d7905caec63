//! What lies some levels below a directory, in order and in bounded steps.

use std::vec;

use crate::host::{Failure, Kind, Storage};

/// Names asked for at a time.
const PAGE: u32 = 256;

/// Walks what is `depth` levels below a root: directories at that depth, and
/// objects at any. Paths are relative to the root, and come in order.
pub struct Descent<'a, S: Storage + ?Sized> {
    storage: &'a S,
    root: String,
    depth: usize,
    levels: Vec<Level>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A path, and what is there.
    Found(String, Kind),
    /// The budget is used up.
    Cut,
    /// There is nothing more.
    End,
}

struct Level {
    path: String,
    names: vec::IntoIter<(String, Kind)>,
    last: Option<String>,
    more: bool,
}

impl<'a, S: Storage + ?Sized> Descent<'a, S> {
    /// A walk of what comes after a path that an earlier one found.
    pub fn new(storage: &'a S, root: &str, depth: usize, after: Option<&str>) -> Self {
        let mut levels = Vec::new();
        let mut path = String::new();
        for name in after.into_iter().flat_map(|after| after.split('/')).take(depth) {
            levels.push(Level { last: Some(name.to_owned()), ..Level::new(path.clone()) });
            path = join(&path, name);
        }
        if levels.is_empty() {
            levels.push(Level::new(path));
        }
        Self { storage, root: root.to_owned(), depth, levels }
    }

    /// The next one. Each listing takes one of the looks that are `left`.
    pub fn next(&mut self, left: &mut u32) -> Result<Next, Failure> {
        while let Some(level) = self.levels.last_mut() {
            match level.names.next() {
                Some((name, kind)) => {
                    let path = join(&level.path, &name);
                    level.last = Some(name);
                    if kind == Kind::Object || self.levels.len() == self.depth {
                        return Ok(Next::Found(path, kind));
                    }
                    self.levels.push(Level::new(path));
                }
                None if level.more && *left == 0 => return Ok(Next::Cut),
                None if level.more => {
                    *left -= 1;
                    let directory = join(&self.root, &level.path);
                    match self.storage.page(&directory, level.last.as_deref(), PAGE) {
                        Ok(listing) => {
                            level.more = listing.more && !listing.entries.is_empty();
                            level.names = listing.entries.into_iter();
                        }
                        Err(Failure::NotFound | Failure::WrongKind) => level.more = false,
                        Err(failure) => return Err(failure),
                    }
                }
                None => {
                    self.levels.pop();
                }
            }
        }
        Ok(Next::End)
    }
}

impl Level {
    fn new(path: String) -> Self {
        Self { path, names: Vec::new().into_iter(), last: None, more: true }
    }
}

fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn all_is_found_once_in_steps_of_any_size() {
        let memory = Memory::new(0);
        for key in ["r/a/1/data", "r/a/2/data", "r/b/file", "r/c/3/data", "r/stray", "r/c/4/x/y"] {
            memory.plant(key, b"x");
        }
        let expected = ["a/1", "a/2", "b/file", "c/3", "c/4", "stray"];
        for budget in [1, 2, 3, 100] {
            let (mut found, mut after, mut steps) = (Vec::new(), None::<String>, 0);
            'steps: loop {
                let mut left = budget;
                let mut descent = Descent::new(&memory, "r", 2, after.as_deref());
                let mut moved = false;
                loop {
                    match descent.next(&mut left) {
                        Ok(Next::Found(path, _)) => {
                            found.push(path.clone());
                            after = Some(path);
                            moved = true;
                        }
                        Ok(Next::Cut) if moved || budget > 3 => break,
                        // So small a budget leads nowhere: steps have more.
                        Ok(Next::Cut) => left = 1,
                        _ => break 'steps,
                    }
                }
                steps += 1;
                assert!(steps < 50, "it ends");
            }
            assert_eq!(found, expected, "{budget}");
        }
        assert_eq!(Descent::new(&memory, "nowhere", 2, None).next(&mut 9), Ok(Next::End));
    }
}
