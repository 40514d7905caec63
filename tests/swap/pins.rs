//! Modules that the configuration pins and that lie in this registry's own
//! storage: a reload puts others in their place, compiled apart, while
//! requests are served.

use std::{fs, path::Path};

use rustix::process::Signal;
use skerry_tests::{Options, Registry, command::called};

use super::{
    host::{Host, policies, registries},
    load::Load,
    modules,
};

const RELOADED: &str = "policies are loaded anew";
const STAY: &str = "policies stay as they were";

/// Pushes a module; the name by which a configuration takes it from nowhere
/// but its own storage.
fn pinned(store: &Registry, directory: &Path, name: &str, module: &[u8]) -> String {
    let file = directory.join(format!("{name}.wasm"));
    fs::write(&file, module).unwrap();
    let reference = format!("{}/modules/{name}:1", store.localhost());
    let (file, ca) = (file.display().to_string(), store.trust().ca.display().to_string());
    let ended = called("skerry", &["guest", "push", &file, &reference, "--ca", &ca]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let digest = ended.out.trim().rsplit_once('@').unwrap_or_else(|| panic!("{ended:?}")).1;
    nowhere(name, digest)
}

/// Nobody listens there.
fn nowhere(name: &str, digest: &str) -> String {
    format!("oci://127.0.0.1:1/modules/{name}@{digest}")
}

/// Files of compiled code that the volume keeps.
fn compiled(host: &Host) -> usize {
    let files = fs::read_dir(host.registry.volume().join(".skerry/modules")).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name() != "key").count()
}

#[test]
fn another_pin_is_in_force_with_a_reload_and_what_is_broken_never_is() {
    let (volume, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = |more: String| Options { volume: Some(volume.path().to_owned()), more, ..Options::default() };
    let mut store = Registry::start(options(String::new()));
    let pin = |name: &str, module: &[u8]| pinned(&store, files.path(), name, module);
    let (old, new) = (pin("old", &policies().old), pin("new", &policies().new));
    let strange = pin("strange", &registries().old);
    let bomb = pin("bomb", &modules::bomb("auth-policy", 20_000));
    store.stop();

    fs::write(files.path().join("registry.wasm"), &registries().old).unwrap();
    fs::create_dir(files.path().join("granted")).unwrap();
    fs::write(files.path().join("granted/passwords"), "correct\n").unwrap();
    let more = format!(
        "sandbox:\n  registry: {}\n  compile_memory: 256MiB\npolicies:\n- name: mine\n  module: {old}\n  directory: {}\n  \
         settings: {{lifetime: 3600000}}\n",
        files.path().join("registry.wasm").display(),
        files.path().join("granted").display()
    );
    let mut host = Host::over(files, options(more));
    let image = host.image();
    assert_eq!(host.now(), ("registry/2.0".to_owned(), "ann is not bob".to_owned()));
    let load = Load::begin(&host, &image);

    // Another pin, by a signal; and a file that changes, and nobody who says so.
    let before = compiled(&host);
    host.registry.configure(&old, &new);
    host.registry.signal(Signal::HUP);
    host.logged(RELOADED, 1);
    assert_eq!(host.now().1, "ann not is bob");
    assert_eq!(compiled(&host), before + 1, "it was compiled now");
    host.replace("registry.wasm", &registries().new);
    host.logged("another registry module is in force", 1);
    assert_eq!(host.now(), ("registry/2.1".to_owned(), "ann not is bob".to_owned()));
    host.registry.configure(&new, &old);
    host.registry.signal(Signal::HUP);
    host.logged(RELOADED, 2);
    assert_eq!(host.now().1, "ann is not bob");

    // What cannot be had, does not fit, takes too much to compile, or is no
    // configuration: the old ones serve on.
    let missing = nowhere("old", &format!("sha256:{}", "0".repeat(64)));
    let all_stay = "all modules and policies stay as they were";
    for (n, (broken, stays, says)) in [
        (missing.as_str(), all_stay, "cannot be had"),
        (&strange, STAY, "exports neither skerry:registry/auth@0.1.0 nor"),
        (&bomb, STAY, "is not taken: compiling it takes more than 256 MiB"),
        ("[", all_stay, "config.yml:"),
    ]
    .into_iter()
    .enumerate()
    {
        host.registry.configure(&old, broken);
        host.registry.signal(Signal::HUP);
        let line = host
            .registry
            .service()
            .wait_for(says, |line| (line.contains(stays) && line.contains(says)).then(|| line.to_owned()));
        assert!(line.contains("\"level\":\"error\""), "{line}");
        assert_eq!(host.now(), ("registry/2.1".to_owned(), "ann is not bob".to_owned()), "{line}");
        assert_eq!(host.lines("\"level\":\"error\""), n + 1);
        host.registry.configure(broken, &old);
    }
    // Nothing of that is in the way of the next one.
    host.registry.configure(&old, &new);
    host.registry.signal(Signal::HUP);
    host.logged(RELOADED, 3);
    assert_eq!(host.now().1, "ann not is bob");

    let seen = load.end();
    assert_eq!(seen, ["ann is not bob", "ann not is bob", "registry/2.0", "registry/2.1"]);
    assert_eq!(host.lines("\"level\":\"error\""), 4);
}

/// What else has changed is not in force, and that is said.
#[test]
fn what_takes_a_restart_is_said() {
    let mut host = Host::start();
    host.registry.configure("level: info", "level: error");
    host.registry.configure("{lifetime: 3600000}", "{lifetime: 3600001}");
    host.registry.signal(Signal::HUP);
    let takes = "the configuration has changed in what takes a restart";
    host.registry
        .service()
        .wait_for(takes, |line| (line.contains(takes) && line.contains("\"keys\":\"log.level\"")).then_some(()));
    host.logged(RELOADED, 1);
    assert_eq!(host.now(), ("registry/2.0".to_owned(), "ann is not bob".to_owned()));
}
