//! What is in a project: the WIT as this program has it, a module that decides
//! something, and what its language's own tools need.

use std::path::PathBuf;

use super::{Language, WorldName};
use crate::sandbox::WIT;

// `SDK`: the sources of the SDK for policies in Rust.
include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Paths and texts of a language's module, for each world.
macro_rules! sources {
    ($world:expr, $directory:literal, $extension:literal) => {
        match $world {
            WorldName::StoragePolicy => include_str!(concat!("templates/", $directory, "/storage-policy.", $extension)),
            WorldName::AuthPolicy => include_str!(concat!("templates/", $directory, "/auth-policy.", $extension)),
            WorldName::RetentionPolicy => {
                include_str!(concat!("templates/", $directory, "/retention-policy.", $extension))
            }
            WorldName::Registry => include_str!(concat!("templates/", $directory, "/registry.", $extension)),
        }
    };
}

/// All of its files.
pub fn files(name: &str, world: WorldName, lang: Language) -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let fill = |text: &str| fill(text, name, world, lang);
    let mut add = |path: &str, text: String| files.push((path.into(), text));
    for (path, text) in WIT {
        add(&format!("wit/{path}"), (*text).to_owned());
    }
    match lang {
        Language::Rust => {
            add("src/lib.rs", sources!(world, "rust", "rs").to_owned());
            if world == WorldName::Registry {
                add("Cargo.toml", fill(include_str!("templates/rust/Cargo.toml.registry")));
            } else {
                add("Cargo.toml", fill(include_str!("templates/rust/Cargo.toml.policy")));
                add("skerry/sdk/Cargo.toml", include_str!("templates/rust/Cargo.toml.sdk").to_owned());
                for (path, text) in SDK {
                    add(&format!("skerry/sdk/src/{path}"), (*text).to_owned());
                }
            }
            add(".gitignore", "/target\n".to_owned());
        }
        Language::Js => {
            add("module.js", sources!(world, "js", "js").to_owned());
            add("build.mjs", fill(include_str!("templates/js/build.mjs")));
            add("package.json", fill(include_str!("templates/js/package.json")));
            add(".gitignore", "/node_modules\n*.wasm\n".to_owned());
        }
        Language::Python => {
            add("module.py", sources!(world, "python", "py").to_owned());
            add("Makefile", fill(include_str!("templates/python/Makefile")));
            add("requirements.txt", include_str!("templates/python/requirements.txt").to_owned());
            add(".gitignore", "/.venv\n/wit_world\n__pycache__\n*.wasm\n".to_owned());
        }
        Language::C => {
            add("module.c", sources!(world, "c", "c").to_owned());
            add("Makefile", fill(include_str!("templates/c/Makefile")));
            let ident = world.name().replace('-', "_");
            add(".gitignore", format!("/{ident}.c\n/{ident}.h\n*.o\n*.wasm\n"));
        }
    }
    match world {
        WorldName::StoragePolicy => add("cases.yaml", include_str!("templates/storage-policy.cases.yaml").to_owned()),
        WorldName::AuthPolicy => add("cases.yaml", include_str!("templates/auth-policy.cases.yaml").to_owned()),
        WorldName::RetentionPolicy => {
            add("cases.yaml", include_str!("templates/retention-policy.cases.yaml").to_owned());
        }
        WorldName::Registry => {}
    }
    let readme = match world {
        WorldName::Registry => include_str!("templates/registry.README.md"),
        _ => include_str!("templates/policy.README.md"),
    };
    add("README.md", fill(readme));
    files
}

/// What to do next, as commands of a shell.
pub fn steps(name: &str, world: WorldName, lang: Language) -> String {
    let last = match world {
        WorldName::Registry => "skerry guest check {{module}}",
        _ => "skerry policy test {{module}} cases.yaml",
    };
    let steps = fill(&format!("cd {name}\n{{{{build}}}}\n{last}"), name, world, lang);
    steps.lines().map(|step| format!("  {step}\n")).collect()
}

fn fill(text: &str, name: &str, world: WorldName, lang: Language) -> String {
    let ident = name.replace('-', "_");
    let module = match lang {
        Language::Rust => format!("target/wasm32-wasip2/release/{ident}.wasm"),
        _ => format!("{name}.wasm"),
    };
    let (source, build, more) = match lang {
        Language::Rust => (
            "src/lib.rs",
            "cargo build --release --target wasm32-wasip2",
            "\nThe target is installed by `rustup target add wasm32-wasip2`. `skerry/sdk` is a copy of\nSkerry's SDK, for policies; `cargo test` runs the same logic natively.",
        ),
        Language::Js => {
            ("module.js", "npm install\nnpm run build", "\n`npm run wit` shows what the module imports and exports.")
        }
        Language::Python => {
            ("module.py", "make", "\nIt takes Python 3 with `venv`; `make` installs componentize-py beside this file.")
        }
        Language::C => ("module.c", "make", "\nThe Makefile says which tools it takes."),
    };
    let more = if world == WorldName::Registry && lang == Language::Rust {
        "\nThe target is installed by `rustup target add wasm32-wasip2`."
    } else {
        more
    };
    let settings = match world {
        WorldName::StoragePolicy => "{refused: [latest]}",
        WorldName::AuthPolicy => "{writers: [127.0.0.1]}",
        WorldName::RetentionPolicy => "{kept: [latest], days: 30}",
        WorldName::Registry => "{}",
    };
    let fails = match world {
        WorldName::RetentionPolicy => {
            "It is asked by `skerry retain [--dry-run]`, and by the schedule\n`storage.maintenance.retention`; where it fails, no tag of that repository goes, and the log\nsays why."
        }
        _ => "What fails denies with 503, and the log says why.",
    };
    [
        ("{{fails}}", fails),
        ("{{name}}", name),
        ("{{world}}", world.name()),
        ("{{world_ident}}", &world.name().replace('-', "_")),
        ("{{module}}", &module),
        ("{{source}}", source),
        ("{{build}}", build),
        ("{{settings}}", settings),
        ("{{more}}", more),
    ]
    .iter()
    .fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
}
