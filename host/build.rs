//! Builds the default guest and the policies for wasm32-wasip2, compiles them
//! to machine code for a baseline CPU of the target, and leaves it where
//! `include_bytes!` finds it.

#![allow(clippy::expect_used, reason = "a build script answers by failing")]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, exit},
};

use lzma_rust2::{Lzma2Options, Lzma2Writer, LzmaOptions};
use wasmtime::Engine;

#[path = "src/sandbox/compile.rs"]
mod compile;

const GUEST_TARGET: &str = "wasm32-wasip2";

/// Code of a policy that is larger than this is mostly that of verifying
/// signatures.
const LARGE: usize = 1 << 20;

fn main() {
    let host = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let root = host.parent().expect("host lies in the workspace").to_path_buf();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    for watched in ["guest", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed=src/sandbox/compile.rs");
    println!("cargo::rerun-if-changed=build.rs");

    require_target();
    let target = env::var("TARGET").expect("set by cargo");
    println!("cargo::rustc-env=SKERRY_TARGET={target}");
    let code = precompile(&build_guest(&root, &out, "skerry-registry"), &target);
    fs::write(out.join("registry.cwasm"), code).expect("OUT_DIR is writable");
    let compiled: Vec<_> = policies(&root)
        .into_iter()
        .map(|name| (precompile(&build_guest(&root, &out, &format!("skerry-policy-{name}")), &target), name))
        .collect();
    fs::write(out.join("policies.rs"), pack(&out, &compiled)).expect("OUT_DIR is writable");
    fs::write(out.join("wit.rs"), texts("WIT", &root.join("wit"), "wit")).expect("OUT_DIR is writable");
    fs::write(out.join("sdk.rs"), texts("SDK", &root.join("guest/sdk/src"), "rs")).expect("OUT_DIR is writable");
}

/// Packs the policies, and returns what says where each is.
///
/// Most of them are never used, and half of a program that is to be small would
/// be theirs. Much of their code is the same: what is in one pack is there
/// once. Those that verify signatures have one to themselves, so that nobody
/// unpacks them for another policy.
fn pack(out: &Path, compiled: &[(Vec<u8>, String)]) -> String {
    let mut table = String::from(
        "/// Of each policy that is built in its name, the pack that it is in, and where its code begins and how long it is there.\nstatic POLICIES: &[(&str, usize, u64, usize)] = &[\n",
    );
    let mut packs = [Vec::new(), Vec::new()];
    for (code, name) in compiled {
        let number = usize::from(code.len() > LARGE);
        let Some(pack) = packs.get_mut(number) else { continue };
        table.push_str(&format!("    ({name:?}, {number}, {}, {}),\n", pack.len(), code.len()));
        pack.extend_from_slice(code);
    }
    table.push_str("];\n\n/// LZMA2, and the length of its dictionary.\nstatic PACKS: &[(&[u8], u32)] = &[\n");
    for (number, pack) in packs.iter().enumerate() {
        let file = out.join(format!("policies-{number}.lzma2"));
        let mut options = Lzma2Options { lzma_options: LzmaOptions::with_preset(9), chunk_size: None };
        let dictionary = u32::try_from(pack.len()).expect("a few megabytes").next_power_of_two().max(4096);
        options.lzma_options.dict_size = dictionary;
        let mut writer = Lzma2Writer::new(Vec::new(), options);
        let packed = writer.write_all(pack).and_then(|()| writer.finish()).expect("memory takes everything");
        fs::write(&file, packed).expect("OUT_DIR is writable");
        table.push_str(&format!("    (include_bytes!({file:?}), {dictionary}),\n"));
    }
    table.push_str("];\n");
    table
}

/// A table of the text files below a directory: path below it, and text.
fn texts(table: &str, directory: &Path, extension: &str) -> String {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(next) = directories.pop() {
        for path in fs::read_dir(next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    let mut text =
        format!("/// Path below {:?}, and text, of each file there.\n", directory.file_name().unwrap_or_default());
    text.push_str(&format!("pub static {table}: &[(&str, &str)] = &[\n"));
    for path in found {
        let name = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
        text.push_str(&format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string()));
    }
    text.push_str("];\n");
    text
}

/// The names of the policies, which are those of their directories.
fn policies(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("guest/policies")).into_iter().flatten().flatten();
    let packages = entries.filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<_> = packages.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn precompile(component: &Path, target: &str) -> Vec<u8> {
    let bytes = fs::read(component).expect("the guest was just built");
    let precompiled = compile::settings(Some(target))
        .and_then(|mut settings| Engine::new(settings.cranelift_nan_canonicalization(true)))
        .and_then(|engine| engine.precompile_component(&bytes));
    match precompiled {
        Ok(code) => code,
        Err(cause) => fail(&format!("the guest {} does not compile for {target}: {cause:#}", component.display())),
    }
}

/// Without the target, the nested build would fail with a page of
/// `can't find crate for core`.
fn require_target() {
    let rustc = env::var_os("RUSTC").expect("set by cargo");
    let library = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", GUEST_TARGET])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    if !library.is_some_and(|path| Path::new(path.trim()).is_dir()) {
        fail(&format!(
            "the Rust target {GUEST_TARGET} is not installed; install it with: rustup target add {GUEST_TARGET}"
        ));
    }
}

/// Its own target directory, so that this cargo never waits for the lock that
/// the cargo which runs us holds; one for all hosts that are built below the
/// same, since a guest is the same for each.
fn build_guest(root: &Path, out: &Path, package: &str) -> PathBuf {
    let shared = out.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    let target_dir = shared.unwrap_or(out).join("built-in");
    let mut cargo = Command::new(env::var_os("CARGO").expect("set by cargo"));
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--lib", "--profile", "guest"])
        .args(["--package", package, "--target", GUEST_TARGET, "--target-dir"])
        .arg(&target_dir);
    // What is meant for the host (sanitizers, linkers, clippy's wrapper) is
    // not meant for the guest.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let foreign = text.starts_with("CARGO_")
            && text != "CARGO_HOME"
            && !text.starts_with("CARGO_NET")
            && !text.starts_with("CARGO_HTTP")
            && !text.starts_with("CARGO_REGISTR")
            && !text.starts_with("CARGO_SOURCE");
        if foreign || ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS"].contains(&text.as_ref())
        {
            cargo.env_remove(&name);
        }
    }
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("the guest {package} does not build ({status}); see the messages above")),
        Err(cause) => fail(&format!("cargo could not be started for the guest: {cause}")),
    }
    target_dir.join(GUEST_TARGET).join("guest").join(package.replace('-', "_")).with_extension("wasm")
}

fn fail(reason: &str) -> ! {
    println!("cargo::error={reason}");
    exit(1)
}
