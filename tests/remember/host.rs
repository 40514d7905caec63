//! A registry that says what it remembers.

use skerry_tests::{Client, Options, Registry};

/// A registry and its numbers.
pub struct Host {
    pub registry: Registry,
    pub client: Client,
    admin: Client,
}

/// What it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub hits: u64,
    pub stale: u64,
    pub entries: u64,
}

impl Host {
    /// Starts one, over plain HTTP; `remember` is more of that section.
    pub fn start(options: Options, remember: &str) -> Self {
        let mut more = format!("{}remember:\n", options.more);
        remember.lines().for_each(|line| more.push_str(&format!("  {line}\n")));
        let http = format!("{}debug:\n  addr: 127.0.0.1:0\n  prometheus:\n    enabled: true\n", options.http);
        let mut registry = Registry::start(Options { more, http, tls: false, ..options });
        let address = registry.service().wait_for("where the admin listener is", |line| {
            let (_, rest) = line.split_once("\"debug_address\":\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        });
        let client = registry.client().accepting();
        Self { registry, client, admin: Client::plain(&address) }
    }

    /// Its numbers.
    pub fn counts(&self) -> Counts {
        Counts {
            hits: self.number("skerry_remember_hits_total"),
            stale: self.number("skerry_remember_stale_total"),
            entries: self.number("skerry_remember_entries"),
        }
    }

    /// Answers that were not kept, for one reason.
    pub fn not_kept(&self, reason: &str) -> u64 {
        self.number(&format!("skerry_remember_not_kept_total{{reason=\"{reason}\"}}"))
    }

    /// Answers that the server gave to bytes that it knew.
    pub fn repeats(&self) -> u64 {
        self.number("skerry_http_repeats_total")
    }

    /// Has it forget all, some time soon.
    pub fn forget(&self) {
        self.registry.signal(rustix::process::Signal::HUP);
    }

    /// Whether it says anything of what it remembers.
    pub fn has_numbers(&self) -> bool {
        self.admin.get("/metrics").expect(200).text().contains("skerry_remember")
    }

    fn number(&self, name: &str) -> u64 {
        let metrics = self.admin.get("/metrics").expect(200).text();
        let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("{name} in {metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64
    }

    /// Whether a request is answered from memory, and the answer.
    pub fn is_remembered(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> (bool, String) {
        let before = self.counts().hits;
        let request = self.client.request(method, target);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let text = request.send().text();
        (self.counts().hits > before, text)
    }

    /// The same, of a plain GET.
    pub fn recalls(&self, target: &str) -> bool {
        self.is_remembered("GET", target, &[]).0
    }
}
