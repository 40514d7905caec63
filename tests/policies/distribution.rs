//! `auth` as distribution has it.

use std::fs;

use skerry_tests::{Options, Registry, push};

use super::host::{Host, htpasswd};

fn start(users: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("htpasswd");
    htpasswd(&file, users);
    let host = Host::start(&format!("auth:\n  htpasswd:\n    realm: Registry Realm\n    path: {}\n", file.display()));
    (directory, host)
}

#[test]
fn users_may_do_everything_and_others_nothing() {
    let (_directory, mut host) = start(&[("ann", "a secret"), ("bob", "pass:word")]);
    let (ann, bob) = (host.nobody().user("ann", "a secret"), host.nobody().user("bob", "pass:word"));
    for client in [
        host.nobody(),
        host.nobody().user("ann", "wrong"),
        host.nobody().user("eve", "a secret"),
        host.nobody().user("", ""),
        host.nobody().user("ann", ""),
    ] {
        for path in ["/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/manifests/v1"] {
            let answer = client.get(path).expect(401);
            assert_eq!(answer.header("www-authenticate"), r#"Basic realm="Registry Realm""#, "{path}");
            assert_eq!(answer.code(), "UNAUTHORIZED", "{path}");
            assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{path}");
        }
        client.request("POST", "/v2/app/blobs/uploads/").send().expect(401);
    }
    let other = host.registry.client().request("GET", "/v2/").header("authorization", "Bearer abc").send();
    assert_eq!(other.status, 401);
    ann.get("/v2/").expect(200);
    let image = push::image(&ann, "app", Some("v1"), 1);
    assert_eq!(bob.get("/v2/app/manifests/v1").expect(200).body, image);
    assert_eq!(host.registry.http2().user("bob", "pass:word").get("/v2/app/manifests/v1").expect(200).body, image);
    bob.delete("/v2/app/manifests/v1").expect(202);
    host.logged(&["\"method\":\"DELETE\"", "\"user\":\"bob\""]);
    for secret in ["a secret", "pass:word", "YW5uOmEgc2VjcmV0"] {
        assert!(!host.log_holds(secret), "{secret} is in the log");
    }
}

/// distribution would make up a user, and log the password.
#[test]
fn without_the_file_it_does_not_start() {
    let more = "auth:\n  htpasswd:\n    realm: r\n    path: /no/such/file\n".to_owned();
    let said = Registry::refused(Options { more, ..Options::default() });
    let sentence = "`auth.htpasswd.path`: there is no file /no/such/file; make it with: skerry htpasswd -Bbn USER \
        PASSWORD > /no/such/file";
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn a_file_that_goes_away_lets_nobody_in() {
    let (directory, mut host) = start(&[("ann", "a")]);
    let ann = host.nobody().user("ann", "a");
    ann.get("/v2/").expect(200);
    fs::remove_file(directory.path().join("htpasswd")).unwrap();
    ann.get("/v2/").expect(503);
    host.logged(&["\"policy\":\"htpasswd\"", "a policy failed"]);
    htpasswd(&directory.path().join("htpasswd"), &[("ann", "a")]);
    ann.get("/v2/").expect(200);
}

#[test]
fn a_realm_is_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users");
    htpasswd(&file, &[("ann", "a")]);
    let keys = format!("auth:\n  htpasswd:\n    realm: 'a \"b\" \\c'\n    path: {}\n", file.display());
    let host = Host::start(&keys);
    let answer = host.nobody().get("/v2/").expect(401);
    assert_eq!(answer.header("www-authenticate"), r#"Basic realm="a \"b\" \\c""#);
}
