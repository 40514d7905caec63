//! The module that misbehaves, built, and hosts that load it or another.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
};

use skerry_tests::{Client, Options, Registry, binary, children};

/// The component, built once a run.
pub fn misbehave() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| binary::guest("misbehave"))
}

/// A host with the module that misbehaves, and more of the section `sandbox`.
pub fn start(sandbox: &str) -> Registry {
    start_with(sandbox, Options::default())
}

/// The same, with more than that.
pub fn start_with(sandbox: &str, options: Options) -> Registry {
    with(misbehave(), sandbox, options)
}

/// A host with a module.
pub fn start_module(module: &Path, sandbox: &str) -> Registry {
    with(module, sandbox, Options::default())
}

fn with(module: &Path, sandbox: &str, mut options: Options) -> Registry {
    let module = module.display();
    // Each request is to enter the sandbox.
    write!(options.more, "sandbox:\n  registry: {module}\n{sandbox}remember:\n  enabled: false\n").unwrap();
    Registry::start(options)
}

/// Somebody else is served.
#[track_caller]
pub fn served(client: &Client) {
    let answer = client.get("/well");
    assert_eq!((answer.status, answer.text().as_str()), (200, "well"));
}

/// Waits for a line of the log that holds this.
pub fn logged(registry: &mut Registry, what: &str) {
    registry.service().wait_for(what, |line| line.contains(what).then_some(()));
}

/// Waits for what the log says of why the request for a path failed.
pub fn failed(registry: &mut Registry, path: &str) -> String {
    let field = |line: &str, name: &str| {
        let line = serde_json::from_str::<serde_json::Value>(line).ok()?;
        line.get(name)?.as_str().map(str::to_owned)
    };
    let service = registry.service();
    let request = service.wait_for(path, |line| {
        let asked = field(line, "path").is_some_and(|asked| asked == path);
        asked.then(|| field(line, "request_id")).flatten()
    });
    service.wait_for("why", |line| {
        let same = field(line, "request_id").is_some_and(|id| id == request);
        same.then(|| field(line, "cause")).flatten()
    })
}

/// Runs `skerry serve` with a module and more of the section `sandbox`, to its
/// end.
pub fn serve(directory: &Path, module: &Path, sandbox: &str) -> Output {
    let config = directory.join("config.yml");
    let volume = directory.join("volume");
    fs::create_dir_all(&volume).unwrap();
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\nsandbox:\n  registry: {}\n{sandbox}",
        volume.display(),
        module.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = children::command(binary::skerry());
    command.arg("serve").arg(&config).stdin(Stdio::null());
    command.output().unwrap()
}
