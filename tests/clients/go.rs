//! crane, oras and regctl: POST and one streamed PUT, HTTP/2 where offered.

use std::process::Command;

use skerry_tests::{Options, Registry, binary, image::Layout, tools, wire::Wire};

use crate::target::{Pushed, Target, large, many, multi};

fn run(mut command: Command, arguments: &[&str]) -> String {
    command.args(arguments);
    tools::succeed(command)
}

fn pulled(target: &Target, directory: &str, digest: &str) {
    let pulled = Layout::at(&target.path(directory));
    assert!(pulled.roots().iter().any(|root| root == digest), "{:?}", pulled.roots());
    pulled.check(digest);
}

#[test]
#[ignore = "needs crane and zstd: run by .ci/run"]
fn crane() {
    let target = Target::new();
    let (layout, digest) = multi(&target.path("multi"), 3000);
    let remote = target.reference("crane", "multi");
    run(target.tool("crane"), &["push", "--index", "multi", &remote]);
    // crane pushes the list of the layout itself, which names the image.
    let inner = format!("{}/crane@{digest}", target.localhost);
    run(target.tool("crane"), &["tag", &inner, "image"]);
    target.check(&Pushed { name: "crane", tag: "image", digest: &digest }, &layout);
    run(target.tool("crane"), &["pull", "--format=oci", &inner, "crane-pulled"]);
    pulled(&target, "crane-pulled", &digest);
    assert_eq!(run(target.tool("crane"), &["digest", &target.reference("crane", "image")]).trim(), digest);
    assert_eq!(run(target.tool("crane"), &["ls", &format!("{}/crane", target.localhost)]), "image\nmulti\n");
    assert_eq!(run(target.tool("crane"), &["catalog", &target.localhost]), "crane\n");
    run(target.tool("crane"), &["delete", &target.reference("crane", "multi")]);
    // It deletes the tag by its name, or what the tag was by its digest.
    target.check(&Pushed { name: "crane", tag: "image", digest: &digest }, &layout);
    let said = {
        let mut command = target.tool("crane");
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").args(["manifest", &remote]);
        tools::fail(command)
    };
    assert!(said.contains("x509"), "{said}");
}

/// A volume that a module of somebody's own serves by `std::fs` alone.
#[test]
#[ignore = "needs crane and zstd: run by .ci/run"]
fn crane_pulls_what_another_module_serves() {
    let target = Target::new();
    let (_, digest) = multi(&target.path("multi"), 3200);
    run(target.tool("crane"), &["push", "--index", "multi", &target.reference("app", "multi")]);
    let registry = Registry::start(Options {
        volume: Some(target.volume.clone()),
        more: format!("sandbox:\n  registry: {}\n  preopen: ro\n", binary::guest("reader").display()),
        ..Options::default()
    });
    let mut crane = target.tool("crane");
    crane.env("SSL_CERT_FILE", &registry.trust().ca);
    run(crane, &["pull", "--format=oci", &format!("{}/app@{digest}", registry.localhost()), "read-by-files"]);
    pulled(&target, "read-by-files", &digest);
}

/// From one repository to another, layers are mounted.
#[test]
#[ignore = "needs crane: run by .ci/run"]
fn crane_mounts() {
    let target = Target::new();
    let wire = Wire::to(&target.address);
    let (layout, digest) = many(&target.path("many"), 20, 3100);
    let (from, to) = (format!("{}/from:t", wire.localhost()), format!("{}/to:t", wire.localhost()));
    run(target.tool("crane"), &["push", "many", &from]);
    assert!(wire.sent() > 1_000_000);
    let (sent, received) = (wire.sent(), wire.received());
    run(target.tool("crane"), &["copy", &from, &to]);
    target.check(&Pushed { name: "to", tag: "t", digest: &digest }, &layout);
    let (sent, received) = (wire.sent() - sent, wire.received() - received);
    assert!(sent < 200_000 && received < 200_000, "it moved {sent} and {received} bytes");
}

