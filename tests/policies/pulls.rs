//! What may be pulled, by storage policies that are about that; where none is,
//! nothing is asked and answers are remembered.

use std::fs;

use rustix::process::Signal;
use skerry_tests::{content::IMAGE, push, sha256};

use super::host::{Host, gate};

fn section(concerns: &str) -> String {
    format!("policies:\n- name: gate\n  module: {}\n  settings: {{concerns: [{concerns}]}}\n", gate().display())
}

#[test]
fn a_pull_is_let_through_or_not_each_time() {
    let mut host = Host::start(&section("pull"));
    let client = host.nobody();
    let image = push::image(&client, "app", Some("v1"), 1);
    for tag in ["closed", "broken", "old"] {
        push::manifest(&client, "app", tag, IMAGE, &image);
    }
    push::image(&client, "all/closed", Some("v1"), 1);
    assert_eq!(host.asked("gate"), 0, "it is about pulls alone");
    let digest = sha256(&image);
    for method in ["GET", "HEAD"] {
        for (target, status) in [
            ("/v2/app/manifests/v1".to_owned(), 200),
            (format!("/v2/app/manifests/{digest}"), 200),
            ("/v2/app/manifests/closed".to_owned(), 403),
            ("/v2/app/manifests/broken".to_owned(), 503),
            (format!("/v2/all/closed/manifests/{digest}"), 403),
            ("/v2/all/closed/manifests/v1".to_owned(), 403),
            ("/v2/app/manifests/none".to_owned(), 404),
        ] {
            for headers in [None, Some(format!("\"{digest}\""))] {
                let request = client.request(method, &target);
                let answer = match &headers {
                    Some(etag) => request.header("if-none-match", etag).send(),
                    None => request.send(),
                };
                let status = if status == 200 && headers.is_some() { 304 } else { status };
                assert_eq!(answer.status, status, "{method} {target} {headers:?}");
            }
        }
    }
    let denied = client.get("/v2/app/manifests/closed").expect(403);
    assert_eq!(denied.code(), "DENIED");
    assert!(denied.text().contains("pull of app: closed to you"), "{}", denied.text());
    let old = client.get("/v2/app/manifests/old").expect(200);
    assert_eq!(old.header("warning"), "299 - \"pull: it is old\"");
    let broken = client.get("/v2/app/manifests/broken").expect(503).text();
    assert!(broken.contains("UNAVAILABLE") && !broken.contains("secret"), "{broken}");
    host.logged(&["a policy failed", "\"policy\":\"gate\""]);
    // Each is asked about anew.
    let (asked, hits) = (host.asked("gate"), host.hits());
    for _ in 0..10 {
        client.get("/v2/app/manifests/v1").expect(200);
    }
    assert_eq!((host.asked("gate"), host.hits()), (asked + 10, hits));
    // What is no manifest is remembered as ever.
    host.until_remembered(&client, "/v2/app/tags/list", 200);
}

#[test]
fn a_policy_that_is_about_pushes_keeps_no_answer_from_being_remembered() {
    let host = Host::start(&section("tag-move, manifest-delete"));
    let client = host.nobody();
    let image = push::image(&client, "app", Some("v1"), 1);
    assert_eq!(host.asked("gate"), 1, "of a push, it is about the tag");
    let put = client.request("PUT", "/v2/app/manifests/closed").header("content-type", IMAGE).body(image.clone());
    let put = put.send().expect(403);
    assert!(put.text().contains("tag-move of app: closed to you"), "{}", put.text());
    push::manifest(&client, "app", &sha256(&image), IMAGE, &image);
    assert_eq!(host.asked("gate"), 2);
    host.until_remembered(&client, "/v2/app/manifests/v1", 200);
    assert_eq!(host.asked("gate"), 2);
}

#[test]
fn a_policy_that_comes_to_be_about_pulls_is_asked_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let concerns = directory.path().join("concerns");
    fs::write(&concerns, "\"manifest-delete\"").unwrap();
    let (module, directory) = (gate().display(), directory.path().display());
    let mut host = Host::start(&format!("policies:\n- name: gate\n  module: {module}\n  directory: {directory}\n"));
    let client = host.nobody();
    let image = push::image(&client, "app", Some("closed"), 1);
    assert_eq!(host.until_remembered(&client, "/v2/app/manifests/closed", 200).into_bytes(), image);
    // What is loaded is what counts.
    fs::write(&concerns, "\"pull\"").unwrap();
    client.get("/v2/app/manifests/closed").expect(200);
    host.registry.signal(Signal::HUP);
    host.logged(&["policies are loaded anew"]);
    client.get("/v2/app/manifests/closed").expect(403);
}
