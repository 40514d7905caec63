//! Lists: tags and the catalog, by pages.

use serde_json::json;
use skerry_tests::{
    Case, Client, Options, Registry,
    content::IMAGE,
    push, sha256,
    table::{delete, get, run},
};

const TAGS: [&str; 7] = ["1.0", "10", "2", "A", "_x", "a", "a-b.c_d"];

pub fn tags(client: &Client) -> Vec<Case> {
    let image = push::image(client, "list/tags", None, 40);
    for tag in TAGS {
        push::manifest(client, "list/tags", tag, IMAGE, &image);
    }
    push::blob(client, "list/blobs", b"only a blob");
    let at = |query: &str, status: u16| get(format!("/v2/list/tags/tags/list{query}"), status);
    let tags = |tags: &[&str]| json!({ "name": "list/tags", "tags": tags });
    vec![
        at("", 200).json(tags(&TAGS)).absent("link").has("content-type", "application/json"),
        at("?n=100", 200).json(tags(&TAGS)).absent("link"),
        at("?n=2", 200)
            .json(tags(&TAGS[..2]))
            .has("link", "/v2/list/tags/tags/list?")
            .has("link", "last=10")
            .has("link", "n=2")
            .has("link", "rel=\"next\""),
        at("?n=2&last=10", 200).json(tags(&TAGS[2..4])).has("link", "last=A"),
        at("?last=10&n=2", 200).json(tags(&TAGS[2..4])),
        at("?n=3&last=A", 200).json(tags(&TAGS[4..])).absent("link").ours(),
        at("?last=A", 200).json(tags(&TAGS[4..])).absent("link"),
        // A last that is no tag, now or ever.
        at("?n=1&last=1.5", 200).json(tags(&["10"])),
        at("?n=5&last=zzz", 200).json(tags(&[])).absent("link"),
        at("?n=0", 200).json(tags(&[])).ours(),
        at("?n=-1", 400).error("PAGINATION_NUMBER_INVALID"),
        at("?n=many", 400).error("PAGINATION_NUMBER_INVALID"),
        get("/v2/list/nobody/tags/list", 404).error("NAME_UNKNOWN"),
        get("/v2/list/blobs/tags/list", 200).json(json!({ "name": "list/blobs", "tags": [] })).ours(),
        // A tag that is gone is gone from the list.
        delete("/v2/list/tags/manifests/A", 202),
        at("?n=3&last=2", 200).json(tags(&["_x", "a", "a-b.c_d"])),
    ]
}

pub fn catalog(client: &Client) -> Vec<Case> {
    for name in ["cat/b", "cat/a/deep/er", "cat", "cat/a", "dog"] {
        push::image(client, name, Some("t"), 41);
    }
    let at = |query: &str, status: u16| get(format!("/v2/_catalog{query}"), status);
    let names = |names: &[&str]| json!({ "repositories": names });
    vec![
        at("", 200).json(names(&["cat", "cat/a", "cat/a/deep/er", "cat/b", "dog"])).absent("link"),
        at("?n=2", 200)
            .json(names(&["cat", "cat/a"]))
            .has("link", "/v2/_catalog?")
            .has("link", "n=2")
            .has("link", "rel=\"next\""),
        at("?n=2&last=cat/a", 200).json(names(&["cat/a/deep/er", "cat/b"])),
        at("?n=2&last=cat%2Fa", 200).json(names(&["cat/a/deep/er", "cat/b"])),
        at("?n=2&last=cat/b", 200).json(names(&["dog"])).absent("link"),
        at("?n=1001", 400).error("PAGINATION_NUMBER_INVALID"),
        at("?n=-1", 400).error("PAGINATION_NUMBER_INVALID"),
        at("?n=what", 400).error("PAGINATION_NUMBER_INVALID"),
        at("?n=0", 200).or(400).ours(),
    ]
}

#[test]
fn tag_lists() {
    let registry = Registry::new();
    run(&registry.client(), &tags(&registry.client()));
}

#[test]
fn catalogs() {
    let registry = Registry::new();
    run(&registry.client(), &[get("/v2/_catalog", 200).json(json!({ "repositories": [] }))]);
    run(&registry.client(), &catalog(&registry.client()));
}

/// Following the links leads past everything once.
#[test]
fn pages_join_up() {
    let registry = Registry::start(Options { http: "prefix: /edge/".into(), ..Options::default() });
    let client = registry.client();
    let client = Prefixed(client);
    let image = client.image("pages");
    let mut expected: Vec<String> = (0..53).map(|n| format!("t{:x}", n * 7919)).collect();
    for tag in &expected {
        client.put("pages", tag, &image);
    }
    expected.sort();
    let mut found = Vec::new();
    let mut next = "/edge/v2/pages/tags/list?n=10".to_owned();
    for _ in 0..10 {
        let answer = client.0.get(&next).expect(200);
        found.extend(answer.json()["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()));
        let Some(more) = answer.next() else { break };
        next = more;
    }
    assert_eq!(found, expected);
}

/// A client of a registry that lives below `/edge/`.
struct Prefixed(Client);

impl Prefixed {
    fn image(&self, name: &str) -> Vec<u8> {
        let begun = self.0.request("POST", &format!("/edge/v2/{name}/blobs/uploads/?digest={}", sha256("{}")));
        begun.body("{}").send().expect(201);
        skerry_tests::content::image(b"{}", &[])
    }

    fn put(&self, name: &str, tag: &str, image: &[u8]) {
        let put = self.0.request("PUT", &format!("/edge/v2/{name}/manifests/{tag}"));
        put.header("content-type", IMAGE).body(image.to_vec()).send().expect(201);
    }
}
