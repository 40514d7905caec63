//! Modes of the configuration: no deletes, no writes.

use skerry_tests::{
    Options, Registry,
    content::{IMAGE, Noise},
    push, sha256,
    table::{delete, get, head, patch, post, put, run},
};

#[test]
fn without_deletes() {
    let registry = Registry::start(Options { delete: false, ..Options::default() });
    let client = registry.client();
    let image = push::image(&client, "keep", Some("a"), 90);
    let layer = sha256(Noise::new(90).bytes(3000));
    run(
        &client,
        &[
            delete("/v2/keep/manifests/a", 405).error("UNSUPPORTED"),
            delete(format!("/v2/keep/manifests/{}", sha256(&image)), 405).error("UNSUPPORTED"),
            delete(format!("/v2/keep/blobs/{layer}"), 405).error("UNSUPPORTED"),
            get("/v2/keep/manifests/a", 200).gives(&image),
            head(format!("/v2/keep/blobs/{layer}"), 200),
            // An upload can be given up all the same.
            post("/v2/keep/blobs/uploads/", 202).keep("upload", "location"),
            delete("{upload}", 204),
        ],
    );
}

#[test]
fn without_writes() {
    let volume = tempfile::tempdir().unwrap();
    let mut writer = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    let image = push::image(&writer.client(), "read", Some("a"), 91);
    let layer = sha256(Noise::new(91).bytes(3000));
    let upload = writer.client().request("POST", "/v2/read/blobs/uploads/").send().expect(202).location();
    writer.stop();

    let registry =
        Registry::start(Options { volume: Some(volume.path().to_owned()), readonly: true, ..Options::default() });
    run(
        &registry.client(),
        &[
            get("/v2/", 200),
            get("/v2/read/manifests/a", 200).gives(&image),
            head(format!("/v2/read/blobs/{layer}"), 200),
            get("/v2/read/tags/list", 200),
            get("/v2/_catalog", 200),
            get(format!("/v2/read/referrers/{}", sha256(&image)), 200),
            post("/v2/read/blobs/uploads/", 405).error("UNSUPPORTED"),
            post(format!("/v2/read/blobs/uploads/?mount={layer}&from=read"), 405).error("UNSUPPORTED"),
            patch(&upload, 405).body("abc").error("UNSUPPORTED"),
            put(format!("{upload}?digest={layer}"), 405).body("abc").error("UNSUPPORTED"),
            delete(&upload, 405).error("UNSUPPORTED"),
            put("/v2/read/manifests/b", 405).media(IMAGE).body(&image).error("UNSUPPORTED"),
            delete("/v2/read/manifests/a", 405).error("UNSUPPORTED"),
            delete(format!("/v2/read/manifests/{}", sha256(&image)), 405).error("UNSUPPORTED"),
            delete(format!("/v2/read/blobs/{layer}"), 405).error("UNSUPPORTED"),
            get("/v2/read/manifests/a", 200).gives(&image),
        ],
    );
}
