//! Which tags are kept: by command, by schedule, and by what was pulled.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use skerry_tests::{
    Client, Options,
    command::{collect, over},
    content::Noise,
    layout, push, sha256,
};

use super::host::Host;

pub fn tags(client: &Client, name: &str) -> Vec<String> {
    let list = client.get(&format!("/v2/{name}/tags/list")).expect(200).json();
    list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

const RULES: &str = "policies:
- module: immutable-tags
  settings: {tags: ['v1']}
- module: retention
  settings:
    rules:
    - {repositories: ['team/**'], tags: ['v*'], keep_last: 2}
";

#[test]
fn by_command() {
    let host = Host::start("");
    let (client, volume) = (host.nobody(), host.registry.volume().to_owned());
    for n in 1..=5 {
        push::image(&client, "team/app", Some(&format!("v{n}")), 10 * n);
        push::image(&client, "other", Some(&format!("v{n}")), 10 * n);
    }
    push::image(&client, "team/app", Some("latest"), 100);
    let gone = layout::blob(&volume, &sha256(Noise::new(30).bytes(3000)));
    let before = layout::files(&volume);
    let dry = over(&volume, RULES, &["retain", "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("2 of 11 tags in 2 repositories would go"), "{dry:?}");
    assert!(dry.out.contains("team/app:v2 would go: rule 1: not among the last 2\n"), "{dry:?}");
    assert_eq!(layout::files(&volume), before);

    let done = over(&volume, RULES, &["retain"]);
    for line in ["team/app:v2 is removed", "team/app:v3 is removed", "team/app:v1 stays: the tag v1 of team/app"] {
        assert!(done.code == 0 && done.out.contains(line), "{line} in {done:?}");
    }
    assert_eq!(tags(&client, "team/app"), ["latest", "v1", "v4", "v5"]);
    assert_eq!(tags(&client, "other").len(), 5);
    for tag in ["latest", "v1", "v5"] {
        push::whole(&client, "team/app", tag).unwrap();
    }
    client.get("/v2/team/app/manifests/v3").expect(404);
    // What no tag leads to goes by a collection.
    assert!(gone.exists());
    client.delete("/v2/other/manifests/v3").expect(202);
    assert_eq!(collect(&volume, &["-m"]).code, 0);
    assert!(!gone.exists());

    let nobody = over(&volume, "", &["retain"]);
    assert!(nobody.code == 1 && nobody.err.contains("no policy says which tags are kept"), "{nobody:?}");
    let nowhere = over(&volume.join("nowhere"), RULES, &["retain"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("so no tags"), "{nowhere:?}");
    let wrong = over(&volume, "policies: [{module: retention, settings: {rules: []}}]\n", &["retain"]);
    assert!(wrong.code == 1 && wrong.err.contains("everything would stay"), "{wrong:?}");
}

#[test]
fn by_schedule() {
    for dry_run in [true, false] {
        let storage = format!("maintenance:\n  retention: {{enabled: true, interval: 1s, dryrun: {dry_run}}}\n");
        let mut host = Host::start_with(RULES, Options { storage, ..Options::default() });
        let client = host.nobody();
        for n in 1..=4 {
            push::image(&client, "team/app", Some(&format!("v{n}")), 10 * n);
        }
        // `v1` is immutable, and `v3` and `v4` are the last.
        let verb = if dry_run { "would go" } else { "is removed" };
        host.logged(&["team/app:v2", verb, "rule 1"]);
        host.logged(&["retention is done", "\"removed\":1", &format!("\"dry_run\":{dry_run}")]);
        let expected: &[&str] = if dry_run { &["v1", "v2", "v3", "v4"] } else { &["v1", "v3", "v4"] };
        assert_eq!(tags(&client, "team/app"), expected);
        for tag in expected {
            push::whole(&client, "team/app", tag).unwrap();
        }
    }
    let storage = "maintenance:\n  retention: {enabled: true}\n".to_owned();
    let mut host = Host::start_with("", Options { storage, ..Options::default() });
    host.logged(&["storage.maintenance.retention has no effect"]);
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// What was pulled stays, remembered answers included; what was not goes once
/// pulls have been written down for as long.
#[test]
fn by_pulls() {
    let rules = "policies:
- module: retention
  settings:
    rules:
    - {repositories: ['**'], pulled_within: 10d}
";
    let mut host = Host::start(rules);
    let (client, volume) = (host.nobody(), host.registry.volume().to_owned());
    for (tag, seed) in [("pulled", 10), ("digest", 20), ("never", 30)] {
        push::image(&client, "app", Some(tag), seed);
    }
    let digest = client.get("/v2/app/manifests/digest").expect(200).header("docker-content-digest").to_owned();
    host.until_remembered(&client, "/v2/app/manifests/pulled", 200);
    let (before, hits) = (seconds(), host.hits());
    while seconds() == before {
        std::thread::sleep(Duration::from_millis(20));
    }
    client.get("/v2/app/manifests/pulled").expect(200);
    client.get(&format!("/v2/app/manifests/{digest}")).expect(200);
    assert!(host.hits() > hits, "it was given from memory");
    let used = volume.join(".skerry/used");
    let stay = over(&volume, rules, &["retain"]);
    assert!(stay.code == 0 && stay.out.contains("0 of 3 tags"), "nobody knows yet: {stay:?}");
    host.registry.stop();
    let text = fs::read_to_string(&used).unwrap();
    let noted = |value: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_suffix(value)?.strip_suffix(' ')?.parse().ok())
    };
    assert!(noted("app:pulled").is_some_and(|time| time > before), "{before}: {text}");
    assert!(noted(&format!("app@{digest}")).is_some() && noted("app:never").is_none(), "{text}");
    // The access log does not say it twice.
    assert!(host.registry.service().lines().iter().all(|line| !line.contains("used=")));

    // As if that had been going on for long.
    let long_ago = (seconds() - 20 * 86_400).to_string();
    let lines: Vec<_> =
        text.lines().enumerate().map(|(n, line)| if n == 1 { long_ago.as_str() } else { line }).collect();
    fs::write(&used, lines.join("\n")).unwrap();
    let done = over(&volume, rules, &["retain"]);
    assert!(done.out.contains("app:never is removed: rule 1: not pulled within 10d"), "{done:?}");
    assert!(done.out.contains("1 of 3 tags"), "{done:?}");
    host.registry.restart();
    assert_eq!(tags(&host.nobody(), "app"), ["digest", "pulled"]);
    // Garbage there is no reason to remove anything, nor not to start.
    host.registry.stop();
    fs::write(&used, [0xff; 1000]).unwrap();
    let stay = over(&volume, rules, &["retain"]);
    assert!(stay.out.contains("0 of 2 tags"), "{stay:?}");
    host.registry.restart();
    host.registry.stop();
}
