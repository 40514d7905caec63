//! What distribution takes is taken: each key and variable is in the table of
//! `skerry config keys`, and what it says to work is set by its variable here,
//! and does what it does there.

mod health;
mod http;
mod logs;
mod manifests;
mod storage;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpStream,
    panic::AssertUnwindSafe,
    thread,
    time::{Duration, Instant},
};

use skerry_tests::{Client, binary, children, command::called, ports::Port, service::Service};
use tempfile::TempDir;

/// The keys of 2.8.3 and 3.1.2, and their variables: of the fields of
/// `configuration.Configuration`, and of what storage drivers and access
/// controllers of theirs look for.
const DISTRIBUTION: &str = include_str!("distribution.txt");

/// Keys, and what shows that they work.
type Row = (&'static [&'static str], fn(&Table));

const ROWS: &[&[Row]] = &[health::ROWS, http::ROWS, logs::ROWS, manifests::ROWS, storage::ROWS, tls::ROWS];

/// Keys that have tests of their own, by policy.
const ELSEWHERE: &str = "auth.";

/// Key, variable, and what becomes of them.
struct Table(Vec<(String, String, String)>);

impl Table {
    fn printed() -> Self {
        let printed = called("skerry", &["config", "keys"]);
        assert_eq!((printed.code, printed.err.as_str()), (0, ""));
        let row = |line: &str| {
            let mut columns = line.splitn(3, "  ").map(str::trim);
            let mut next = || columns.next().unwrap().to_owned();
            let key = next();
            let rest = line[key.len()..].trim_start();
            let (variable, outcome) = rest.split_once("  ").unwrap();
            (key, variable.to_owned(), outcome.trim_start().to_owned())
        };
        Self(printed.out.lines().map(row).collect())
    }

    fn variable(&self, key: &str) -> &str {
        let row = self.0.iter().find(|row| row.0 == key).unwrap_or_else(|| panic!("{key} is not in the table"));
        &row.1
    }

    /// What the table says of a key or of one above it, if it names both it
    /// and its variable.
    fn outcome(&self, key: &str, variable: &str) -> Option<&str> {
        let below = |name: &str, above: &str, joint: char| {
            let above = above.trim_end_matches('*').trim_end_matches(joint);
            name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(joint))
        };
        let found = self.0.iter().find(|row| below(key, &row.0, '.') && below(variable, &row.1, '_'));
        found.map(|row| row.2.as_str())
    }
}

#[test]
fn all_are_known() {
    let table = Table::printed();
    let mut count = BTreeMap::<&str, usize>::new();
    for line in DISTRIBUTION.lines() {
        let (key, variable) = line.split_once(' ').unwrap();
        let outcome = table.outcome(key, variable).unwrap_or_else(|| panic!("{line} is not in the table"));
        let word = outcome.split(':').next().unwrap();
        assert!(["works", "ignored", "refused"].contains(&word), "{line}: {outcome}");
        // What does not work has a reason.
        assert!(word == "works" || outcome.len() > word.len() + 2, "{line}: {outcome}");
        *count.entry(word).or_default() += 1;
    }
    println!("{count:?}");
    // And nothing is said to be theirs that is not.
    for (key, variable, outcome) in &table.0 {
        let theirs = DISTRIBUTION.lines().any(|line| {
            let (name, other) = line.split_once(' ').unwrap();
            name.trim_end_matches(".0") == key && other.trim_end_matches("_0") == variable
        });
        assert!(theirs || key == "-" || !outcome.starts_with("works"), "{key} {variable}: {outcome}");
    }
}

#[test]
fn what_is_said_to_work_does() {
    let table = Table::printed();
    let works: BTreeSet<&str> =
        table.0.iter().filter(|row| row.2.starts_with("works") && row.0 != "-").map(|row| row.0.as_str()).collect();
    let shown: BTreeSet<&str> = ROWS.concat().iter().flat_map(|(keys, _)| *keys).copied().collect();
    let missing: Vec<_> = works.difference(&shown).filter(|key| !key.starts_with(ELSEWHERE)).collect();
    assert!(missing.is_empty(), "no row shows that they work: {missing:?}");
    let others: Vec<_> = shown.difference(&works).collect();
    assert!(others.is_empty(), "the table does not say that they work: {others:?}");
    let mut failed = Vec::new();
    for (keys, shows) in ROWS.concat() {
        if std::panic::catch_unwind(AssertUnwindSafe(|| shows(&table))).is_err() {
            failed.push(keys);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// A registry that was told everything by variables.
struct Told {
    // Before the directory, so that it has ended when that is removed.
    service: Service,
    directory: TempDir,
    port: Port,
}

impl Told {
    /// One that is told these keys, and where to be.
    fn start(table: &Table, set: &[(&str, &str)]) -> Self {
        Self::start_in(table, TempDir::with_prefix("skerry-told-").unwrap(), set)
    }

    /// The same, with a directory that has something in it.
    fn start_in(table: &Table, directory: TempDir, set: &[(&str, &str)]) -> Self {
        let port = Port::free();
        let service = launch(table, &directory, &port, set);
        let mut told = Self { service, directory, port };
        // By no line of the log: some are told to say less.
        let start = Instant::now();
        while TcpStream::connect(told.address()).is_err() {
            let late = start.elapsed() > Duration::from_secs(60) || !told.service.running();
            assert!(!late, "{set:?}: {:?}", told.service.lines());
            thread::sleep(Duration::from_millis(5));
        }
        told
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    fn client(&self) -> Client {
        Client::plain(&self.address())
    }

    /// Where an upload is begun, as its header says.
    fn location(&self) -> String {
        let begun = self.client().request("POST", "/v2/a/blobs/uploads/").send().expect(202);
        begun.header("location").to_owned()
    }

    /// Waits for a line of the log.
    fn says(&self, words: &str) -> String {
        self.service.wait_for(words, |line| line.contains(words).then(|| line.to_owned()))
    }
}

/// Starts one that does not start, and returns what it says.
fn refuses(table: &Table, set: &[(&str, &str)]) -> String {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    let mut service = launch(table, &directory, &Port::free(), set);
    assert!(!service.wait().success(), "{set:?}: it starts");
    service.last_lines().join("\n")
}

fn launch(table: &Table, directory: &TempDir, port: &Port, set: &[(&str, &str)]) -> Service {
    let mut command = children::command(binary::skerry());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
        command.env_remove(name);
    }
    command.args(["serve", "--no-config"]).env("HOME", directory.path());
    command.env(table.variable("http.addr"), format!("127.0.0.1:{}", port.number()));
    command.env(table.variable("storage.filesystem.rootdirectory"), directory.path().join("volume"));
    command.env(table.variable("log.formatter"), "json");
    for (key, value) in set {
        command.env(table.variable(key), value);
    }
    Service::start("skerry", command)
}

/// A configuration as it would be used, by a file that sets this beside its
/// version.
fn checked(text: &str) -> skerry_tests::command::Ended {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    let file = directory.path().join("config.yml");
    fs::write(&file, text).unwrap();
    called("skerry", &["config", "check", file.to_str().unwrap()])
}
