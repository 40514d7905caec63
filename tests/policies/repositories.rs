//! Who may do what where, by the policies that are built in.

use skerry_tests::{Client, client::with, content::Noise, push, sha256};

use super::host::{Host, htpasswd};

fn start(access: &str) -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().unwrap();
    htpasswd(&directory.path().join("users"), &[("ann", "a"), ("bob", "b"), ("admin", "c")]);
    let host = Host::start(&format!(
        "policies:\n- module: htpasswd\n  directory: {}\n  settings: {{realm: Registry, file: users, anonymous: true}}\n- module: access\n  settings:\n{access}",
        directory.path().display()
    ));
    (directory, host)
}

const RULES: &str = "    rules:
    - {repositories: ['public/**'], anonymous: true, actions: [pull]}
    - {repositories: ['ann/**'], subjects: [ann], actions: [pull, push, delete]}
    - {repositories: ['bob/**'], subjects: [bob], actions: [pull, push]}
    - {repositories: ['**'], subjects: [admin], actions: [pull, push, delete]}
    - {anonymous: true, actions: [catalog]}
";

fn clients(host: &Host) -> [Client; 4] {
    let nobody = host.nobody();
    [nobody.user("ann", "a"), nobody.user("bob", "b"), nobody.user("admin", "c"), nobody]
}

#[test]
fn everybody_pulls_and_users_push() {
    let (_directory, host) = start(RULES);
    let [ann, bob, admin, nobody] = clients(&host);
    let image = push::image(&admin, "public/app", Some("v1"), 1);
    push::image(&ann, "ann/app", Some("v1"), 2);
    let layer = sha256(Noise::new(1).bytes(3000));
    for client in [&ann, &bob, &admin, &nobody] {
        assert_eq!(client.get("/v2/public/app/manifests/v1").expect(200).body, image);
        client.get(&format!("/v2/public/app/blobs/{layer}")).expect(200);
        client.head("/v2/public/app/manifests/v1").expect(200);
    }
    for (client, method, path, status) in [
        (&nobody, "POST", "/v2/public/app/blobs/uploads/", 401),
        (&nobody, "PUT", "/v2/public/app/manifests/v2", 401),
        (&nobody, "DELETE", "/v2/public/app/manifests/v1", 401),
        (&nobody, "GET", "/v2/ann/app/manifests/v1", 401),
        (&bob, "POST", "/v2/public/app/blobs/uploads/", 403),
        (&bob, "GET", "/v2/ann/app/manifests/v1", 403),
        (&bob, "GET", "/v2/ann/app/tags/list", 403),
        (&bob, "DELETE", "/v2/bob/app/manifests/v1", 403),
        (&ann, "GET", "/v2/ann/app/manifests/v1", 200),
        (&ann, "DELETE", "/v2/ann/app/manifests/v1", 202),
    ] {
        let answer = client.request(method, path).send().expect(status);
        let asks = answer.header("www-authenticate");
        assert_eq!(asks, if status == 401 { r#"Basic realm="Registry""# } else { "" }, "{path}");
    }
}

#[test]
fn the_catalog_shows_what_may_be_pulled() {
    let (_directory, host) = start(RULES);
    let [ann, bob, admin, nobody] = clients(&host);
    for (seed, name) in ["ann/app", "bob/app", "public/app", "team/app"].into_iter().enumerate() {
        push::image(&admin, name, Some("v1"), seed as u64);
    }
    for (client, expected) in [
        (&ann, &["ann/app", "public/app"][..]),
        (&bob, &["bob/app", "public/app"]),
        (&admin, &["ann/app", "bob/app", "public/app", "team/app"]),
        (&nobody, &["public/app"]),
    ] {
        let listed = client.get("/v2/_catalog").expect(200).json()["repositories"].clone();
        assert_eq!(listed, serde_json::json!(expected));
        // Page by page, too.
        let first = client.get("/v2/_catalog?n=1").expect(200).json()["repositories"].clone();
        assert_eq!(first, serde_json::json!([expected[0]]));
    }
}

#[test]
fn blobs_are_mounted_from_where_they_may_be_pulled() {
    let (_directory, host) = start(RULES);
    let [ann, bob, admin, _] = clients(&host);
    let secret = push::blob(&ann, "ann/app", b"what ann alone may see");
    let open = push::blob(&admin, "public/app", b"what everybody may see");
    let mount = |client: &Client, name: &str, digest: &str, from: &str| {
        client.request("POST", &format!("/v2/{name}/blobs/uploads/?mount={digest}{from}")).send()
    };
    mount(&bob, "bob/app", &open, "&from=public/app").expect(201);
    mount(&ann, "ann/other", &secret, "&from=ann/app").expect(201);
    // The same as for a blob that is not there: an upload.
    let absent = sha256("what nobody has");
    for digest in [&secret, &absent] {
        for from in ["&from=ann/app", "&from=no/such", ""] {
            let answer = mount(&bob, "bob/app", digest, from).expect(202);
            assert!(!answer.headers.contains_key("docker-content-digest"), "{from}");
        }
        bob.head(&format!("/v2/bob/app/blobs/{digest}")).expect(404);
    }
    // Somebody else's upload is not to be had either.
    let begun = ann.request("POST", "/v2/ann/app/blobs/uploads/").send().expect(202).location();
    let put = bob.request("PUT", &with(&begun, &format!("digest={absent}"))).body("what nobody has").send();
    assert_eq!(put.status, 403);
}

#[test]
fn what_is_hidden_equals_what_is_not_there() {
    let (_directory, host) = start(&format!("{RULES}    hide: true\n"));
    let [ann, bob, _, _] = clients(&host);
    let image = push::image(&ann, "ann/there", Some("v1"), 1);
    let digest = sha256(&image);
    let paths = [
        ("GET", "manifests/v1".to_owned()),
        ("HEAD", "manifests/v1".to_owned()),
        ("GET", format!("manifests/{digest}")),
        ("GET", "tags/list".to_owned()),
        ("GET", format!("blobs/{digest}")),
        ("GET", format!("referrers/{digest}")),
        ("DELETE", "manifests/v1".to_owned()),
        ("PUT", "manifests/v2".to_owned()),
    ];
    for (method, path) in paths {
        let ask = |name: &str| {
            let answer = bob.request(method, &format!("/v2/{name}/{path}")).send();
            let text = answer.text().replace(name, "NAME");
            let mut headers: Vec<_> = answer.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
            headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "content-length"));
            headers.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
            (answer.status, headers, text)
        };
        let there = ask("ann/there");
        assert_eq!(there, ask("ann/gone"), "{method} {path}");
        // Nor can it be told from what is nowhere, where he may look.
        if matches!(method, "GET" | "HEAD") {
            assert_eq!(there, ask("bob/gone"), "{method} {path}");
        }
    }
    assert_eq!(bob.get("/v2/ann/there/tags/list").code(), "NAME_UNKNOWN");
    ann.get("/v2/ann/there/tags/list").expect(200);
}
