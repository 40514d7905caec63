//! A report for people.

use std::fmt::Write as _;

use super::report::{Address, Check, Link, Registry, Report, Role, Severity, Tls};

/// Names of a leaf that are listed.
const NAMES: usize = 12;

/// A report as a screen shows it; `colour` is for terminals that have it.
pub fn screen(report: &Report, colour: bool) -> String {
    let mut page = Page { text: String::new(), colour };
    page.head(report);
    for check in &report.checks {
        page.check(report, check);
    }
    page.findings(report);
    page.verdict(report);
    page.text
}

#[derive(Clone, Copy)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Bold = 1,
    Dim = 2,
}

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// A line with a word before it; none where it goes on.
    fn row(&mut self, word: &str, text: &str) {
        let word = self.paint(Colour::Dim, &format!("{word:<12}"));
        self.line(&format!("  {word} {text}"));
    }

    fn yes(&self, good: bool, text: &str) -> String {
        self.paint(if good { Colour::Green } else { Colour::Red }, text)
    }

    fn head(&mut self, report: &Report) {
        let host = if report.host.contains(':') { format!("[{}]", report.host) } else { report.host.clone() };
        let title = self.paint(Colour::Bold, &format!("{host}:{}", report.port));
        self.line(&title);
        self.line("");
        let width = report.addresses.iter().map(|address| address.address.len()).max().unwrap_or(0);
        for (index, address) in report.addresses.iter().enumerate() {
            let Address { address, connected, milliseconds, error } = address;
            let came = match (connected, error) {
                (Some(true), _) => self.yes(true, &format!("connected in {} ms", milliseconds.unwrap_or_default())),
                (Some(false), Some(error)) => self.yes(false, error),
                _ => self.paint(Colour::Dim, "not checked (--all checks each)"),
            };
            self.row(if index == 0 { "addresses" } else { "" }, &format!("{address:<width$}  {came}"));
        }
    }

    fn check(&mut self, report: &Report, check: &Check) {
        if report.checks.len() > 1 {
            let title = self.paint(Colour::Bold, &check.address);
            self.line("");
            self.line(&title);
        }
        if let Some(tls) = &check.tls {
            self.tls(tls);
        }
        if let Some(matches) = check.name_matches {
            let text = if matches { "matches the certificate" } else { "does not match the certificate" };
            let text = self.yes(matches, text);
            self.row("name", &format!("{}, {text}", report.server_name));
        }
        if let Some(trusted) = check.trusted {
            let text = self.yes(trusted, if trusted { "trusted" } else { "not trusted" });
            self.row("trust", &format!("{text} by {}", report.authorities));
        }
        if let Some(registry) = &check.registry {
            self.registry(registry);
        }
        if !check.chain.is_empty() {
            self.line("");
            self.line("  chain, as it is served");
        }
        for (index, link) in check.chain.iter().enumerate() {
            self.link(index + 1, link);
        }
    }

    fn tls(&mut self, tls: &Tls) {
        let parts = [Some(&tls.cipher_suite), tls.key_exchange.as_ref(), tls.alpn.as_ref()];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        self.row("protocol", &format!("TLS {}, {}", tls.version, parts.join(", ")));
        let accepted = |accepted| match accepted {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unclear",
        };
        let (old, new) = (accepted(tls.accepts_1_2), accepted(tls.accepts_1_3));
        self.row("versions", &format!("TLS 1.2 {old}, TLS 1.3 {new}"));
        if tls.asks_for_client_certificate {
            self.row("clients", "are asked for a certificate");
        }
    }

    fn registry(&mut self, registry: &Registry) {
        let status = self.yes(matches!(registry.status, 200 | 401), &registry.status.to_string());
        let others = [&registry.api_version, &registry.www_authenticate, &registry.location];
        let others: Vec<&str> = others.into_iter().flatten().map(String::as_str).collect();
        let joint = if others.is_empty() { "" } else { ", " };
        self.row("GET /v2/", &format!("{status}{joint}{}", others.join(", ")));
    }

    fn link(&mut self, number: usize, link: &Link) {
        let role = match link.role {
            Role::Leaf => "leaf",
            Role::Intermediate => "intermediate",
            Role::Root => "root",
            Role::Needless => "needless",
        };
        let subject = if link.subject.is_empty() { "(no subject)" } else { &link.subject };
        let subject = self.paint(Colour::Bold, subject);
        self.line(&format!("  {number:>2}  {role:<12}  {subject}"));
        let mut below = |word: &str, text: &str| {
            let word = self.paint(Colour::Dim, &format!("{word:<9}"));
            self.line(&format!("      {word} {text}"));
        };
        below("issuer", if link.issuer == link.subject { "itself" } else { &link.issuer });
        if link.role == Role::Leaf {
            let mut names = link.names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
            if link.names.len() > NAMES {
                let _ = write!(names, " and {} more", link.names.len() - NAMES);
            }
            below("names", if names.is_empty() { "none" } else { &names });
        }
        let left = match link.days_left {
            ..0 => self.paint(Colour::Red, "expired"),
            1 => self.paint(Colour::Yellow, "1 day left"),
            days @ 0..30 => self.paint(Colour::Yellow, &format!("{days} days left")),
            days => format!("{days} days left"),
        };
        let mut below = |word: &str, text: &str| {
            let word = self.paint(Colour::Dim, &format!("{word:<9}"));
            self.line(&format!("      {word} {text}"));
        };
        below("valid", &format!("{} to {}, {left}", day(&link.not_before), day(&link.not_after)));
        below("key", &format!("{}, signed by {}", link.key, link.signature));
    }

    fn findings(&mut self, report: &Report) {
        if report.all().next().is_some() {
            self.line("");
        }
        let several = report.checks.len() > 1;
        let mut found: Vec<_> = report.all().collect();
        found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
        for (address, finding) in found {
            let word = match finding.severity {
                Severity::Error => self.paint(Colour::Red, "error  "),
                Severity::Warning => self.paint(Colour::Yellow, "warning"),
            };
            let at = address.filter(|_| several).map(|address| format!("{address}: ")).unwrap_or_default();
            self.line(&format!("  {word}  {}: {at}{}", finding.code, finding.sentence));
        }
    }

    fn verdict(&mut self, report: &Report) {
        let counted = |severity, word: &str| match report.count(severity) {
            1 => format!("1 {word}"),
            many => format!("{many} {word}s"),
        };
        let counts = format!("{}, {}", counted(Severity::Error, "error"), counted(Severity::Warning, "warning"));
        let verdict = match report.exit_status {
            0 => self.paint(Colour::Green, "clients are served"),
            1 => self.paint(Colour::Red, "clients fail"),
            _ => self.paint(Colour::Red, "not reached"),
        };
        self.line("");
        self.line(&format!("  {verdict}: {counts}"));
    }
}

/// The day of a time by RFC 3339.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}
