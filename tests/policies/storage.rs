//! What may be stored, by the policies that are built in.

use skerry_tests::{Options, Registry, content::IMAGE, push};

use super::host::Host;

#[test]
fn a_tag_stays_where_it_leads() {
    let host = Host::start("policies:\n- module: immutable-tags\n  settings: {tags: ['v*']}\n");
    let client = host.nobody();
    let first = push::image(&client, "app", Some("v1"), 1);
    let other = push::image(&client, "app", Some("latest"), 2);
    // Nothing changes by pushing the same again.
    push::manifest(&client, "app", "v1", IMAGE, &first);
    let put = client.request("PUT", "/v2/app/manifests/v1").header("content-type", IMAGE).body(other.clone()).send();
    assert!((400..500).contains(&put.status), "{}", put.text());
    assert!(!put.code().is_empty() && put.text().contains("v1"), "{}", put.text());
    assert_eq!(client.get("/v2/app/manifests/v1").expect(200).body, first);
    // Others move.
    push::manifest(&client, "app", "latest", IMAGE, &first);
    assert_eq!(client.get("/v2/app/manifests/latest").expect(200).body, first);
    assert!(host.asked("immutable-tags") > 3);
}

#[test]
fn settings_that_a_policy_does_not_know_stop_the_start() {
    for (policy, word) in [
        ("{module: immutable-tags, settings: {tags: ['v*'], tgas: []}}", "tgas"),
        ("{module: htpasswd, settings: {file: x}}", "realm"),
        ("{module: access, settings: {rules: [{repositories: ['**'], actions: [fly]}]}}", "fly"),
        ("{module: access}", "access"),
    ] {
        let more = format!("policies:\n- {policy}\n");
        let said = Registry::refused(Options { more, ..Options::default() });
        assert!(said.contains("the policy ") && said.contains(word), "{policy}: {said}");
    }
}
