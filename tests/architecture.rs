//! The shape of the workspace: what lies where, and who knows of whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use skerry_tests::binary::workspace;

/// The top level, as the person this is built for fixed it.
const REQUIRED: [&str; 6] = ["Cargo.toml", "README.md", "guest", "host", "tests", "wit"];
/// What tools demand beside it.
const ALLOWED: [&str; 7] =
    ["Cargo.lock", "LICENSE", "clippy.toml", "deny.toml", "rust-toolchain.toml", "rustfmt.toml", "target"];

/// Rooms of the host (modules of its root) that a room may not know.
const STRANGERS: [(&str, &[&str]); 9] = [
    ("acme", &["cli", "oci", "plane", "remember", "sandbox", "serve", "storage"]),
    ("oci", &["acme", "cli", "config", "plane", "remember", "sandbox", "serve", "server"]),
    ("storage", &["acme", "cli", "config", "oci", "plane", "remember", "sandbox", "serve", "server", "tls"]),
    ("plane", &["acme", "cli", "config", "oci", "remember", "sandbox", "serve", "tls"]),
    ("config", &["acme", "cli", "oci", "plane", "remember", "sandbox", "serve", "server", "storage", "tls"]),
    ("tls", &["acme", "cli", "oci", "plane", "remember", "sandbox", "serve", "server", "storage"]),
    ("sandbox", &["acme", "cli", "oci", "serve", "tls"]),
    ("server", &["acme", "cli", "oci", "serve"]),
    ("remember", &["acme", "cli", "oci", "plane", "serve", "tls"]),
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().unwrap() != "target" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file, with no comments and no spaces.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
}

/// The paths below `crate` that a file's code names, as `a::b`, one level of
/// braces resolved at each step.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `skerry_crate::` is something else.
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            read(&code[at + "crate::".len()..], "", &mut found);
        }
    }
    found
}

/// Reads one path, or a group of them in braces, and adds each; returns what
/// follows.
fn read<'a>(code: &'a str, prefix: &str, found: &mut BTreeSet<String>) -> &'a str {
    if let Some(mut rest) = code.strip_prefix('{') {
        while !rest.starts_with('}') && !rest.is_empty() {
            rest = read(rest, prefix, found);
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let (word, rest) = code.split_at(end);
    if word.is_empty() {
        // A glob or something unforeseen: step over one character.
        let mut chars = rest.chars();
        chars.next();
        return chars.as_str();
    }
    let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    found.insert(path.clone());
    match rest.strip_prefix("::") {
        Some(rest) => read(rest, &path, found),
        None => rest,
    }
}

#[test]
fn the_top_level_holds_what_it_should() {
    let found: BTreeSet<String> = fs::read_dir(workspace())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    for name in REQUIRED {
        assert!(found.contains(name), "{name} is missing");
    }
    let others: Vec<_> =
        found.iter().filter(|name| !REQUIRED.contains(&name.as_str()) && !ALLOWED.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "{others:?} at the top level");
}

#[test]
fn rooms_of_the_host_depend_one_way() {
    let root = workspace().join("host/src");
    let mut wrong = Vec::new();
    for (room, strangers) in STRANGERS {
        let mut files = sources(&root.join(room));
        files.extend(Some(root.join(format!("{room}.rs"))).filter(|file| file.exists()));
        // Tests may put rooms together.
        files.retain(|file| {
            !file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
        });
        for file in files {
            for path in named(&code(&file)) {
                if strangers.contains(&path.split("::").next().unwrap()) {
                    // `server::handler` is the trait that stands between the
                    // server and what it serves, and its facts.
                    wrong.push(format!("{}: crate::{path}", file.strip_prefix(&root).unwrap().display()));
                }
            }
        }
    }
    // The plane moves bytes; it may know the types of the seam, no more.
    for file in sources(&root.join("plane")) {
        let beyond = named(&code(&file))
            .into_iter()
            .find(|path| path.starts_with("server::") && !path.starts_with("server::handler"));
        wrong.extend(beyond.map(|path| format!("{}: crate::{path}", file.display())));
    }
    for room in ["server", "sandbox", "plane"] {
        for file in sources(&root.join(room)).iter().filter(|file| !file.to_str().unwrap().contains("/tests")) {
            if named(&code(file)).iter().any(|path| path.starts_with("storage::directory")) {
                wrong.push(format!("{}: knows the directory behind the trait", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn host_and_guests_do_not_know_each_other() {
    let manifest = |path: &str| fs::read_to_string(workspace().join(path).join("Cargo.toml")).unwrap();
    assert!(!manifest("host").contains("path = \"../guest"), "the host depends on a guest");
    let host = sources(&workspace().join("host"));
    for file in host {
        assert!(!code(&file).contains("skerry_registry::"), "{} names a guest", file.display());
    }
    for file in sources(&workspace().join("guest")) {
        let code = code(&file);
        for host in ["useskerry::", "skerry::sandbox", "wasmtime", "tokio::"] {
            assert!(!code.contains(host), "{} names {host}", file.display());
        }
    }
    for entry in fs::read_dir(workspace().join("guest")).unwrap().flatten() {
        let file = entry.path().join("Cargo.toml");
        if let Ok(text) = fs::read_to_string(&file) {
            assert!(!text.contains("/host\""), "{} depends on the host", file.display());
        }
    }
}

/// Native code is made of bytes that were verified just before, in one place;
/// and a panic ends one request, not the process.
#[test]
fn compiled_code_has_one_door_and_panics_unwind() {
    let host = workspace().join("host/src");
    let loads = |file: &PathBuf| {
        let code = code(file);
        ["Component::deserialize", "Module::deserialize", "from_trusted_file"].iter().any(|way| code.contains(way))
    };
    let doors: Vec<_> = sources(&host).into_iter().filter(loads).collect();
    let doors: Vec<_> = doors.iter().map(|file| file.strip_prefix(&host).unwrap().to_str().unwrap()).collect();
    assert_eq!(doors, ["sandbox/module.rs"]);
    // What lies in a file may be another thing by then.
    assert!(!code(&host.join(doors[0])).contains("deserialize_file"));
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    for profile in manifest.split("\n[profile.").skip(1).filter(|profile| profile.contains("panic = \"abort\"")) {
        // Guests trap either way.
        assert!(profile.starts_with("guest]"), "{profile}");
    }
}

/// What the host must not know: names that belong to the registry.
#[test]
fn the_host_knows_no_route() {
    let mut wrong = Vec::new();
    for room in ["server", "sandbox", "plane", "storage", "remember"] {
        for file in sources(&workspace().join("host/src").join(room)) {
            if file.to_str().unwrap().contains("/tests") {
                continue;
            }
            let code = code(&file);
            let code = code.split("#[cfg(test)]").next().unwrap();
            for word in ["\"/v2", "_manifests", "_layers", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "Docker-Content-Digest"]
            {
                if code.contains(word) {
                    wrong.push(format!("{}: {word}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
