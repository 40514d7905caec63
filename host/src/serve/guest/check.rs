//! `guest check`: what a module is, what it asks for, and what it will get.

use std::{
    error::Error,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use cap_std::{ambient_authority, fs::Dir};
use serde_json::Value as Json;

use super::{
    super::{artifacts::Artifacts, map, policies},
    defaults, named,
};
use crate::{
    cli::Said,
    config::{self, Config, ModuleAt, PolicyModule},
    sandbox::{self, Asked, LoadError, ModuleFile, PolicyOrigin, PolicySource, Prepared, Rehearsal, Sandbox, Scene},
    storage::{self, Directory, Grant},
};

/// A column of words before what they are about.
const COLUMN: usize = 10;

/// Looks at a module, and has it say whether it can work.
pub async fn check(file: &Path, configured: Option<&Config>) -> Result<Said, Box<dyn Error>> {
    let own = defaults()?;
    let config = configured.unwrap_or(&own);
    let mut text = String::new();
    let well = match named(config, file)? {
        PolicyOrigin::File(module) if is_registry(&module)? => {
            registry(&mut text, config, module, configured.is_some()).await?
        }
        origin => policy(&mut text, config, origin, file, configured.is_some()).await?,
    };
    Ok(Said { text, well })
}

/// Of what is compiled already, this is not seen: policies can be told by
/// being loaded.
fn is_registry(module: &ModuleFile) -> Result<bool, LoadError> {
    if module.is_compiled() {
        return Ok(false);
    }
    Ok(sandbox::look(&module.path.display().to_string(), &module.bytes)?.worlds.contains(&"registry"))
}

async fn policy(
    text: &mut String,
    config: &Config,
    origin: PolicyOrigin,
    file: &Path,
    configured: bool,
) -> Result<bool, Box<dyn Error>> {
    let size = match &origin {
        PolicyOrigin::File(module) => format!("{} KiB", module.bytes.len().div_ceil(1024)),
        PolicyOrigin::BuiltIn(_) => "built in".to_owned(),
    };
    let limits = map::limits(config);
    let rehearsal = tokio::task::block_in_place(|| Rehearsal::open(origin, &limits, false))?;
    let (imports, exports) = rehearsal.names();
    head(text, file, rehearsal.world(), &size, imports, exports)?;
    line(text, "loads", &format!("in {:.1?}", rehearsal.loading))?;
    let uses: Vec<_> = config.policies.iter().filter(|policy| is(policy, file)).collect();
    let mut well = true;
    for policy in &uses {
        line(text, "granted", &format!("as the policy {}: {}", policy.name, granted(policy)))?;
        let source = policies::source(config, &Artifacts::default(), policy)?;
        let PolicySource { settings, grant, secrets, limits, .. } = source;
        let scene = Scene { settings, grant, secrets, facts: Arc::default(), limits };
        well &= asked(text, &rehearsal, scene, true).await?;
    }
    if uses.is_empty() {
        let why =
            if configured { "the configuration does not name it" } else { "no configuration was named (--config)" };
        line(text, "granted", &format!("nothing: {why}; 5s and 64 MiB for one question"))?;
        let limits = sandbox::Limits { time: Duration::from_secs(5), memory: 64 << 20, ..limits };
        let scene =
            Scene { settings: Json::Null, grant: Grant::Nothing, secrets: Vec::new(), facts: Arc::default(), limits };
        well = asked(text, &rehearsal, scene, false).await?;
    }
    Ok(well)
}

/// Whether it can work with what it has; without a configuration it may well
/// say that it cannot.
async fn asked(text: &mut String, rehearsal: &Rehearsal, scene: Scene, granted: bool) -> Result<bool, Box<dyn Error>> {
    let stage = rehearsal.stage(scene);
    let asked = rehearsal.ask(&stage, "check", &Json::Null).await?;
    let memory = asked.memory.div_ceil(1024);
    line(
        text,
        "instance",
        &format!("{:.1?} to begin one, {:.1?} in all to ask it, {memory} KiB of memory", asked.begin, asked.time),
    )?;
    let (well, answer) = match &asked.answer {
        Ok(answer) => match answer.get("error").and_then(Json::as_str) {
            Some(reason) if granted => (false, format!("it cannot work: {}", reason.escape_debug())),
            Some(reason) => {
                let lacks = "it cannot work with nothing; a configuration may grant what it lacks (--config)";
                (false, format!("{lacks}: {}", reason.escape_debug()))
            }
            None => {
                let warnings = answer.get("ok").and_then(Json::as_array).map_or(0, Vec::len);
                (
                    true,
                    if warnings == 0 {
                        "it can work".into()
                    } else {
                        format!("it can work, with {warnings} warnings: {answer}")
                    },
                )
            }
        },
        Err(guard) => (false, format!("it fails: {}", asked.said.as_deref().unwrap_or(guard).escape_debug())),
    };
    line(text, "check", &answer)?;
    // As at a start: only what can work says what it is about.
    for function in ["concerns", "knows-by"] {
        if well && rehearsal.functions().iter().any(|known| known == function) {
            return about(text, rehearsal, function, &rehearsal.ask(&stage, function, &Json::Null).await?);
        }
    }
    // That settings are missing is no fault where there are none.
    let ended = asked.answer.is_err() && asked.said.is_none();
    Ok(well || (!granted && !ended))
}

/// Of what it is asked. False where it does not say: it would not be taken.
fn about(text: &mut String, rehearsal: &Rehearsal, function: &str, asked: &Asked) -> Result<bool, Box<dyn Error>> {
    let keeps = rehearsal.functions().iter().any(|function| function == "retain");
    let mut kinds: Vec<&str> = Vec::new();
    match &asked.answer {
        Err(guard) => {
            let said = asked.said.as_deref().unwrap_or(guard).escape_debug();
            line(text, "asked", &format!("it fails to say what it is about, and would be refused: {said}"))?;
            return Ok(false);
        }
        Ok(answer) => {
            for kind in answer.as_array().into_iter().flatten().filter_map(Json::as_str) {
                // However often it says so: there are few.
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
    }
    if keeps {
        kinds.push("which tags are kept");
    }
    let about = match kinds.as_slice() {
        [] if function == "knows-by" => "what clients may do, and never who they are".to_owned(),
        kinds if function == "knows-by" => format!("who clients are, by {}, and what they may do", kinds.join(", ")),
        [] => "about nothing: it would never be asked".to_owned(),
        kinds => format!("about {}", kinds.join(", ")),
    };
    line(text, "asked", &about)?;
    Ok(true)
}

/// Loaded as at the start of a server, before an empty directory.
async fn registry(
    text: &mut String,
    config: &Config,
    module: ModuleFile,
    configured: bool,
) -> Result<bool, Box<dyn Error>> {
    let look = sandbox::look(&module.path.display().to_string(), &module.bytes)?;
    let size = format!("{} KiB", module.bytes.len().div_ceil(1024));
    let file = module.path.clone();
    head(text, &file, "registry", &size, &look.imports, &look.exports)?;
    let empty = Empty::new()?;
    let root = Dir::open_ambient_dir(&empty.0, ambient_authority())?;
    let storage: Arc<Directory> =
        Directory::open(root, storage::Options::default()).map_err(|failure| failure.to_string())?;
    let settings = {
        let config = config.clone();
        Box::new(move |path: &str| config.guest_setting(path))
    };
    let limits = sandbox::Limits { instances: 1, parked: 1, ..map::limits(config) };
    let began = Instant::now();
    let prepared = Prepared::new(limits, false)?;
    let started =
        Sandbox::start(prepared, Arc::clone(&storage) as _, settings, (Some(module), None), Vec::new(), None).await;
    storage::Storage::close(&*storage).await;
    started?;
    line(text, "loads", &format!("in {:.1?}; it says what the host is to answer for it", began.elapsed()))?;
    let named = matches!(&config.sandbox.registry, Some(ModuleAt::File(path)) if same(path, &file));
    let granted = match (configured, named) {
        (true, true) => format!(
            "one directory, {}, as keys; the requests; sandbox.settings; {:?} and {} MiB for a request",
            config.storage.root.display(),
            config.sandbox.time,
            config.sandbox.memory >> 20
        ),
        (true, false) => "nothing: the configuration does not name it (`sandbox.registry`)".to_owned(),
        (false, _) => "the requests and the one directory of the storage, where `sandbox.registry` names it".to_owned(),
    };
    line(text, "granted", &granted)?;
    Ok(true)
}

fn head(
    text: &mut String,
    file: &Path,
    world: &str,
    size: &str,
    imports: &[String],
    exports: &[String],
) -> Result<(), std::fmt::Error> {
    let offer = sandbox::offer();
    writeln!(text, "{}: {}, {size}", file.display(), offer.full(world))?;
    // Others (of Python's tools) are for nobody here.
    for export in exports.iter().filter(|export| export.contains(':')) {
        line(text, "exports", &export.escape_debug().to_string())?;
    }
    let (mut wasi, mut others) = (Vec::new(), Vec::new());
    for import in imports {
        let package = import.split('/').next().unwrap_or_default();
        match import.starts_with("wasi:") {
            true if !wasi.contains(&package) => wasi.push(package),
            true => {}
            false => others.push(import),
        }
    }
    for import in others {
        let interface = import.split(['/', '@']).nth(1).unwrap_or_default();
        // Those give no rights.
        if offer.is_types(interface) {
            continue;
        }
        line(text, "imports", &format!("{import}: {}", offer.about(interface)))?;
    }
    if !wasi.is_empty() {
        let wasi = wasi.join(", ");
        line(text, "imports", &format!("{wasi}: clocks, random numbers, an output for the log; no file, no network"))?;
    }
    Ok(())
}

fn line(text: &mut String, word: &str, about: &str) -> Result<(), std::fmt::Error> {
    writeln!(text, "  {word:COLUMN$}{about}")
}

/// What the configuration grants to a policy, in words. Secrets by their names.
fn granted(policy: &config::Policy) -> String {
    let mut parts = Vec::new();
    match &policy.settings {
        Json::Null => parts.push("no settings".to_owned()),
        settings => parts.push(format!("settings {settings}")),
    }
    match &policy.grant {
        config::Grant::Nothing => parts.push("no files".to_owned()),
        config::Grant::Directory(path) => parts.push(format!("the files below {}, to read", path.display())),
        config::Grant::Files(files) => {
            let files: Vec<_> = files.iter().map(|(name, path)| format!("{name} ({})", path.display())).collect();
            parts.push(format!("these files, to read: {}", files.join(", ")));
        }
    }
    match policy.secrets.as_slice() {
        [] => parts.push("no secrets".to_owned()),
        secrets => {
            let names: Vec<_> = secrets.iter().map(|(name, _)| name.as_str()).collect();
            parts.push(format!("the secrets {}", names.join(", ")));
        }
    }
    parts.push(format!("{:?} and {} MiB for one question", policy.time, policy.memory >> 20));
    match policy.lifetime {
        None => {}
        Some(Duration::ZERO) => parts.push("asked for each request".to_owned()),
        Some(most) => parts.push(format!("what it decided is relied on for {most:?} at the most")),
    }
    parts.push(if policy.lenient { "no opinion where it fails" } else { "503 where it fails" }.to_owned());
    parts.join("; ")
}

fn is(policy: &config::Policy, file: &Path) -> bool {
    match &policy.module {
        PolicyModule::BuiltIn(name) => file.to_str() == Some(name.as_str()),
        PolicyModule::File(path) => same(path, file),
        // It is no file.
        PolicyModule::Artifact(_) => false,
    }
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// A directory with nothing in it, for as long as it lives.
struct Empty(PathBuf);

impl Empty {
    fn new() -> std::io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let path = std::env::temp_dir().join(format!("skerry-check-{:016x}", u64::from_ne_bytes(random)));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
