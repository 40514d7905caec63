//! A project, begun and built.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use skerry_tests::{binary, command, tools};

/// The commands of a language, as the README of a project has them; and a folder
/// of theirs that the next project may as well use (npm and Python take no link
/// for theirs).
pub struct Language {
    pub name: &'static str,
    pub build: &'static [&'static [&'static str]],
    pub keeps: Option<&'static str>,
}

pub const RUST: Language = Language {
    name: "rust",
    build: &[&["cargo", "build", "--quiet", "--release", "--target", "wasm32-wasip2"]],
    keeps: Some("target"),
};
pub const JS: Language = Language {
    name: "js",
    build: &[&["npm", "install", "--no-audit", "--no-fund"], &["npm", "run", "build"], &["npm", "run", "wit"]],
    keeps: None,
};
pub const PYTHON: Language = Language { name: "python", build: &[&["make"]], keeps: None };
pub const C: Language = Language { name: "c", build: &[&["make"]], keeps: None };

/// A folder with a module that is built.
pub struct Project {
    pub folder: PathBuf,
    pub module: PathBuf,
}

impl Language {
    /// Begins a project in a directory, and builds it.
    pub fn build(&self, directory: &Path, world: &str) -> Project {
        let name = format!("{}-{world}", self.name);
        let folder = directory.join(&name);
        let path = folder.display().to_string();
        let made = command::called("skerry", &["guest", "new", &path, "--world", world, "--lang", self.name]);
        assert_eq!(made.code, 0, "{made:?}");
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        if let Some(kept) = self.keeps {
            let all = directory.join(format!("{}-kept", self.name));
            fs::create_dir_all(&all).unwrap();
            std::os::unix::fs::symlink(&all, folder.join(kept)).unwrap();
        }
        if self.name == "rust" {
            // The versions that everything here is built with.
            fs::copy(binary::workspace().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        }
        for words in self.build {
            // What the README says, and nothing else (but for what is quiet).
            let said = words.iter().filter(|word| !word.starts_with("--no-") && **word != "--quiet").copied();
            let said = said.collect::<Vec<_>>().join(" ");
            assert!(readme.contains(&said), "{said} in {readme}");
            succeed(&folder, words);
        }
        let module = match self.name {
            "rust" => folder.join(format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_"))),
            _ => folder.join(format!("{name}.wasm")),
        };
        assert!(module.is_file(), "{}", module.display());
        let told = module.strip_prefix(&folder).unwrap().display().to_string();
        assert!(readme.contains(&format!("skerry guest check {told}")), "{readme}");
        Project { folder, module }
    }
}

/// Registries of packages are far away, and sometimes do not answer.
fn succeed(folder: &Path, words: &[&str]) {
    let path = env::var_os("PATH").unwrap_or_default();
    let tools_path = env::var_os("SKERRY_TOOLS").map(PathBuf::from);
    let path = env::join_paths(tools_path.into_iter().chain(env::split_paths(&path))).unwrap();
    let tries = if words.contains(&"install") { 3 } else { 1 };
    for left in (0..tries).rev() {
        let mut command = if words[0] == "cargo" { binary::cargo() } else { Command::new(tools::find(words[0])) };
        command.args(&words[1..]).current_dir(folder).env("PATH", &path).env_remove("CARGO_TARGET_DIR");
        let output = tools::run(command);
        if output.status.success() {
            return;
        }
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(left > 0, "{words:?} in {}: {}\n{text}", folder.display(), output.status);
    }
}

impl Project {
    /// Runs its cases.
    pub fn rehearse(&self) {
        let (module, cases) = (self.module.display().to_string(), self.folder.join("cases.yaml").display().to_string());
        let ended = command::called("skerry", &["policy", "test", &module, &cases]);
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains("as expected, 0 not") && ended.out.contains("instructions"), "{}", ended.out);
        println!("{}: {}", module, ended.out);
    }

    /// Looks at it.
    pub fn check(&self, world: &str) {
        let ended = command::called("skerry", &["guest", "check", &self.module.display().to_string()]);
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains(&format!("skerry:registry/{world}@0.1.0")), "{}", ended.out);
        println!("{}", ended.out);
    }
}
