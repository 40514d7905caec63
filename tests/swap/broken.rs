//! What cannot be used changes nothing, and is said once.

use std::fs;

use rustix::process::Signal;

use super::host::{Host, policies, registries};

const STAYS: &str = "the registry module stays as it was";

fn old() -> (String, String) {
    ("registry/2.0".to_owned(), "ann is not bob".to_owned())
}

#[test]
fn a_broken_file_leaves_the_old_one() {
    let mut host = Host::start();
    let whole = &registries().new;
    // Half of it, in place: its writer has died, or will go on.
    fs::write(host.file("registry.wasm"), &whole[..whole.len() / 2]).unwrap();
    host.logged(STAYS, 1);
    assert_eq!(host.now(), old());
    // It goes on.
    fs::write(host.file("registry.wasm"), whole).unwrap();
    host.logged("another registry module is in force", 1);
    assert_eq!(host.now().0, "registry/2.1");
    // It is gone: what is in force stays.
    fs::remove_file(host.file("registry.wasm")).unwrap();
    host.logged(STAYS, 2);
    assert_eq!(host.now().0, "registry/2.1");
    // A policy's, likewise.
    host.replace("rules.wasm", &registries().old);
    host.logged("policies stay as they were", 1);
    assert_eq!(host.now().1, old().1);
    host.replace("rules.wasm", &policies().new);
    host.logged("policies are loaded anew", 1);
    assert_eq!(host.now().1, "ann not is bob");
    // Each state is said once, though it is looked at each second.
    assert_eq!((host.lines(STAYS), host.lines("policies stay as they were")), (2, 1));
    assert_eq!(host.lines("\"level\":\"error\""), 3);
}

/// A file that holds what is in force already is no change.
#[test]
fn the_same_again_is_no_change() {
    let mut host = Host::start();
    host.replace("rules.wasm", &policies().old);
    host.replace("registry.wasm", &registries().old);
    host.logged("the registry module is what it was", 1);
    host.registry.signal(Signal::HUP);
    host.logged("policies are loaded anew", 1);
    assert_eq!(host.lines("another registry module"), 0);
    assert_eq!(host.now(), old());
}

#[test]
fn what_is_posted_and_cannot_be_used_is_answered_with_the_reason() {
    let mut host = Host::start();
    let (module, policy) = (&registries().new, &policies().new);
    for (path, bytes, says) in [
        ("/v1/registry", b"(module)".as_slice(), "the module that was posted is no WebAssembly component"),
        ("/v1/registry", &module[..module.len() / 2], "is no WebAssembly component that this host can run"),
        ("/v1/registry", policy, "is of the world skerry:registry/auth-policy@0.1.0, and not a registry"),
        // Native code that nobody vouches for.
        ("/v1/registry", b"\x7fELF\x02\x01\x01", "is precompiled, and such code runs with all rights"),
        ("/v1/policies/mine", b"", "the module that was posted is no WebAssembly component"),
        ("/v1/policies/mine", module, "exports neither skerry:registry/auth@0.1.0 nor"),
        ("/v1/policies/mine", b"\x7fELF\x02\x01\x01", "is precompiled, and such code runs with all rights"),
    ] {
        let (status, document) = host.ask("PUT", path, "application/wasm", bytes);
        assert_eq!(status, 422, "{document}");
        assert!(document["error"].as_str().unwrap().contains(says), "{path}: {says}: {document}");
        assert_eq!(host.now(), old());
    }
    assert_eq!(host.lines("\"level\":\"error\""), 7);
    assert_eq!(
        host.ask("GET", "/v1/modules", "", b"").1["registry"]["from"],
        host.file("registry.wasm").to_str().unwrap()
    );
}