#[test]
#[ignore = "needs crane: run by .ci/run"]
fn crane_with_500_megabytes() {
    let target = Target::new();
    let (layout, digest) = large(&target.path("large"), 3200);
    let remote = target.reference("crane", "large");
    run(target.tool("crane"), &["push", "large", &remote]);
    target.check(&Pushed { name: "crane", tag: "large", digest: &digest }, &layout);
    run(target.tool("crane"), &["pull", "--format=oci", &remote, "large-pulled"]);
    pulled(&target, "large-pulled", &digest);
}

#[test]
#[ignore = "needs oras and zstd: run by .ci/run"]
fn oras() {
    let target = Target::new();
    let (layout, digest) = multi(&target.path("multi"), 3300);
    let ca = target.ca.display().to_string();
    let remote = target.reference("oras", "multi");
    let to = ["--to-plain-http=false", "--to-ca-file", &ca];
    run(target.tool("oras"), &[&["cp", "--from-oci-layout", "multi:multi"], &to[..], &[&remote]].concat());
    target.check(&Pushed { name: "oras", tag: "multi", digest: &digest }, &layout);
    let from = ["--from-plain-http=false", "--from-ca-file", &ca];
    run(target.tool("oras"), &[&["cp"], &from[..], &[&remote, "--to-oci-layout", "oras-pulled:multi"]].concat());
    pulled(&target, "oras-pulled", &digest);

    // An artifact, and one that refers to it, found again.
    std::fs::write(target.path("words.txt"), "some words").unwrap();
    std::fs::write(target.path("signature.txt"), "a signature").unwrap();
    let tls = ["--plain-http=false", "--ca-file", &ca];
    let artifact = target.reference("oras", "artifact");
    let kind = "application/vnd.example.words";
    let push = ["push", "--artifact-type", kind, &artifact, "words.txt:text/plain"];
    run(target.tool("oras"), &[&push[..], &tls].concat());
    let signature = "application/vnd.example.signature";
    let attach = ["attach", "--artifact-type", signature, &artifact, "signature.txt:text/plain"];
    run(target.tool("oras"), &[&attach[..], &tls].concat());
    let tree = run(target.tool("oras"), &[&["discover", "--format", "tree", &artifact], &tls[..]].concat());
    assert!(tree.contains(signature), "{tree}");
    std::fs::remove_file(target.path("words.txt")).unwrap();
    run(target.tool("oras"), &[&["pull", &artifact], &tls[..]].concat());
    assert_eq!(std::fs::read_to_string(target.path("words.txt")).unwrap(), "some words");
}

#[test]
#[ignore = "needs regctl and zstd: run by .ci/run"]
fn regctl() {
    let target = Target::new();
    let (layout, digest) = multi(&target.path("multi"), 3400);
    let remote = target.reference("regctl", "multi");
    run(target.tool("regctl"), &["image", "copy", "ocidir://multi:multi", &remote]);
    target.check(&Pushed { name: "regctl", tag: "multi", digest: &digest }, &layout);
    run(target.tool("regctl"), &["image", "copy", &remote, "ocidir://regctl-pulled:multi"]);
    pulled(&target, "regctl-pulled", &digest);
    let repository = format!("{}/regctl", target.localhost);
    assert_eq!(run(target.tool("regctl"), &["tag", "ls", &repository]), "multi\n");
    assert_eq!(run(target.tool("regctl"), &["repo", "ls", &target.localhost]), "regctl\n");
    run(target.tool("regctl"), &["image", "copy", &remote, &target.reference("regctl", "again")]);
    run(target.tool("regctl"), &["tag", "rm", &remote]);
    target.check(&Pushed { name: "regctl", tag: "again", digest: &digest }, &layout);
    target.client.get("/v2/regctl/manifests/multi").expect(404);
}
