//! What the command line asks for.

use std::{path::PathBuf, time::Duration};

use crate::{load::Window, servers::Who};

pub const USAGE: &str = "\
cargo bench --workspace --bench peers -- [OPTIONS]

  --only NAME…       workloads whose name contains one of these
  --servers NAME…    these servers: skerry computed twin guarded asked nginx registry3 registry2 disk
  --without NAME…    go on without a server that is not installed
  --rounds N         samples of each (3)
  --quick            small and short: it shows that all works, not how fast (and is
                     not built as it is shipped)
  --json FILE        results
  --svg FILE         a picture of the ratios
  --markdown         a table for README.md, on standard output
  --from FILE        no measurement: picture and tables of results from before
  --profile NAME     where the time of one workload goes, in skerry alone
  --list             the workloads' names
  --dir DIRECTORY    where data lie meanwhile: on a disk (target/)
";

/// How much there is of everything.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Tags, each of a manifest of its own.
    pub tags: usize,
    /// Blobs of 2 KiB.
    pub small: usize,
    /// Blobs that are pulled, in bytes.
    pub large: Vec<u64>,
    /// Blobs that are pushed: each in every way, and one that is pushed once.
    pub pushed: u64,
    pub pushed_once: u64,
    /// One chunk of a chunked push.
    pub chunk: u64,
    /// Clients of images.
    pub clients: usize,
    pub connections: usize,
    /// Tags in one repository, and repositories, of which a page is asked for.
    pub listed: usize,
    /// Starts of a server.
    pub starts: usize,
    pub idle: usize,
    /// Bytes of each of eight pushes at once.
    pub heavy: u64,
    pub window: Window,
}

const MIB: u64 = 1 << 20;

impl Sizes {
    fn full() -> Self {
        Self {
            tags: 10_000,
            small: 1000,
            large: vec![MIB, 100 * MIB, 512 * MIB],
            pushed: 128 * MIB,
            pushed_once: 512 * MIB,
            chunk: 16 * MIB,
            clients: 16,
            connections: 32,
            listed: 100_000,
            starts: 5,
            idle: 1000,
            heavy: 1024 * MIB,
            window: Window { before: Duration::from_millis(150), time: Duration::from_millis(1000) },
        }
    }

    fn quick() -> Self {
        Self {
            tags: 50,
            small: 20,
            large: vec![MIB, 3 * MIB + 77],
            pushed: MIB + 12,
            pushed_once: 2 * MIB,
            chunk: MIB / 2,
            clients: 4,
            connections: 4,
            listed: 300,
            starts: 1,
            idle: 20,
            heavy: 2 * MIB,
            window: Window { before: Duration::from_millis(30), time: Duration::from_millis(60) },
        }
    }
}

/// The command line.
#[derive(Debug, Clone)]
pub struct Options {
    pub only: Vec<String>,
    pub servers: Vec<Who>,
    pub without: Vec<Who>,
    pub rounds: usize,
    pub quick: bool,
    pub sizes: Sizes,
    pub json: Option<PathBuf>,
    pub svg: Option<PathBuf>,
    pub markdown: bool,
    pub from: Option<PathBuf>,
    pub profile: Option<String>,
    pub list: bool,
    pub directory: Option<PathBuf>,
    /// The command, as somebody else would type it.
    pub shown: String,
}

impl Options {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.filter(|word| word != "--bench").collect();
        let mut options = Self {
            only: Vec::new(),
            servers: Who::ALL.to_vec(),
            without: Vec::new(),
            rounds: 3,
            quick: false,
            sizes: Sizes::full(),
            json: None,
            svg: None,
            markdown: false,
            from: None,
            profile: None,
            list: false,
            directory: None,
            shown: format!("cargo bench --workspace --bench peers -- {}", words.join(" ")).trim_end().to_owned(),
        };
        options.shown = options.shown.trim_end_matches(" --").to_owned();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let mut several = || {
                let mut all = Vec::new();
                while let Some(word) = words.next_if(|word| !word.starts_with("--")) {
                    all.push(word);
                }
                if all.is_empty() { Err(format!("{word} wants a value\n\n{USAGE}")) } else { Ok(all) }
            };
            match word.as_str() {
                "--only" => options.only = several()?,
                "--servers" => options.servers = servers(&several()?)?,
                "--without" => options.without = servers(&several()?)?,
                "--rounds" => {
                    let value = several()?.remove(0);
                    let rounds = value.parse().ok().filter(|rounds| *rounds > 0);
                    options.rounds = rounds.ok_or_else(|| format!("--rounds: {value} is no number above 0"))?;
                }
                "--quick" => (options.quick, options.sizes) = (true, Sizes::quick()),
                "--json" => options.json = Some(several()?.remove(0).into()),
                "--svg" => options.svg = Some(several()?.remove(0).into()),
                "--markdown" => options.markdown = true,
                "--from" => options.from = Some(several()?.remove(0).into()),
                "--profile" => options.profile = Some(several()?.remove(0)),
                "--list" => options.list = true,
                "--dir" => options.directory = Some(several()?.remove(0).into()),
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("{other} is no option\n\n{USAGE}")),
            }
        }
        options.servers.retain(|who| !options.without.contains(who));
        Ok(options)
    }

    /// What `cargo test` runs: ourselves alone, in a few seconds.
    pub fn trial() -> Self {
        let words = ["--quick", "--rounds", "1", "--servers", "skerry", "computed", "twin", "disk"];
        Self::parse(words.into_iter().map(str::to_owned)).unwrap()
    }
}

fn servers(names: &[String]) -> Result<Vec<Who>, String> {
    let all = Who::ALL.map(Who::name).join(", ");
    names.iter().map(|name| Who::parse(name).ok_or_else(|| format!("{name} is no server: {all}"))).collect()
}
