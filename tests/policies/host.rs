//! A registry with policies, and its numbers.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use skerry_tests::{Client, Options, Registry, binary, command};

/// A registry, and what it says of itself.
pub struct Host {
    pub registry: Registry,
    pub admin: Client,
}

impl Host {
    /// Starts one with these sections.
    pub fn start(sections: &str) -> Self {
        Self::start_with(sections, Options::default())
    }

    /// The same, with more options.
    pub fn start_with(sections: &str, options: Options) -> Self {
        let more = format!("{}{sections}", options.more);
        let http = format!("{}debug:\n  addr: 127.0.0.1:0\n  prometheus:\n    enabled: true\n", options.http);
        let mut registry = Registry::start(Options { more, http, ..options });
        let address = registry.service().wait_for("where the admin listener is", |line| {
            let (_, rest) = line.split_once("\"debug_address\":\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        });
        Self { registry, admin: Client::plain(&address) }
    }

    /// Somebody who shows nothing.
    pub fn nobody(&self) -> Client {
        self.registry.client().accepting()
    }

    /// Somebody whose password is the one that `passwords` gives everybody.
    pub fn user(&self, name: &str) -> Client {
        self.nobody().user(name, "correct")
    }

    /// Answers that were given from memory so far.
    pub fn hits(&self) -> u64 {
        self.number("skerry_remember_hits_total")
    }

    /// Questions that were put to a policy so far.
    pub fn asked(&self, policy: &str) -> u64 {
        self.number(&format!("skerry_policy_questions_total{{policy=\"{policy}\"}}"))
    }

    /// Asks until the answer comes from memory; it is always to be this one.
    #[track_caller]
    pub fn until_remembered(&self, client: &Client, target: &str, status: u16) -> String {
        // What was written a moment ago is not relied on: `remember.age`.
        for _ in 0..2_000 {
            let before = self.hits();
            let answer = client.get(target).expect(status);
            if self.hits() > before {
                return answer.text();
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{target} is never remembered");
    }

    /// A number of the metrics.
    pub fn number(&self, name: &str) -> u64 {
        let metrics = self.admin.get("/metrics").expect(200).text();
        let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("{name} in {metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64
    }

    /// Waits for a line of the log that holds all of these.
    pub fn logged(&mut self, parts: &[&str]) -> String {
        let found = |line: &str| parts.iter().all(|part| line.contains(part)).then(|| line.to_owned());
        self.registry.service().wait_for(&parts.join(" and "), found)
    }

    /// Waits until the log says that a policy failed by one of these guards.
    pub fn met(&mut self, policy: &str, guards: &[&str]) {
        let named = format!("\"policy\":\"{policy}\"");
        let met = |line: &str| guards.iter().any(|guard| line.contains(&format!("guard {guard}")));
        let failed = |line: &str| line.contains(&named) && line.contains("a policy failed");
        let found = |line: &str| (failed(line) && met(line)).then_some(());
        self.registry.service().wait_for(&guards.join(" or "), found)
    }

    /// Waits until the log has this line so often.
    pub fn logged_times(&mut self, what: &str, times: usize) {
        let seen = Cell::new(0);
        self.registry.service().wait_for(what, |line| {
            seen.set(seen.get() + usize::from(line.contains(what)));
            (seen.get() >= times).then_some(())
        });
    }

    /// Whether any line of the log so far holds this.
    pub fn log_holds(&mut self, text: &str) -> bool {
        self.registry.service().lines().iter().any(|line| line.contains(text))
    }
}

/// A directory with the file `passwords` for the policy that the tests bring.
pub fn passwords(directory: &Path) -> PathBuf {
    let granted = directory.join("granted");
    fs::create_dir_all(&granted).unwrap();
    fs::write(granted.join("passwords"), "correct\n").unwrap();
    granted
}

/// A file of users and passwords as `skerry htpasswd` makes it.
pub fn htpasswd(path: &Path, users: &[(&str, &str)]) {
    let mut text = String::new();
    for (user, password) in users {
        let made = command::called("htpasswd", &["-Bbn", "-C", "5", user, password]);
        assert_eq!(made.code, 0, "{}", made.err);
        text.push_str(made.out.trim());
        text.push('\n');
    }
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// The storage policy of the tests, built once a run.
pub fn gate() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| binary::guest("gate"))
}

/// The auth policy of the tests, built once a run.
pub fn rules() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| binary::guest("rules"))
}

/// The policy about which tags are kept, built once a run.
pub fn sweeper() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| binary::guest("sweeper"))
}

/// The policy that asks, built once a run.
pub fn curious() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| binary::guest("curious"))
}
