//! Deletes: of tags, manifests and blobs, each at once and no further.

use serde_json::json;
use skerry_tests::{
    Case, Client, Registry,
    content::{IMAGE, Noise},
    push, sha256,
    table::{delete, get, head, post, put, run},
};

use crate::base::NOBODY;

pub fn cases(client: &Client) -> Vec<Case> {
    let one = push::image(client, "del/one", Some("a"), 50);
    push::manifest(client, "del/one", "b", IMAGE, &one);
    let two = push::image(client, "del/one", Some("c"), 52);
    push::image(client, "del/two", Some("a"), 50);
    let digest = sha256(&one);
    let layer = sha256(Noise::new(50).bytes(3000));
    let tags = |tags: &[&str]| get("/v2/del/one/tags/list", 200).json(json!({ "name": "del/one", "tags": tags }));
    vec![
        // A tag: the manifest stays.
        delete("/v2/del/one/manifests/a", 202),
        get("/v2/del/one/manifests/a", 404).error("MANIFEST_UNKNOWN"),
        get(format!("/v2/del/one/manifests/{digest}"), 200).gives(&one),
        tags(&["b", "c"]),
        delete("/v2/del/one/manifests/a", 404).error("MANIFEST_UNKNOWN").ours(),
        put("/v2/del/one/manifests/a", 201).media(IMAGE).body(&one),
        // A manifest: all of its tags go with it.
        delete(format!("/v2/del/one/manifests/{digest}"), 202),
        get(format!("/v2/del/one/manifests/{digest}"), 404).error("MANIFEST_UNKNOWN"),
        head("/v2/del/one/manifests/a", 404),
        head("/v2/del/one/manifests/b", 404),
        tags(&["c"]),
        get("/v2/del/one/manifests/c", 200).gives(&two),
        delete(format!("/v2/del/one/manifests/{digest}"), 404).error("MANIFEST_UNKNOWN"),
        delete(format!("/v2/del/one/manifests/{NOBODY}"), 404).error("MANIFEST_UNKNOWN"),
        // Elsewhere it is untouched.
        get("/v2/del/two/manifests/a", 200).gives(&one),
        get(format!("/v2/del/one/blobs/{layer}"), 200),
        // A blob.
        delete(format!("/v2/del/one/blobs/{layer}"), 202),
        get(format!("/v2/del/one/blobs/{layer}"), 404).error("BLOB_UNKNOWN"),
        head(format!("/v2/del/one/blobs/{layer}"), 404),
        delete(format!("/v2/del/one/blobs/{layer}"), 404).error("BLOB_UNKNOWN"),
        get(format!("/v2/del/two/blobs/{layer}"), 200),
        delete(format!("/v2/del/one/blobs/{NOBODY}"), 404).error("BLOB_UNKNOWN"),
        // And back.
        put("/v2/del/one/manifests/a", 400).or(404).media(IMAGE).body(&one).error("MANIFEST_BLOB_UNKNOWN"),
        post(format!("/v2/del/one/blobs/uploads/?mount={layer}&from=del/two"), 201),
        put("/v2/del/one/manifests/a", 201).media(IMAGE).body(&one),
        get("/v2/del/one/manifests/a", 200).gives(&one),
        get(format!("/v2/del/one/blobs/{layer}"), 200).gives(Noise::new(50).bytes(3000)),
    ]
}

#[test]
fn deletes() {
    let registry = Registry::new();
    run(&registry.client(), &cases(&registry.client()));
}
