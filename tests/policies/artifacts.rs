//! Modules as OCI artifacts: pushed, pulled, and named in a configuration by
//! their digest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use skerry_tests::{
    Options, Registry,
    binary::guest,
    children,
    command::{Ended, called, ended},
    push, sha256, tools,
};

use super::host::{Host, htpasswd, passwords, rules};

/// Pushes a module, and returns the digest that a configuration pins.
fn pushed(store: &Registry, module: &Path, reference: &str, more: &[&str]) -> String {
    let ended = moved("push", store, &[&[&module.display().to_string(), reference], more].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let name = ended.out.split("module: ").nth(1).unwrap_or_else(|| panic!("{ended:?}")).trim().to_owned();
    let repository = reference.rsplit_once(':').unwrap().0;
    let digest = name.strip_prefix(&format!("oci://{repository}@")).unwrap_or_else(|| panic!("{ended:?}"));
    digest.to_owned()
}

fn moved(what: &str, store: &Registry, arguments: &[&str]) -> Ended {
    let ca = store.trust().ca.display().to_string();
    called("skerry", &[&["guest", what], arguments, &["--ca", &ca]].concat())
}

fn section(module: &str, granted: &Path, store: &Registry) -> String {
    format!(
        "policies:\n- name: mine\n  module: {module}\n  directory: {}\n  secrets: {{key: hunter2-hunter2}}\nsandbox:\n  \
         oci:\n    ca: {}\n",
        granted.display(),
        store.trust().ca.display()
    )
}

/// Its policy decides real pushes.
fn decides(host: &Host) {
    push::image(&host.user("ann"), "ann/app", Some("v1"), 1);
    assert_eq!(host.user("ann").get("/v2/bob/app/tags/list").expect(403).code(), "DENIED");
    host.nobody().get("/v2/bob/app/tags/list").expect(401);
}

#[test]
fn one_is_pushed_pulled_and_named() {
    let mut store = Registry::new();
    let repository = format!("{}/policies/rules", store.localhost());
    let digest = pushed(&store, rules(), &format!("{repository}:1"), &[]);
    // Whenever it is pushed.
    assert_eq!(pushed(&store, rules(), &format!("{repository}:2"), &[]), digest);
    let manifest = store.client().get("/v2/policies/rules/manifests/1").expect(200);
    assert_eq!(sha256(&manifest.body), digest);
    let manifest = manifest.json();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let config = format!("/v2/policies/rules/blobs/{}", manifest["config"]["digest"].as_str().unwrap());
    let config = store.client().get(&config).expect(200).json();
    assert_eq!(config["layerDigests"], json!([manifest["layers"][0]["digest"]]));
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(exports.contains(&json!("skerry:registry/auth@0.1.0")), "{config}");

    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("pulled.wasm").display().to_string();
    for (reference, code) in [(format!("{repository}:1"), 0), (format!("{repository}@{digest}"), 1)] {
        let ended = moved("pull", &store, &[&reference, "--output", &output]);
        // It is never written over something.
        assert_eq!(ended.code, code, "{ended:?}");
        assert_eq!(fs::read(&output).unwrap(), fs::read(rules()).unwrap());
    }

    let granted = passwords(directory.path());
    let module = format!("oci://{repository}@{digest}");
    let volume = directory.path().join("volume");
    let options = || Options { volume: Some(volume.clone()), ..Options::default() };
    let mut host = Host::start_with(&section(&module, &granted, &store), options());
    host.logged(&["pulled", &digest]);
    decides(&host);
    drop(host);

    // Its registry need not be there again.
    let kept = volume.join(".skerry/artifacts").join(format!("{}.wasm", &digest["sha256:".len()..]));
    assert_eq!(fs::read(&kept).unwrap(), fs::read(rules()).unwrap());
    let sections = section(&module, &granted, &store);
    store.stop();
    decides(&Host::start_with(&sections, options()));
    // What was tampered with is not run.
    fs::write(&kept, fs::read(guest("misbehave")).unwrap()).unwrap();
    let said = Registry::refused(Options { more: sections, ..options() });
    assert!(said.contains(&format!("the module {module} cannot be had")) && said.contains("no connection"), "{said}");
}

#[test]
fn a_registry_starts_with_policies_from_its_own_storage() {
    let mut store = Registry::new();
    let digest = pushed(&store, rules(), &format!("{}/policies/rules:1", store.localhost()), &[]);
    store.stop();
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    // Nobody is there by this name.
    let module = format!("oci://registry.invalid/policies/rules@{digest}");
    let sections = section(&module, &granted, &store);
    let options = Options { volume: Some(store.volume().to_owned()), ..Options::default() };
    let mut host = Host::start_with(&sections, options);
    host.logged(&["own storage", &digest]);
    decides(&host);
}

#[test]
fn the_registry_module_may_be_one() {
    let store = Registry::new();
    let name = format!("{}/guests/misbehave", store.localhost());
    let digest = pushed(&store, &guest("misbehave"), &format!("{name}:1"), &[]);
    let more = format!(
        "sandbox:\n  registry: oci://{name}@{digest}\n  time: 100ms\n  oci:\n    ca: {}\n",
        store.trust().ca.display()
    );
    let registry = Registry::start(Options { more, ..Options::default() });
    assert_eq!(registry.client().get("/loop").status, 500);
}

#[test]
fn passwords_are_those_that_docker_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("htpasswd");
    htpasswd(&users, &[("amy", "secret")]);
    let more = format!("auth:\n  htpasswd:\n    realm: r\n    path: {}\n", users.display());
    let store = Registry::start(Options { more, ..Options::default() });
    let name = format!("{}/policies/rules", store.localhost());
    let module = rules().display().to_string();
    let tagged = format!("{name}:1");
    let ended = moved("push", &store, &[&module, &tagged]);
    assert!(ended.code == 1 && ended.err.contains("wants a user and a password"), "{ended:?}");
    let file = directory.path().join("config.json");
    for (password, says) in [("wrong", "UNAUTHORIZED"), ("secret", "")] {
        let auth = json!({"auths": {store.localhost(): {"username": "amy", "password": password}}});
        fs::write(&file, auth.to_string()).unwrap();
        let ended = moved("push", &store, &[&module, &tagged, "--credentials", &file.display().to_string()]);
        assert_eq!(ended.code, i32::from(!says.is_empty()), "{ended:?}");
        assert!(ended.err.contains(says) && !ended.err.contains(password), "{ended:?}");
    }
    let digest = pushed(&store, rules(), &tagged, &["--credentials", &file.display().to_string()]);
    let granted = passwords(directory.path());
    let sections = section(&format!("oci://{name}@{digest}"), &granted, &store)
        + &format!("    credentials: {}\n", file.display());
    decides(&Host::start(&sections));
}

