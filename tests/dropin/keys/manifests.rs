//! `validation` and `catalog`.

use serde_json::{Value, json};
use skerry_tests::{
    Client,
    content::{IMAGE, INDEX, sha256},
    push,
};

use super::{Row, Table, Told};

pub const ROWS: &[Row] = &[
    (&["catalog.maxentries"], entries),
    (&["validation.manifests.urls.allow", "validation.manifests.urls.deny"], urls),
    (&["validation.enabled", "validation.disabled"], switches),
    (&["validation.manifests.indexes.platforms"], indexes),
    (
        &["validation.manifests.indexes.platformlist.0.architecture", "validation.manifests.indexes.platformlist.0.os"],
        platforms,
    ),
];

fn entries(table: &Table) {
    let told = Told::start(table, &[("catalog.maxentries", "2")]);
    told.client().get("/v2/_catalog?n=2").expect(200);
    let refused = told.client().get("/v2/_catalog?n=3").expect(400);
    assert_eq!(refused.code(), "PAGINATION_NUMBER_INVALID");
}

/// The status of the push of an image whose one layer is elsewhere.
fn layer_at(told: &Told, url: &str) -> u16 {
    let client = told.client();
    let config = push::blob(&client, "a", b"{}");
    let image = json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "digest": sha256("elsewhere"), "size": 9, "urls": [url],
        }],
    });
    put(&client, IMAGE, &image)
}

fn put(client: &Client, media_type: &str, manifest: &Value) -> u16 {
    let request = client.request("PUT", "/v2/a/manifests/b").header("content-type", media_type);
    request.body(manifest.to_string()).send().status
}

const GOOD: &str = "https://good.example/layer";
const BAD: &str = "https://bad.example/layer";

fn urls(table: &Table) {
    for (key, pattern) in
        [("validation.manifests.urls.allow", r"['^https://good\.']"), ("validation.manifests.urls.deny", "[bad]")]
    {
        let told = Told::start(table, &[(key, pattern)]);
        assert_eq!((layer_at(&told, GOOD), layer_at(&told, BAD)), (201, 400), "{key}");
    }
}

fn switches(table: &Table) {
    for (set, status) in [
        (&[][..], 400),
        (&[("validation.disabled", "true")], 201),
        (&[("validation.disabled", "true"), ("validation.enabled", "true")], 400),
    ] {
        let told = Told::start(table, &[&[("validation.manifests.urls.deny", "[bad]")], set].concat());
        assert_eq!(layer_at(&told, BAD), status, "{set:?}");
    }
}

/// The status of the push of an index whose one child is not here.
fn child_for(told: &Told, os: &str, architecture: &str) -> u16 {
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{
            "mediaType": IMAGE, "digest": sha256("nowhere"), "size": 7,
            "platform": {"os": os, "architecture": architecture},
        }],
    });
    put(&told.client(), INDEX, &index)
}

const PLATFORMS: &str = "validation.manifests.indexes.platforms";

fn indexes(table: &Table) {
    for (platforms, good) in [("all", false), ("none", true)] {
        let told = Told::start(table, &[(PLATFORMS, platforms)]);
        assert_eq!(child_for(&told, "linux", "amd64") == 201, good, "{platforms}");
    }
}

fn platforms(table: &Table) {
    let set = [
        (PLATFORMS, "list"),
        ("validation.manifests.indexes.platformlist.0.architecture", "amd64"),
        ("validation.manifests.indexes.platformlist.0.os", "linux"),
    ];
    let told = Told::start(table, &set);
    for (os, architecture, good) in [("linux", "amd64", false), ("linux", "arm64", true), ("plan9", "amd64", true)] {
        assert_eq!(child_for(&told, os, architecture) == 201, good, "{os} {architecture}");
    }
}
