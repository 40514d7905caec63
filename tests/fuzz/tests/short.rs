//! The short run: every target with its corpus, and with thousands of changes
//! of it. Each run has another seed, which is said when something fails, and
//! can be set: `SKERRY_FUZZ_SEED`; `SKERRY_FUZZ_RUNS` says how many changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use skerry_fuzz::{TARGETS, Target};

/// Of a cheap target.
const RUNS: usize = 20_000;
/// Bytes of one input.
const LARGEST: usize = 4096;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// A part of something.
    fn part<'a>(&mut self, of: &'a [u8]) -> &'a [u8] {
        let from = self.below(of.len() + 1);
        &of[from..from + self.below((of.len() - from).min(64) + 1)]
    }

    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\0\t\n\r \"%&'*+,-./0123456789:;=?@AZ[\\]_az{|}~\x7f\x80\xc0\xff";
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { self.next() as u8 }
    }

    /// A change of one of the corpus, with parts of others.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let part = self.part(&bytes).to_vec();
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 if at < bytes.len() => bytes[at] = self.byte(),
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                4 => {
                    bytes.splice(at..at, part.repeat(1 + self.below(16)));
                }
                5 => {
                    let end = at + self.below((bytes.len() - at).min(64) + 1);
                    bytes.drain(at..end);
                }
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    let part = self.part(other).to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes.truncate(LARGEST);
        bytes
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs a target; where it fails, says with what.
fn run(target: Target, bytes: &[u8], said: impl FnOnce() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(bytes))) {
        eprintln!("{}, with b\"{}\"", said(), bytes.escape_ascii());
        resume_unwind(panic);
    }
}

fn short(name: &str) {
    let (_, target, share) = TARGETS.iter().find(|(known, ..)| *known == name).unwrap();
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (file, bytes) in &corpus {
        run(*target, bytes, || format!("{name} fails at {}", file.display()));
    }
    let corpus: Vec<_> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("SKERRY_FUZZ_SEED").unwrap_or(clock);
    let runs = number("SKERRY_FUZZ_RUNS").map_or(RUNS, |runs| usize::try_from(runs).unwrap()) * share / 100;
    let mut random = Random(seed);
    for n in 0..runs {
        let bytes = random.input(&corpus);
        run(*target, &bytes, || format!("{name} fails in run {n} of SKERRY_FUZZ_SEED={seed}"));
    }
}

/// Every directory of the corpus is a target's, and every target has a test.
macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                short(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_run() {
            let mut tested = vec![$(stringify!($name)),*];
            tested.sort_unstable();
            let targets: Vec<_> = TARGETS.iter().map(|(name, ..)| *name).collect();
            assert_eq!(tested, targets);
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            for (directory, extension) in [("corpus", ""), ("fuzz_targets", ".rs")] {
                let entries = fs::read_dir(root.join(directory)).unwrap();
                let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
                names.sort_unstable();
                let expected: Vec<_> = targets.iter().map(|name| format!("{name}{extension}")).collect();
                assert_eq!(names, expected);
            }
        }
    };
}

targets! {
    acme, answers, challenges, config, credentials, digests, environment, forwarded, framing, htpasswd, jwks, keys,
    manifests, names, paths, patterns, proxy, ranges, requests, tokens,
}
