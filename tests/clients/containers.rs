//! podman and buildah, each with a store of its own.

use std::process::Command;

use skerry_tests::tools;

use crate::target::{Target, configuration, many};

/// The tool, on the store of that name.
fn tool(target: &Target, name: &str, store: &str) -> Command {
    let mut command = target.tool(name);
    command.arg("--root").arg(target.path(&format!("{store}-root")));
    command.arg("--runroot").arg(target.path(&format!("{store}-run")));
    command.args(["--storage-driver", "vfs"]);
    command
}

fn with(mut command: Command, arguments: &[&str]) -> String {
    command.args(arguments);
    tools::succeed(command)
}

/// Both squeeze layers anew when they push, so that the manifest may differ:
/// the configuration, which names the layers' content, may not.
fn there_and_back(name: &str) {
    let target = Target::new();
    let (layout, digest) = many(&target.path("many"), 5, 2000);
    let id = configuration(&layout, &digest);
    let id = id.strip_prefix("sha256:").unwrap();
    let local = "oci:many:many";
    let remote = target.reference(name, "many");
    let policy = target.path("policy.json").display().to_string();
    let policy = ["--signature-policy", &policy];
    let certificates = target.path("certificates").display().to_string();
    let certificates = ["--cert-dir", &certificates];

    with(tool(&target, name, "one"), &[&["pull"], &policy[..], &[local]].concat());
    with(tool(&target, name, "one"), &["tag", id, &remote]);
    let push = [&["push", "--format", "oci"], &policy[..], &certificates, &[&remote]].concat();
    with(tool(&target, name, "one"), &push);
    skerry_tests::push::whole(&target.client, name, "many").unwrap();

    with(tool(&target, name, "two"), &[&["pull"], &policy[..], &certificates, &[&remote]].concat());
    let images = with(tool(&target, name, "two"), &["images", "--no-trunc", "--quiet"]);
    assert!(images.contains(id), "{images}");
    let manifest = target.client.get(&format!("/v2/{name}/manifests/many")).expect(200).json();
    assert_eq!(manifest["config"]["digest"], format!("sha256:{id}"));
    // Nobody is trusted by default.
    let mut stranger = tool(&target, name, "three");
    stranger.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").args(["pull"]).args(policy).arg(&remote);
    let said = tools::fail(stranger);
    assert!(said.contains("x509"), "{said}");
}

#[test]
#[ignore = "needs podman: run by .ci/run"]
fn podman() {
    there_and_back("podman");
}

#[test]
#[ignore = "needs buildah: run by .ci/run"]
fn buildah() {
    there_and_back("buildah");
}
