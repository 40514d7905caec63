//! Manifests: their types, their references, what they may name.

use serde_json::json;
use skerry_tests::{
    Case, Client, Options, Registry,
    content::{self, CONFIG, DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, descriptor},
    push, sha256, sha512,
    table::{get, head, put, run},
};

use crate::base::NOBODY;

const NAME: &str = "manifests/one";

fn at(reference: &str) -> String {
    format!("/v2/{NAME}/manifests/{reference}")
}

pub fn cases(client: &Client) -> Vec<Case> {
    let image = push::image(client, NAME, Some("first"), 20);
    let digest = sha256(&image);
    let tag = format!("\"{digest}\"");
    let other = push::image(client, "manifests/two", Some("first"), 30);
    let again = serde_json::to_vec_pretty(&serde_json::from_slice::<serde_json::Value>(&image).unwrap()).unwrap();
    vec![
        get(at("first"), 200)
            .is("content-type", IMAGE)
            .is("docker-content-digest", &digest)
            .is("content-length", image.len().to_string())
            .is("etag", &tag)
            .gives(&image),
        get(at(&digest), 200).is("content-type", IMAGE).is("docker-content-digest", &digest).gives(&image),
        head(at("first"), 200)
            .is("content-type", IMAGE)
            .is("docker-content-digest", &digest)
            .is("content-length", image.len().to_string()),
        head(at(&digest), 200).is("content-length", image.len().to_string()),
        get(at("first"), 304).with("if-none-match", &tag).empty(),
        get(at("first"), 200).with("if-none-match", "\"another\"").gives(&image),
        // Whatever one says that one accepts.
        get(at("first"), 200).with("accept", IMAGE).is("content-type", IMAGE).gives(&image),
        get(at("first"), 200).with("accept", DOCKER_IMAGE).is("content-type", IMAGE).gives(&image).ours(),
        get(at("first"), 200)
            .with("accept", DOCKER_IMAGE)
            .with("accept", format!("{DOCKER_LIST}, {INDEX};q=0.5,{IMAGE}"))
            .is("content-type", IMAGE)
            .gives(&image),
        // By tag and by digest; the bytes are kept as they came.
        put(at("second"), 201)
            .media(IMAGE)
            .body(&again)
            .is("docker-content-digest", sha256(&again))
            .has("location", format!("/v2/{NAME}/manifests/sha256:")),
        get(at("second"), 200).gives(&again),
        put(at("moved"), 201).media(IMAGE).body(&image),
        put(at("moved"), 201).media(IMAGE).body(&again),
        put(at("moved"), 201).media(IMAGE).body(&again),
        get(at("moved"), 200).is("docker-content-digest", sha256(&again)).gives(&again),
        get(at(&digest), 200).gives(&image),
        put(at(&digest), 201).media(IMAGE).body(&image).is("docker-content-digest", &digest),
        put(at(&digest), 400).media(IMAGE).body(&again).error("DIGEST_INVALID"),
        put(at("sha256:abc"), 400).or(404).media(IMAGE).body(&again).error("").ours(),
        put(at(".hidden"), 400).or(404).media(IMAGE).body(&image).error("").ours(),
        put(at(&"a".repeat(129)), 400).or(404).media(IMAGE).body(&image).error("").ours(),
        put(at(&"a".repeat(128)), 201).media(IMAGE).body(&image),
        // Not here.
        get(at("nobody"), 404).error("MANIFEST_UNKNOWN"),
        head(at("nobody"), 404),
        get(at(NOBODY), 404).error("MANIFEST_UNKNOWN"),
        get(at(&sha256(&other)), 404).error("MANIFEST_UNKNOWN"),
        head(at(&sha256(&other)), 404),
        // A manifest is not one of the repository's blobs by itself, nor a
        // blob a manifest.
        get(format!("/v2/manifests/two/blobs/{digest}"), 404).error("BLOB_UNKNOWN"),
        get(at(&sha256(content::Noise::new(20).bytes(3000))), 404).error("MANIFEST_UNKNOWN"),
    ]
}

