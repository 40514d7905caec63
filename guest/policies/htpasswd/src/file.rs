//! The file: a line for each user, `user:hash`.

use skerry_sdk::Failed;

/// The largest file, in bytes.
pub const LARGEST: u64 = 1024 * 1024;
/// Users that are looked at; what follows is not there.
const MOST: usize = 10_000;
/// The most expensive hash: beyond it, each step of which doubles the time, a
/// few wrong passwords would keep the machine busy.
const HIGHEST_COST: u32 = 14;
/// The cost of a user that is not there, where nobody is.
const USUAL_COST: u32 = 10;
/// The most lines of warnings.
const WARNINGS: usize = 63;

/// What is known of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A hash that is taken.
    Bcrypt {
        /// The whole of it, `$2y$10$…`.
        hash: &'a str,
        /// 4 to 14.
        cost: u32,
    },
    /// One that is not; its kind.
    Other(&'static str),
}

/// The users of a file.
#[derive(Debug)]
pub struct Users<'a> {
    entries: Vec<(&'a str, Entry<'a>)>,
    /// The first line that is none, counted from 1.
    broken: Option<usize>,
    more: bool,
}

impl<'a> Users<'a> {
    /// Reads it. Empty lines and those that begin with `#` say nothing.
    pub fn parse(text: &'a str) -> Self {
        let (mut entries, mut broken) = (Vec::new(), None);
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(':') {
                Some((user, hash)) if entries.len() < MOST => entries.push((user, entry(hash))),
                Some(_) => return Self { entries, broken, more: true },
                None => broken = broken.or(Some(number)),
            }
        }
        Self { entries, broken, more: false }
    }

    /// What is known of a user; where there are several lines, by the last, as
    /// distribution does.
    pub fn find(&self, user: &str) -> Option<Entry<'a>> {
        self.entries.iter().rev().find(|(name, _)| *name == user).map(|(_, entry)| *entry)
    }

    /// The cost of a look-up of somebody who is not there: that of one of the
    /// others, always of the same one, so that names cannot be told apart by
    /// it, where costs differ.
    pub fn cost_for(&self, user: &str) -> u32 {
        let costs: Vec<u32> = self
            .entries
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Bcrypt { cost, .. } => Some(*cost),
                Entry::Other(_) => None,
            })
            .collect();
        let sum = user.bytes().fold(5381_usize, |sum, byte| sum.wrapping_mul(33) ^ usize::from(byte));
        let chosen = sum.checked_rem(costs.len()).and_then(|index| costs.get(index));
        chosen.copied().unwrap_or(USUAL_COST)
    }

    /// What the operator should know.
    ///
    /// # Errors
    /// A line is none, or there are too many.
    pub fn warnings(&self, file: &str) -> Result<Vec<String>, Failed> {
        if let Some(line) = self.broken {
            return Err(format!("{file}: line {line} is not `user:hash`").into());
        }
        if self.more {
            return Err(format!("{file}: more than {MOST} users").into());
        }
        let mut warnings: Vec<String> = self
            .entries
            .iter()
            .filter_map(|(user, entry)| match entry {
                Entry::Bcrypt { .. } => None,
                Entry::Other(kind) => {
                    Some(format!("{file}: {user:?} is never let in: the password is hashed by {kind}; bcrypt is taken"))
                }
            })
            .take(WARNINGS)
            .collect();
        if self.entries.is_empty() {
            warnings.push(format!("{file}: there are no users"));
        }
        Ok(warnings)
    }
}

fn entry(hash: &str) -> Entry<'_> {
    let cost = ["$2y$", "$2a$", "$2b$"].iter().find_map(|version| hash.strip_prefix(version)).map(|rest| {
        let digits = rest.split_once('$').map(|(digits, _)| digits);
        digits
            .filter(|digits| digits.len() == 2 && hash.len() == 60 && hash.is_ascii())
            .and_then(|digits| digits.parse().ok())
    });
    match cost {
        Some(Some(cost @ 4..=HIGHEST_COST)) => Entry::Bcrypt { hash, cost },
        Some(Some(15..)) => Entry::Other("bcrypt of a cost above 14"),
        Some(_) => Entry::Other("a broken bcrypt"),
        None if hash.starts_with("$apr1$") || hash.starts_with("$1$") => Entry::Other("MD5"),
        None if hash.starts_with("{SHA}") => Entry::Other("SHA-1"),
        None if hash.starts_with("$5$") || hash.starts_with("$6$") => Entry::Other("SHA-2 crypt"),
        None if hash.starts_with("$2x$") => Entry::Other("the broken bcrypt of crypt_blowfish"),
        None => Entry::Other("crypt, or not at all"),
    }
}
