//! The languages, one test each.

use skerry_tests::{
    Options, Registry,
    content::{self, IMAGE},
    push,
};

use crate::project::{C, JS, Language, PYTHON, Project, RUST};

#[test]
#[ignore = "needs cargo's registry, and a minute"]
fn rust() {
    proof(&RUST);
}

#[test]
#[ignore = "needs npm, and minutes"]
fn javascript() {
    proof(&JS);
}

#[test]
#[ignore = "needs Python, and minutes"]
fn python() {
    proof(&PYTHON);
}

#[test]
#[ignore = "needs clang, wit-bindgen and wasm-tools"]
fn c() {
    proof(&C);
}

fn proof(language: &Language) {
    let directory = tempfile::tempdir().unwrap();
    let storage = language.build(directory.path(), "storage-policy");
    let auth = language.build(directory.path(), "auth-policy");
    storage.check("storage-policy");
    storage.rehearse();
    auth.rehearse();
    let retention = language.build(directory.path(), "retention-policy");
    retention.check("retention-policy");
    retention.rehearse();
    decide(&storage, &auth);
    serve(&language.build(directory.path(), "registry"));
}

/// Both of them decide about a push.
fn decide(storage: &Project, auth: &Project) {
    let policies = |writer: &str| {
        format!(
            "policies:\n- name: addresses\n  module: {}\n  settings: {{writers: [{writer}]}}\n\
             - name: tags\n  module: {}\n  settings: {{refused: [latest]}}\n",
            auth.module.display(),
            storage.module.display()
        )
    };
    let volume = tempfile::tempdir().unwrap();
    let start = |writer: &str| {
        let volume = Some(volume.path().to_owned());
        Registry::start(Options { volume, more: policies(writer), ..Options::default() })
    };
    let mut registry = start("127.0.0.1");
    let client = registry.client();
    let image = push::image(&client, "app", Some("v1"), 1);
    let put = |tag: &str| {
        client
            .request("PUT", &format!("/v2/app/manifests/{tag}"))
            .header("content-type", IMAGE)
            .body(image.clone())
            .send()
    };
    let refused = put("latest").expect(403);
    assert_eq!(refused.code(), "DENIED");
    assert!(refused.text().contains("the tag latest of app is refused here"), "{}", refused.text());
    put("v2").expect(201);
    push::whole(&client, "app", "v1").unwrap();
    client.get("/v2/app/manifests/latest").expect(404);
    registry.stop();

    // Its code is there already: `<root>/.skerry/modules`.
    let mut registry = start("10.9.9.9");
    let client = registry.client();
    let refused = client.request("POST", "/v2/app/blobs/uploads/").send().expect(403);
    assert!(refused.text().contains("127.0.0.1 may pull and nothing else"), "{}", refused.text());
    push::whole(&client, "app", "v2").unwrap();
    assert_eq!(
        content::sha256(&image),
        client.head("/v2/app/manifests/v1").expect(200).header("docker-content-digest")
    );
    registry.stop();
}

/// A registry of its own answers over TLS.
fn serve(module: &Project) {
    let more = format!("sandbox:\n  registry: {}\n", module.module.display());
    let mut registry = Registry::start(Options { more, ..Options::default() });
    let client = registry.client();
    for _ in 0..3 {
        let answer = client.get("/v2/").expect(200);
        assert_eq!((answer.text().as_str(), answer.header("docker-distribution-api-version")), ("{}", "registry/2.0"));
        assert_eq!(client.get("/v2/app/tags/list").expect(404).code(), "NAME_UNKNOWN");
    }
    registry.stop();
}