#[test]
fn what_is_not_pinned_or_not_a_module_is_refused() {
    let store = Registry::new();
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    let repository = format!("{}/policies/rules", store.localhost());
    let digest = pushed(&store, rules(), &format!("{repository}:1"), &[]);
    let client = store.client();
    push::image(&client, "policies/rules", Some("image"), 1);
    let image = sha256(&client.get("/v2/policies/rules/manifests/image").expect(200).body);

    // Native code in the place of a module, pinned as such besides.
    let code = directory.path().join("rules.cwasm");
    let ended = called("skerry", &["guest", "compile", &rules().display().to_string(), "-o", code.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let code = fs::read(code).unwrap();
    let layer = push::blob(&client, "policies/rules", &code);
    let mut manifest = client.get("/v2/policies/rules/manifests/1").expect(200).json();
    manifest["layers"][0]["digest"] = json!(layer);
    manifest["layers"][0]["size"] = json!(code.len());
    let native = push::manifest(
        &client,
        "policies/rules",
        "native",
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );

    let pinned = format!("  precompiled: [\"{layer}\"]\n");
    let none = "0".repeat(64);
    for (module, more, says) in [
        (format!("oci://{repository}:1"), "", "is to be pinned by the digest"),
        (format!("oci://{repository}@sha256:{none}"), "", "MANIFEST_UNKNOWN"),
        (format!("oci://{repository}@{image}"), "", "its configuration is of the type"),
        (format!("oci://{}/Policies@{digest}", store.localhost()), "", "is no name of one"),
        (format!("oci://{repository}@{native}"), pinned.as_str(), "is precompiled"),
    ] {
        let more = section(&module, &granted, &store) + more;
        let said = Registry::refused(Options { more, ..Options::default() });
        assert!(said.contains(says), "{module}: {said}");
    }
    // Whom the system does not trust is not asked for anything.
    let module = format!("oci://{repository}@{digest}");
    let stranger = Registry::new();
    let more = section(&module, &granted, &stranger);
    let said = Registry::refused(Options { more, ..Options::default() });
    assert!(said.contains("no TLS"), "{said}");
}

/// The client that people use for such artifacts.
#[test]
#[ignore = "it needs wkg"]
fn wkg_pushes_and_pulls() {
    let store = Registry::new();
    let directory = tempfile::tempdir().unwrap();
    let wkg = |arguments: &[&str]| {
        let mut command = children::command(tools::find("wkg"));
        command.args(arguments).current_dir(directory.path()).env("HOME", directory.path());
        let ended = ended(command.env("SSL_CERT_FILE", &store.trust().ca));
        assert_eq!(ended.code, 0, "wkg {arguments:?}: {ended:?}");
    };
    let bytes = fs::read(rules()).unwrap();
    let name = format!("{}/policies/rules", store.localhost());

    // Theirs is ours.
    wkg(&["oci", "push", &format!("{name}:theirs"), &rules().display().to_string()]);
    let pulled = directory.path().join("ours.wasm");
    let theirs = format!("{name}:theirs");
    let ended = moved("pull", &store, &[&theirs, "--output", &pulled.display().to_string()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(fs::read(&pulled).unwrap(), bytes);
    let digest = sha256(&store.client().get("/v2/policies/rules/manifests/theirs").expect(200).body);
    let granted = passwords(directory.path());
    decides(&Host::start(&section(&format!("oci://{name}@{digest}"), &granted, &store)));

    // Ours is theirs.
    pushed(&store, rules(), &format!("{name}:ours"), &[]);
    let pulled: PathBuf = directory.path().join("theirs.wasm");
    wkg(&["oci", "pull", &format!("{name}:ours"), "--output", &pulled.display().to_string()]);
    assert_eq!(fs::read(&pulled).unwrap(), bytes);
}
