//! skopeo: PATCH and PUT over HTTP/1.1, as podman and the Docker engine push.

use skerry_tests::{command::called, image::Layout, registry::first_run, tools, wire::Wire};

use crate::target::{Pushed, Target, large, many, multi};

fn copy(target: &Target, from: &str, to: &str) -> std::process::Command {
    let mut command = target.tool("skopeo");
    command.arg("--policy").arg(target.path("policy.json")).args(["copy", "--all", "--preserve-digests"]);
    for side in ["--src-cert-dir", "--dest-cert-dir"] {
        command.arg(side).arg(target.path("certificates"));
    }
    command.args([from, to]);
    command
}

fn there_and_back(target: &Target, layout: &Layout, tag: &str, digest: &str) {
    let remote = format!("docker://{}", target.reference("skopeo", tag));
    tools::succeed(copy(target, &format!("oci:{}:{tag}", layout.path().display()), &remote));
    target.check(&Pushed { name: "skopeo", tag, digest }, layout);
    let pulled = target.path(&format!("pulled-{tag}"));
    tools::succeed(copy(target, &remote, &format!("oci:{}:{tag}", pulled.display())));
    let pulled = Layout::at(&pulled);
    assert_eq!(pulled.roots(), [digest]);
    pulled.check(digest);
}

#[test]
#[ignore = "needs skopeo and zstd: run by .ci/run"]
fn images_of_all_shapes() {
    let target = Target::new();
    let (layout, digest) = multi(&target.path("multi"), 1000);
    there_and_back(&target, &layout, "multi", &digest);
    let (layout, digest) = many(&target.path("many"), 20, 1100);
    there_and_back(&target, &layout, "many", &digest);
}

#[test]
#[ignore = "needs skopeo: run by .ci/run"]
fn a_layer_of_500_megabytes() {
    let target = Target::new();
    let (layout, digest) = large(&target.path("large"), 1200);
    there_and_back(&target, &layout, "large", &digest);
}

#[test]
#[ignore = "needs skopeo: run by .ci/run"]
fn no_authority_no_pull() {
    let target = Target::new();
    let mut command = target.tool("skopeo");
    command.env_remove("SSL_CERT_FILE").args(["inspect", &format!("docker://{}", target.reference("a", "b"))]);
    let said = tools::fail(command);
    assert!(said.contains("x509"), "{said}");
}

/// What is there already is found, and not sent again.
#[test]
#[ignore = "needs skopeo: run by .ci/run"]
fn a_second_push_sends_no_layers() {
    let target = Target::new();
    let wire = Wire::to(&target.address);
    let (layout, digest) = many(&target.path("many"), 20, 1300);
    let local = format!("oci:{}:many", layout.path().display());
    let push = |tag: &str| {
        let before = wire.sent();
        let remote = format!("docker://{}/skopeo:{tag}", wire.localhost());
        tools::succeed(copy(&target, &local, &remote));
        target.check(&Pushed { name: "skopeo", tag, digest: &digest }, &layout);
        wire.sent() - before
    };
    assert!(push("first") > 1_000_000);
    let second = push("second");
    assert!(second < 100_000, "the second push sent {second} bytes");
}

/// What `skerry tls trust` writes is what makes skopeo trust a first run.
#[test]
#[ignore = "needs skopeo: run by .ci/run"]
fn trust_as_it_is_written() {
    let target = Target::new();
    let (data, root) = (target.path("data"), target.path("root"));
    let service = first_run(&data);
    let localhost = service.address().replace("127.0.0.1", "localhost");
    let inspect = |certificates: &std::path::Path| {
        let mut command = target.tool("skopeo");
        command.env_remove("SSL_CERT_FILE").arg("list-tags").arg("--cert-dir").arg(certificates);
        command.arg(format!("docker://{localhost}/nothing"));
        tools::fail(command)
    };
    let certificates = root.join("etc/containers/certs.d").join(&localhost);
    std::fs::create_dir_all(&certificates).unwrap();
    assert!(inspect(&certificates).contains("x509"));
    let words = ["tls", "trust", "--no-config", "--podman", "--write", "--for", &localhost, "--data"];
    let places = [data.to_str().unwrap(), "--root", root.to_str().unwrap()];
    let written = called("skerry", &[&words[..], &places[..]].concat());
    assert_eq!(written.code, 0, "{written:?}");
    let said = inspect(&certificates);
    assert!(!said.contains("x509"), "{said}");
    service.wait_for("the request", |line| line.contains("/v2/nothing/tags/list").then_some(()));
}
