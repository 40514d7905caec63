//! Builds the module that misbehaves.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
};

use skerry_tests::{binary, children};

/// The component, built once a run, in a target directory of its own.
pub fn misbehave() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let this = env::current_exe().unwrap();
        let target = this.ancestors().nth(3).expect("a test lies in target/<profile>/deps").join("guests");
        let status = binary::cargo()
            .args(["build", "--quiet", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "misbehave"])
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the module does not build");
        target.join("wasm32-wasip2/guest/misbehave.wasm")
    })
}

/// Runs `skerry serve` with a module, to its end.
pub fn serve(directory: &Path, module: &Path) -> Output {
    let config = directory.join("config.yml");
    let volume = directory.join("volume");
    fs::create_dir_all(&volume).unwrap();
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\nsandbox:\n  registry: {}\n",
        volume.display(),
        module.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = children::command(binary::skerry());
    command.arg("serve").arg(&config).stdin(Stdio::null());
    command.output().unwrap()
}
