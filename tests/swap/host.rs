//! A registry whose modules lie in files of the test's own, and two of each
//! kind that can be told apart.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;
use skerry_tests::{Client, Options, Registry, binary, push};
use tempfile::TempDir;

/// Two modules that do the same, and say who they are.
pub struct Pair {
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// The built-in registry as a file; the other one says `registry/2.1`.
pub fn registries() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| pair("skerry-registry", b"registry/2.0", b"registry/2.1"))
}

/// The policy of the tests; the other one denies in other words.
pub fn policies() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| pair("rules", b" is not ", b" not is "))
}

fn pair(package: &str, text: &[u8], other: &[u8]) -> Pair {
    let old = fs::read(binary::guest(package)).unwrap();
    let mut new = old.clone();
    let places: Vec<_> = (0..old.len() - text.len()).filter(|at| old[*at..].starts_with(text)).collect();
    assert!(!places.is_empty(), "{package} says nowhere who it is");
    for at in places {
        new[at..at + text.len()].copy_from_slice(other);
    }
    Pair { old, new }
}

pub struct Host {
    pub registry: Registry,
    files: TempDir,
}

impl Host {
    /// One that answers with the old ones of both kinds.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with more of the section `admin`.
    pub fn start_with(admin: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        fs::write(path("registry.wasm"), &registries().old).unwrap();
        fs::write(path("rules.wasm"), &policies().old).unwrap();
        fs::create_dir(path("granted")).unwrap();
        fs::write(path("granted/passwords"), "correct\n").unwrap();
        let more = format!(
            "sandbox:\n  registry: {}\npolicies:\n- name: mine\n  module: {}\n  directory: {}\n  \
             settings: {{lifetime: 3600000}}\nadmin:\n  socket: {}\n{admin}",
            path("registry.wasm").display(),
            path("rules.wasm").display(),
            path("granted").display(),
            path("admin.sock").display()
        );
        Self { registry: Registry::start(Options { more, ..Options::default() }), files }
    }

    /// One of another configuration, with such files.
    pub fn over(files: TempDir, options: Options) -> Self {
        Self { registry: Registry::start(options), files }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub fn user(&self, name: &str) -> Client {
        self.registry.client().accepting().user(name, "correct")
    }

    /// Puts another file in the place of one.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let new = self.file("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, self.file(name)).unwrap();
    }

    /// Asks the admin endpoint.
    pub fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, Value) {
        ask(&self.file("admin.sock"), &format!("{method} {path}"), &format!("content-type: {media_type}\r\n"), body)
    }

    /// Has the endpoint swap a module; it is to be taken.
    #[track_caller]
    pub fn swap(&self, path: &str, module: &[u8]) {
        let (status, document) = self.ask("PUT", path, "application/wasm", module);
        assert_eq!(status, 200, "{document}");
    }

    /// Waits until the log has this line so often.
    pub fn logged(&mut self, what: &str, times: usize) {
        let service = self.registry.service();
        let mut seen = std::cell::Cell::new(0);
        service.wait_for(what, |line| {
            let found = line.contains(what);
            seen.set(seen.get() + usize::from(found));
            (found && seen.get() >= times).then_some(())
        });
        assert!(*seen.get_mut() >= times);
    }

    pub fn lines(&mut self, what: &str) -> usize {
        self.registry.service().lines().iter().filter(|line| line.contains(what)).count()
    }

    /// Which registry answers, and in which words the policy denies.
    pub fn now(&self) -> (String, String) {
        let client = self.user("ann");
        let denied = client.get("/v2/bob/app/tags/list").expect(403);
        let reason = denied.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        (client.get("/v2/").expect(200).header("docker-distribution-api-version").to_owned(), reason)
    }

    /// An image of ann's.
    pub fn image(&self) -> Vec<u8> {
        push::image(&self.user("ann"), "ann/app", Some("v1"), 1)
    }
}

/// One request to a Unix socket, with more lines of its head.
pub fn ask(socket: &Path, line: &str, head: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let head =
        format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n{head}\r\n", body.len());
    // It may answer before it has read all.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{line}: {answer}")).parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}