/// What is no manifest.
pub fn refused(client: &Client) -> Vec<Case> {
    let image = push::image(client, NAME, Some("good"), 21);
    let text = String::from_utf8(image.clone()).unwrap();
    let missing = content::image(b"{}", &[b"not here"]);
    let config = push::blob(client, NAME, b"{\"a\":1}");
    let half = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, &config, 7),
        "layers": [descriptor(content::LAYER, NOBODY, 5)],
    }))
    .unwrap();
    let untyped = text.replace(&format!("\"mediaType\":\"{IMAGE}\","), "");
    let deep =
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let bad = |body: &str, media: &str| put(at("bad"), 400).media(media).body(body).error("MANIFEST_INVALID");
    vec![
        bad("", IMAGE),
        bad("no JSON", IMAGE),
        bad("[]", IMAGE).ours(),
        bad("{}", IMAGE).ours(),
        bad(&text[..text.len() - 1], IMAGE),
        bad(&format!("{text}x"), IMAGE).ours(),
        bad(&deep, INDEX).ours(),
        // The type that it says, and the type that it is.
        bad(&text, INDEX),
        bad(&text, DOCKER_IMAGE),
        bad(&text, "text/plain").ours(),
        bad(&untyped, DOCKER_IMAGE).ours(),
        put(at("typed"), 201).body(&text).ours(),
        put(at("typed"), 201).media(&format!("{IMAGE}; charset=utf-8")).body(&text).ours(),
        put(at("untyped"), 201).media(IMAGE).body(&untyped),
        get(at("untyped"), 200).is("content-type", IMAGE).gives(&untyped),
        // What it names is not all here.
        put(at("bad"), 400).or(404).media(IMAGE).body(&missing).error("MANIFEST_BLOB_UNKNOWN"),
        put(at("bad"), 400).or(404).media(IMAGE).body(&half).error("MANIFEST_BLOB_UNKNOWN"),
        put("/v2/manifests/fresh/manifests/bad", 400).or(404).media(IMAGE).body(&image).error("MANIFEST_BLOB_UNKNOWN"),
        bad(&text.replace("sha256:", "sha256:x"), IMAGE).ours(),
        head(at("bad"), 404).ours(),
        // Too much of it.
        put(at("bad"), 413).media(IMAGE).body(vec![b' '; 4 * 1024 * 1024 + 1]).error("").ours(),
        put(at("bad"), 413).media(IMAGE).stream(&[&[b' '; 4 * 1024 * 1024], b"more"]).error("").ours(),
        put(at("coded"), 415).media(IMAGE).with("content-encoding", "gzip").body(&image).error("").ours(),
        get(at("good"), 200).gives(&image),
    ]
}

/// Each kind of manifest that clients push.
pub fn kinds(client: &Client) -> Vec<Case> {
    let mut cases = Vec::new();
    let config = push::blob(client, NAME, b"{\"a\":2}");
    let layer = push::blob(client, NAME, b"a layer");
    let mut kind = |tag: &str, media_type: &str, manifest: serde_json::Value, ours: bool| {
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let rows = [
            put(at(tag), 201).media(media_type).body(&bytes).is("docker-content-digest", sha256(&bytes)),
            get(at(tag), 200).is("content-type", media_type).gives(&bytes),
            head(at(&sha256(&bytes)), 200).is("content-type", media_type),
        ];
        cases.extend(rows.map(|row| if ours { row.ours() } else { row }));
        bytes
    };
    let gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let docker = kind(
        "docker",
        DOCKER_IMAGE,
        json!({
            "schemaVersion": 2, "mediaType": DOCKER_IMAGE,
            "config": descriptor("application/vnd.docker.container.image.v1+json", &config, 7),
            "layers": [descriptor(gzip, &layer, 7)],
        }),
        false,
    );
    let platform = json!({ "architecture": "amd64", "os": "linux" });
    let mut child = descriptor(DOCKER_IMAGE, &sha256(&docker), docker.len());
    child["platform"] = platform;
    kind("list", DOCKER_LIST, json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child] }), false);
    let foreign = json!({
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": NOBODY, "size": 9,
        "urls": ["https://example.com/layer"],
    });
    let mut windows = json!({
        "schemaVersion": 2, "mediaType": DOCKER_IMAGE,
        "config": descriptor("application/vnd.docker.container.image.v1+json", &config, 7),
        "layers": [foreign, descriptor(gzip, &layer, 7)],
    });
    kind("foreign", DOCKER_IMAGE, windows.clone(), true);
    windows["mediaType"] = json!(IMAGE);
    windows["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    kind("nondistributable", IMAGE, windows, true);
    kind(
        "no-layers",
        IMAGE,
        json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, &config, 7), "layers": [] }),
        false,
    );
    kind("no-children", INDEX, json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }), false);
    kind(
        "missing-children",
        INDEX,
        json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(IMAGE, NOBODY, 100)],
        }),
        true,
    );
    // BuildKit's cache: the children are layers and a configuration.
    kind(
        "cache",
        INDEX,
        json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": [
                descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer, 7),
                descriptor("application/vnd.buildkit.cacheconfig.v0", &config, 7),
            ],
        }),
        true,
    );
    let inner = serde_json::to_vec(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] })).unwrap();
    kind(
        "nested",
        INDEX,
        json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(INDEX, &sha256(&inner), inner.len())],
        }),
        false,
    );
    kind(
        "artifact",
        IMAGE,
        json!({
            "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/vnd.example.thing",
            "config": { "mediaType": content::EMPTY, "digest": &config, "size": 7, "data": "e30=" },
            "layers": [{ "mediaType": "text/plain", "digest": &layer, "size": 7, "annotations": { "a": "b" } }],
            "annotations": { "org.example": "ünïcödé" }, "org.example.custom": { "x": [1, 2.5, null] },
        }),
        false,
    );
    cases
}

