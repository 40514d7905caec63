//! What may be pushed under which name.

use skerry_tests::{
    client::with,
    content::{IMAGE, INDEX, Noise},
    push, sha256,
};

use super::host::Host;

#[test]
fn other_names_are_denied_from_the_start_of_an_upload_on() {
    let host = Host::start(
        "policies:\n- module: name-rules\n  settings:\n    repositories: ['team/**', base]\n    max_depth: 3\n    tag_pattern: 'latest|v[0-9]+'\n",
    );
    let client = host.nobody();
    let image = push::image(&client, "team/app", Some("v1"), 1);
    push::image(&client, "base", None, 2);
    let layer = sha256(Noise::new(1).bytes(3000));
    // One that refers to nothing which could be missing.
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}"#).into_bytes();
    let bytes = Noise::new(1).bytes(3000);
    let like = "have to be like team/**, base";
    for (name, says) in [("other", like), ("team", like), ("base/x", like), ("team/a/b/c", "it has 4 segments")] {
        let uploads = format!("/v2/{name}/blobs/uploads/");
        let mount = with(&with(&uploads, &format!("mount={layer}")), "from=team/app");
        for (method, target, body) in [
            ("POST", uploads.clone(), Vec::new()),
            ("POST", with(&uploads, &format!("digest={layer}")), bytes.clone()),
            ("POST", mount, Vec::new()),
            ("PUT", format!("/v2/{name}/manifests/v1"), index.clone()),
            ("PUT", format!("/v2/{name}/manifests/{}", sha256(&index)), index.clone()),
        ] {
            let answer = client.request(method, &target).header("content-type", INDEX).body(body).send();
            assert_eq!((answer.status, answer.code().as_str()), (403, "DENIED"), "{method} {target}");
            assert!(answer.text().contains(says), "{target}: {}", answer.text());
        }
        client.get(&format!("/v2/{name}/tags/list")).expect(404);
        client.head(&format!("/v2/{name}/blobs/{layer}")).expect(404);
    }
    let tags = |tag: &str| {
        let put = client.request("PUT", &format!("/v2/team/app/manifests/{tag}"));
        put.header("content-type", IMAGE).body(image.clone()).send()
    };
    let denied = tags("main").expect(403);
    assert!(
        denied.text().contains("team/app:main cannot be pushed: tags have to be like latest|v[0-9]+"),
        "{}",
        denied.text()
    );
    tags("v2").expect(201);
    tags(&sha256(&image)).expect(201);
    let listed = client.get("/v2/team/app/tags/list").expect(200).json();
    assert_eq!(listed["tags"], serde_json::json!(["v1", "v2"]));
    client.delete("/v2/team/app/manifests/v2").expect(202);
}
