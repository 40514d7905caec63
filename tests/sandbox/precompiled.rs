//! Modules that were compiled ahead of time: native code, which runs only where
//! its digest is listed.

use std::{fs, path::Path};

use skerry_tests::{command::called, sha256};

use crate::{
    guest::{misbehave, serve, served, start_module},
    modules,
    starts::refused,
};

/// Compiles the module that misbehaves, and checks what is said of it.
fn compiled(directory: &Path) -> (Vec<u8>, String) {
    let file = directory.join("module.cwasm");
    let (module, output) = (misbehave().display().to_string(), file.display().to_string());
    let ended = called("skerry", &["guest", "compile", &module, "--output", &output]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let code = fs::read(&file).unwrap();
    let digest = sha256(&code);
    assert!(ended.out.contains(&format!("sandbox:\n  precompiled: [\"{digest}\"]\n")), "{}", ended.out);
    assert!(!directory.join("module.cwasm.part").exists());
    (code, digest)
}

fn pinned(digest: &str) -> String {
    format!("  precompiled: [\"{digest}\"]\n")
}

#[test]
fn one_that_is_listed_runs() {
    let directory = tempfile::tempdir().unwrap();
    let (_, digest) = compiled(directory.path());
    let registry = start_module(&directory.path().join("module.cwasm"), &(pinned(&digest) + "  time: 100ms\n"));
    served(&registry.client());
    // It is guarded as others are.
    assert_eq!(registry.client().get("/loop").status, 500);
    served(&registry.client());
}

#[test]
fn any_other_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (code, digest) = compiled(directory.path());
    refused("unlisted.cwasm", &code, "", &["is precompiled, and such code runs with all rights", &digest]);
    let mut forged = code.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    refused("forged.cwasm", &forged, &pinned(&digest), &["is precompiled", &sha256(&forged)]);

    // What is listed and was made by something else.
    let version = b"wasmtime 48.";
    let at = code.windows(version.len()).position(|part| part == version).unwrap();
    let mut older = code.clone();
    older[at + version.len() - 2] = b'7';
    for (name, bytes) in [
        ("older.cwasm", older),
        ("half.cwasm", code[..code.len() / 2].to_vec()),
        ("stranger.cwasm", modules::precompiled()),
    ] {
        let says = ["was precompiled by another version of skerry or for another machine", "skerry guest compile"];
        refused(name, &bytes, &pinned(&sha256(&bytes)), &says);
    }
    let output = serve(directory.path(), misbehave(), "  precompiled: [sha256:abc]\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("and 64 hexadecimal digits, not `sha256:abc`"), "{said}");
}

/// The head of what is listed may be damaged in any way: it is refused in words,
/// or it is what it was.
#[test]
fn a_damaged_head_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _) = compiled(directory.path());
    let engine = b"wasmtime 48.";
    let engine = code.windows(engine.len()).position(|part| part == engine).unwrap();
    let flipped = |at: usize, bits: u8| {
        let mut damaged = code.clone();
        damaged[at] ^= bits;
        damaged
    };
    let damaged = (0..64).step_by(2).map(|at| flipped(at, 0xff)).chain((1..64).step_by(4).map(|at| flipped(at, 1)));
    let damaged = damaged.chain((engine - 24..engine + 64).step_by(4).map(|at| flipped(at, 0x80)));
    let damaged = damaged.chain([1, 4, 16, 63, 64, 65, 4096].map(|length| code[..length].to_vec()));
    let (module, config, volume) = ("module.cwasm", "config.yml", directory.path().join("volume"));
    fs::create_dir_all(volume.join("docker/registry/v2")).unwrap();
    let mut refused = 0;
    for (n, bytes) in damaged.enumerate() {
        fs::write(directory.path().join(module), &bytes).unwrap();
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nsandbox:\n  registry: {}\n{}",
            volume.display(),
            directory.path().join(module).display(),
            pinned(&sha256(&bytes))
        );
        fs::write(directory.path().join(config), text).unwrap();
        // It loads the module for one task, which this one knows nothing of.
        let ended = called("skerry", &["garbage-collect", directory.path().join(config).to_str().unwrap()]);
        let said = format!("{}{}", ended.out, ended.err);
        assert_eq!(ended.code, 1, "{n}: {said}");
        let words = ["was precompiled by another version of skerry", "is no WebAssembly component"];
        assert!(words.iter().any(|words| said.contains(words)) || said.contains("tends nothing"), "{n}: {said}");
        refused += usize::from(!said.contains("tends nothing"));
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn what_cannot_be_compiled_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.wasm");
    fs::write(&text, "(component)").unwrap();
    for (file, says) in [
        (text.display().to_string(), "is no WebAssembly component that this host can run"),
        ("/no/such.wasm".to_owned(), "the module /no/such.wasm cannot be read"),
    ] {
        let ended = called("skerry", &["guest", "compile", &file]);
        assert!(ended.code == 1 && ended.err.contains(says), "{ended:?}");
    }
    let module = misbehave().display().to_string();
    let ended = called("skerry", &["guest", "compile", &module, "-o", "/no/such/directory/a.cwasm"]);
    assert!(ended.code == 1 && ended.err.contains("/no/such/directory/a.cwasm cannot be written"), "{ended:?}");
}
