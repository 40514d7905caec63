//! The program under test.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The `skerry` program: `SKERRY_BIN`, or else built now, once a run.
pub fn skerry() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SKERRY_BIN") {
        Some(path) => PathBuf::from(path),
        // The whole workspace and one test, so that dependencies have the
        // features that `cargo test --workspace` gave them, and are not built
        // again.
        None => build(&["--release", "--workspace", "--bin", "skerry", "--test", "architecture"]),
    })
}

/// The same as it is shipped, which takes some minutes the first time.
pub fn shipped() -> PathBuf {
    let program = env::var_os("SKERRY_BIN").map(PathBuf::from);
    program.unwrap_or_else(|| build(&["--profile", "dist", "--package", "skerry", "--bin", "skerry"]))
}

/// The workspace's own directory.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Cargo, as if it were called from a shell.
///
/// The cargo that runs a test tells it about the test's package, and build
/// scripts (ring's) take that for a change and build everything anew.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if told.iter().any(|told| text.starts_with(told)) || ["CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&&*text) {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(workspace()).stdin(Stdio::null());
    cargo
}

fn build(what: &[&str]) -> PathBuf {
    // target/release/deps/<this test>: build where cargo built this.
    let this = env::current_exe().unwrap();
    let target = this.ancestors().nth(3).expect("a test lies in target/<profile>/deps");
    let output = cargo()
        .arg("build")
        .args(what)
        .args(["--message-format", "json-render-diagnostics"])
        .env("CARGO_TARGET_DIR", target)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "the registry does not build");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["kind"][0] == "bin" && message["target"]["name"] == "skerry")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .expect("cargo names the program that it built")
}

/// A guest of the workspace's as a component, in a target directory of its own.
pub fn guest(package: &str) -> PathBuf {
    let this = env::current_exe().unwrap();
    let target = this.ancestors().nth(3).expect("a test lies in target/<profile>/deps").join("guests");
    let status = cargo()
        .args(["build", "--quiet", "--profile", "guest", "--target", "wasm32-wasip2", "--package", package])
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the guest {package} does not build");
    target.join("wasm32-wasip2/guest").join(package.replace('-', "_")).with_extension("wasm")
}
