//! What a storage policy may ask of the registry, and what it may not.

use serde_json::json;
use skerry_tests::{
    binary,
    client::{Answer, Client},
    content::{IMAGE, INDEX, Noise, sha256},
    push,
};

use super::host::{Host, curious};

fn start(more: &str) -> Host {
    Host::start(&format!("policies:\n- name: curious\n  module: {}\n{more}", curious().display()))
}

/// Pushes a manifest that has the policy ask this.
fn put(client: &Client, repository: &str, question: &str) -> Answer {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"ask": question}});
    let put = client.request("PUT", &format!("/v2/{repository}/manifests/question"));
    put.header("content-type", INDEX).body(serde_json::to_vec(&index).unwrap()).send()
}

/// What the policy was told.
#[track_caller]
fn told(client: &Client, repository: &str, question: &str) -> String {
    let answer = put(client, repository, question).expect(403);
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_policy_is_told_what_its_repository_holds() {
    let host = start("");
    let client = host.nobody();
    let image = push::image(&client, "team/app", Some("v1"), 1);
    let other = push::image(&client, "team/other", Some("v9"), 7);
    let digest = sha256(&image);
    push::manifest(&client, "team/app", "v0", IMAGE, &image);
    let seal = push::referrer(&client, "team/app", &image, "x/seal", "a note");
    let ask = |question: &str| told(&client, "team/app", question);
    assert_eq!(ask("tags  2"), format!("v0={digest} v1={digest} more=false"));
    assert_eq!(ask("tags  1"), format!("v0={digest} more=true"));
    assert_eq!(ask("tags v0 5"), format!("v1={digest} more=false"));
    assert_eq!(ask("manifest v1"), format!("{digest} {IMAGE} {}", image.len()));
    assert_eq!(ask(&format!("manifest {digest}")), format!("{digest} {IMAGE} {}", image.len()));
    for kind in ["", "x/seal"] {
        let shown = ask(&format!("referrers {digest} {kind}"));
        assert!(shown.starts_with(&format!("1: {} x/seal {IMAGE} {} ", sha256(&seal), seal.len())), "{shown}");
        assert!(shown.contains("a note"), "{shown}");
    }
    assert_eq!(ask(&format!("referrers {digest} x/other")), "0: ");
    assert_eq!(ask(&format!("blob {} 2", sha256(b"{}"))), "{}");
    // What is not in this repository is not there, wherever else it is.
    assert_eq!(ask("manifest v9"), "failure: Failure::NotFound");
    assert_eq!(ask(&format!("manifest {}", sha256(&other))), "failure: Failure::NotFound");
    let foreign = sha256(Noise::new(8).bytes(5000));
    client.head(&format!("/v2/team/other/blobs/{foreign}")).expect(200);
    assert_eq!(ask(&format!("blob {foreign} 9999")), "failure: Failure::NotFound");
    let layer = sha256(Noise::new(1).bytes(3000));
    assert_eq!(ask(&format!("blob {layer} 2999")), "failure: Failure::TooLarge(3000)");
    for nonsense in ["blob sha256:0 9", "referrers sha256:0 ", "manifest ../x"] {
        assert!(ask(nonsense).starts_with("failure: Failure::Other("), "{nonsense}");
    }
}

#[test]
fn trees_hold_what_their_repositories_do() {
    let host = start("");
    let client = host.nobody();
    let image = push::image(&client, "team/app", Some("v1"), 1);
    push::image(&client, "team/app/web", Some("v1"), 1);
    push::image(&client, "teams", None, 1);
    let config =
        client.get(&format!("/v2/team/app/manifests/{}", sha256(&image))).json()["config"]["size"].as_u64().unwrap();
    let bytes = image.len() as u64 + config + 8000;
    let figures = |count: u64, tags: u64| {
        format!("bytes={} blobs={} manifests={count} tags={tags} repositories={count}", bytes * count, 3 * count)
    };
    let ask = |question: &str| told(&client, "team/app/web", question);
    assert_eq!(ask("usage team/app/web"), figures(1, 1));
    assert_eq!(ask("usage team/app"), figures(2, 2));
    assert_eq!(ask("usage team"), figures(2, 2));
    assert_eq!(ask("usage "), figures(3, 2));
    let adds = |repository: &str| told(&client, repository, "adds");
    let pushed = "blobs=0 manifests=1 tags=0 repositories=";
    assert!(adds("team/app").ends_with(&format!("{pushed}0")) && adds("new").ends_with(&format!("{pushed}1")));
}

#[test]
fn a_policy_that_asks_about_another_tree_ends() {
    let mut host = start("  limits: {time: 100ms}\n");
    let client = host.nobody();
    push::image(&client, "victim/app", Some("v1"), 1);
    for tree in ["victim", "victim/app", "team/a", "team/app/x", "/", "..", "team/"] {
        assert_eq!(put(&client, "team/app", &format!("usage {tree}")).expect(503).code(), "UNAVAILABLE", "{tree}");
        host.logged(&["\"policy\":\"curious\"", "a policy failed", "guard tree"]);
        assert_eq!(told(&client, "team/app", "adds").split(' ').count(), 5, "others go on");
    }
    // Nor does it ask without end: which of its limits ends that depends on how
    // quick the machine is.
    let layer = Noise::new(1).bytes(3000);
    push::blob(&client, "team/app", &layer);
    put(&client, "team/app", &format!("often {}", sha256(&layer))).expect(503);
    host.met("curious", &["time", "patience", "calls", "bytes"]);
}

#[test]
fn a_module_may_tell_nothing() {
    let module = binary::guest("misbehave");
    let policies = format!("policies:\n- name: curious\n  module: {}\n", curious().display());
    let host = Host::start(&format!("sandbox:\n  registry: {}\n{policies}", module.display()));
    let said = host.nobody().get("/ask").expect(200).text();
    assert!(said.contains("does not export skerry:registry/inventory@0.1.0"), "{said}");
}
