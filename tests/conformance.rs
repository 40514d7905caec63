//! The OCI distribution specification's own suite, with everything on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use skerry_tests::{Options, Registry, tools};

/// The suite has about 1,030 tests; far fewer would mean that it stopped early.
const AT_LEAST: u64 = 900;

struct Report {
    /// How many tests ended how: `Disabled`, `Skip`, `Pass`, `FAIL`, `Error`,
    /// `Total`.
    counts: BTreeMap<String, u64>,
    /// APIs and kinds of data, and how each ended.
    parts: BTreeMap<String, String>,
    /// Everything that the suite wrote.
    text: String,
}

fn run(authority: &str, trust: &Path, directory: &Path, sparse: bool) -> Report {
    let results = directory.join("results");
    let mut command = Command::new(tools::find("conformance"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OCI_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(directory)
        .env("OCI_REGISTRY", authority)
        .env("OCI_TLS", "enabled")
        .env("SSL_CERT_FILE", trust)
        .env("OCI_RESULTS_DIR", &results)
        .env("OCI_VERSION", "dev")
        .env("OCI_DATA_SPARSE", if sparse { "true" } else { "false" })
        .env("OCI_API_BLOBS_DIGEST_HEADER", "true")
        .env("OCI_API_BLOBS_UPLOAD_CANCEL", "true")
        .env("OCI_API_MANIFESTS_DIGEST_HEADER", "true")
        .env("OCI_API_MANIFESTS_TAG_PARAM", "true");
    // Its exit status says little: it is 0 when the suite could not begin.
    let output = tools::run(command);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let file = fs::read_to_string(results.join("results.yaml"))
        .unwrap_or_else(|error| panic!("the suite wrote no results: {error}\n{text}"));
    Report { counts: counts(&text), parts: parts(&file), text }
}

/// Lines such as `  Pass..........................:       1022`.
fn counts(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .skip_while(|line| !line.starts_with("OCI Conformance Result"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, count) = line.split_once(':')?;
            Some((name.trim().trim_end_matches('.').to_owned(), count.trim().parse().ok()?))
        })
        .collect()
}

/// The maps `apis` and `data` of results.yaml.
fn parts(yaml: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut parts = BTreeMap::new();
    for line in yaml.lines() {
        match line.strip_prefix(' ') {
            None => section = line.trim_end_matches(':'),
            Some(line) if matches!(section, "apis" | "data") => {
                let (name, status) = line.trim().rsplit_once(": ").unwrap_or((line, ""));
                parts.insert(format!("{section}: {}", name.trim_matches('"')), status.trim_matches('"').to_owned());
            }
            Some(_) => {}
        }
    }
    parts
}

/// What did not pass, in the suite's own words.
fn shown(report: &Report) -> String {
    let lines: Vec<&str> = report.text.lines().collect();
    let leaves = lines.iter().enumerate().filter(|(_, line)| {
        [": FAIL", ": Error", ": Skip", ": Disabled"].iter().any(|end| line.ends_with(end))
            || line.trim_start().starts_with("- ")
    });
    let mut text: Vec<&str> = leaves.map(|(_, line)| *line).take(300).collect();
    text.extend(lines.iter().rev().take(60).rev());
    text.join("\n")
}

fn verdict(report: &Report, disabled: &[&str]) {
    let count = |name: &str| report.counts.get(name).copied().unwrap_or(u64::MAX);
    println!("conformance: {:?}", report.counts);
    let off: Vec<&String> =
        report.parts.iter().filter(|(_, status)| status.as_str() != "Pass").map(|(name, _)| name).collect();
    let text = || shown(report);
    assert_eq!(count("FAIL"), 0, "failed: {off:?}\n{}", text());
    assert_eq!(count("Error"), 0, "errors: {off:?}\n{}", text());
    assert_eq!(count("Skip"), 0, "skipped: {off:?}\n{}", text());
    assert!(count("Total") >= AT_LEAST && count("Total") < u64::MAX, "{}", text());
    assert!(report.parts.len() > 20, "{:?}", report.parts);
    assert_eq!(off, disabled, "{}", text());
    if disabled.is_empty() {
        assert_eq!(count("Disabled"), 0, "{}", text());
        assert_eq!(count("Pass"), count("Total"), "{}", text());
    }
}

#[test]
#[ignore = "needs the OCI conformance suite: run by .ci/run"]
fn everything_on() {
    let registry = Registry::start(Options { sparse: true, ..Options::default() });
    let report = run(&registry.localhost(), &registry.trust().ca, registry.directory(), true);
    verdict(&report, &[]);
}

#[test]
#[ignore = "needs the OCI conformance suite: run by .ci/run"]
fn sparse_images_refused() {
    let registry = Registry::start(Options { sparse: false, ..Options::default() });
    let report = run(&registry.localhost(), &registry.trust().ca, registry.directory(), false);
    verdict(&report, &["data: Sparse Manifests"]);
}