/// A manifest pushed by its digest takes tags along.
pub fn tagged(client: &Client) -> Vec<Case> {
    let image = push::image(client, NAME, Some("before"), 22);
    let digest = sha256(&image);
    let long = sha512(&image);
    vec![
        put(at(&format!("{digest}?tag=one&tag=two")), 201)
            .media(IMAGE)
            .body(&image)
            .has("oci-tag", "one")
            .has("oci-tag", "two")
            .is("docker-content-digest", &digest)
            .ours(),
        get(at("one"), 200).gives(&image).ours(),
        get(at("two"), 200).gives(&image).ours(),
        put(at(&format!("{digest}?tag=..%2f..%2fetc")), 400).media(IMAGE).body(&image).error("").ours(),
        put(at(&format!("{digest}?tag=good&tag=-bad")), 400).media(IMAGE).body(&image).error("").ours(),
        head(at("good"), 404).ours(),
        // By the longer digest, with and without tags.
        put(at(&long), 201).media(IMAGE).body(&image).is("docker-content-digest", &long).ours(),
        get(at(&long), 200).is("docker-content-digest", &long).gives(&image).ours(),
        put(at(&format!("{long}?tag=long")), 201).media(IMAGE).body(&image).has("oci-tag", "long").ours(),
        get(at("long"), 200).is("docker-content-digest", &long).gives(&image).ours(),
        get(at("before"), 200).is("docker-content-digest", &digest).gives(&image),
    ]
}

#[test]
fn manifests() {
    let registry = Registry::new();
    run(&registry.client(), &cases(&registry.client()));
}

#[test]
fn manifests_by_http2() {
    let registry = Registry::new();
    run(&registry.http2(), &cases(&registry.http2()));
}

#[test]
fn what_is_no_manifest() {
    let registry = Registry::new();
    run(&registry.client(), &refused(&registry.client()));
}

#[test]
fn every_kind_of_manifest() {
    let registry = Registry::new();
    run(&registry.client(), &kinds(&registry.client()));
}

#[test]
fn tags_along_with_a_digest() {
    let registry = Registry::new();
    run(&registry.client(), &tagged(&registry.client()));
}

#[test]
fn sparse_images_where_allowed() {
    let registry = Registry::start(Options { sparse: true, ..Options::default() });
    let sparse = content::image(b"{}", &[b"not here"]);
    run(
        &registry.client(),
        &[
            put(at("sparse"), 201).media(IMAGE).body(&sparse),
            get(at("sparse"), 200).gives(&sparse),
            get(format!("/v2/{NAME}/blobs/{}", sha256("not here")), 404).error("BLOB_UNKNOWN"),
        ],
    );
}
