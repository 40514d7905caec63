//! Directories of directories, walked in order and in bounded steps.

use super::{Step, unlisted};
use crate::host::{Failure, Kind, Marks, Storage};

/// Names asked for at a time.
const PAGE: u32 = 256;
/// Comes after every name there is in such a tree.
const END: &str = "~";

impl<S: Storage + Marks + ?Sized> Step<'_, S> {
    /// Visits the directories `depth` levels below `root`, after `place.after`,
    /// while there is budget; whether it came to the end.
    pub(super) fn tree(
        &mut self,
        root: &str,
        depth: u32,
        visit: &mut dyn FnMut(&mut Self, &str) -> Result<(), String>,
    ) -> Result<bool, String> {
        let after = self.place.after.clone().unwrap_or_default();
        let after: Vec<&str> = after.split('/').filter(|part| !part.is_empty()).collect();
        let whole = self.level(root, "", depth, &after, visit)?;
        if whole {
            self.place.after = None;
        }
        Ok(whole)
    }

    fn level(
        &mut self,
        root: &str,
        path: &str,
        depth: u32,
        after: &[&str],
        visit: &mut dyn FnMut(&mut Self, &str) -> Result<(), String>,
    ) -> Result<bool, String> {
        let mut last: Option<String> = None;
        if let Some((first, rest)) = after.split_first() {
            last = Some((*first).to_owned());
            if depth > 1 && *first != END && !self.level(root, &join(path, first), depth - 1, rest, visit)? {
                return Ok(false);
            }
        }
        let directory = join(root, path);
        loop {
            if self.left == 0 {
                return Ok(false);
            }
            self.left -= 1;
            let listing = match self.host.page(&directory, last.as_deref(), PAGE) {
                Ok(listing) => listing,
                Err(Failure::NotFound | Failure::WrongKind) => return Ok(true),
                Err(failure) => return Err(unlisted(&directory, &failure)),
            };
            for (name, kind) in listing.entries {
                if self.left == 0 {
                    return Ok(false);
                }
                let below = join(path, &name);
                if kind == Kind::Directory && depth > 1 {
                    if !self.level(root, &below, depth - 1, &[], visit)? {
                        return Ok(false);
                    }
                    self.place.after = Some(join(&below, END));
                } else {
                    if kind == Kind::Directory {
                        self.left -= 1;
                        self.progress.examined += 1;
                        visit(self, &below)?;
                    }
                    self.place.after = Some(below);
                }
                last = Some(name);
            }
            if !listing.more {
                return Ok(true);
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}/{name}"),
    }
}
