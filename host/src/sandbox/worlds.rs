//! What this host offers to modules, as `wit/` says it: worlds, the interfaces
//! that each imports and exports, and their version.

use std::sync::LazyLock;

// `WIT`: name and text of each file of `wit/`.
include!(concat!(env!("OUT_DIR"), "/wit.rs"));

/// The worlds that modules are made for.
pub const WORLDS: [&str; 4] = ["registry", "auth-policy", "storage-policy", "retention-policy"];

/// A world of `wit/worlds.wit`.
#[derive(Debug, PartialEq, Eq)]
pub struct World {
    /// Such as `auth-policy`.
    pub name: &'static str,
    /// Interfaces that it may import.
    pub imports: Vec<&'static str>,
    /// Interfaces that it exports.
    pub exports: Vec<&'static str>,
}

/// All that is offered.
#[derive(Debug)]
pub struct Offer {
    /// Such as `skerry:registry`.
    pub package: &'static str,
    /// Such as `0.1.0`.
    pub version: &'static str,
    /// In the order of the file.
    pub worlds: Vec<World>,
    /// Interfaces that have types only: they give no rights.
    types: Vec<&'static str>,
    /// The first sentence about each interface.
    about: Vec<(&'static str, String)>,
}

/// Packages of WASI 0.2 that are offered. What of it leads out of the sandbox,
/// such as sockets and HTTP, is not.
pub const WASI: [&str; 5] = ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random"];

/// What is offered.
pub fn offer() -> &'static Offer {
    static OFFER: LazyLock<Offer> = LazyLock::new(|| read(WIT));
    &OFFER
}

impl World {
    /// With package and version.
    pub fn full(&self) -> String {
        offer().full(self.name)
    }
}

impl Offer {
    /// A name of the package with its version.
    pub fn full(&self, name: &str) -> String {
        format!("{}/{name}@{}", self.package, self.version)
    }

    /// Whether an interface has types only.
    pub fn is_types(&self, interface: &str) -> bool {
        self.types.contains(&interface)
    }

    /// What an interface is for, in a sentence.
    pub fn about(&self, interface: &str) -> &str {
        self.about.iter().find(|(name, _)| *name == interface).map_or("", |(_, sentence)| sentence)
    }

    /// The world of which a module is that exports this.
    pub fn exporting(&self, interface: &str) -> Option<&World> {
        self.worlds.iter().find(|world| world.exports.contains(&interface))
    }
}

/// Reads as much of WIT as `wit/` uses: one statement a line.
fn read(files: &[(&'static str, &'static str)]) -> Offer {
    let mut offer = Offer { package: "", version: "", worlds: Vec::new(), types: Vec::new(), about: Vec::new() };
    let mut said = String::new();
    for line in files.iter().flat_map(|(_, text)| text.lines()) {
        match line.strip_prefix("///") {
            Some(more) => said.push_str(more),
            None if line.starts_with("interface ") || line.starts_with('@') => {}
            None => said.clear(),
        }
        let line = line.trim().trim_end_matches([';', '{']).trim_end();
        match line.split_once(' ') {
            Some(("package", name)) => (offer.package, offer.version) = name.split_once('@').unwrap_or((name, "")),
            Some(("world", name)) => {
                offer.worlds.push(World { name, imports: Vec::new(), exports: Vec::new() });
            }
            Some(("include", name)) => {
                let included = offer.worlds.iter().find(|world| world.name == name);
                let all = included.map(|world| (world.imports.clone(), world.exports.clone()));
                if let (Some(world), Some((imports, exports))) = (offer.worlds.last_mut(), all) {
                    world.imports.extend(imports);
                    world.exports.extend(exports);
                }
            }
            Some(("import", name)) => {
                if let Some(world) = offer.worlds.last_mut() {
                    world.imports.push(name);
                }
            }
            Some(("export", name)) => {
                if let Some(world) = offer.worlds.last_mut() {
                    world.exports.push(name);
                }
            }
            Some(("interface", name)) => {
                offer.types.push(name);
                let sentence = said.split_once(". ").map_or(said.as_str(), |(sentence, _)| sentence);
                offer.about.push((name, sentence.trim().trim_end_matches('.').to_owned()));
            }
            // The interface that was begun last has more than types.
            Some((_, rest)) if is_function(rest) => {
                offer.types.pop();
                // Nothing to be taken away by the next function of it.
                offer.types.push("");
            }
            _ => {}
        }
    }
    offer.types.retain(|name| !name.is_empty());
    offer
}

fn is_function(rest: &str) -> bool {
    ["func(", "static func("].iter().any(|begin| rest.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_what_the_files_say() {
        let offer = offer();
        assert_eq!((offer.package, offer.version), ("skerry:registry", "0.1.0"));
        for name in WORLDS {
            assert!(offer.worlds.iter().any(|world| world.name == name), "{name}");
        }
        for interface in ["types", "identity", "storage-policy-types", "fact-types"] {
            assert!(offer.is_types(interface), "{interface}: {:?}", offer.types);
        }
        for world in &offer.worlds {
            for interface in world.imports.iter().chain(&world.exports) {
                assert!(!offer.is_types(interface), "{interface} has functions");
                let begins = format!("interface {interface} {{");
                assert!(WIT.iter().any(|(_, text)| text.contains(&begins)), "{interface}");
            }
        }
        assert_eq!(offer.exporting("auth").map(|world| world.name), Some("auth-policy"));
        assert_eq!(offer.exporting("settings"), None);
        assert_eq!(offer.about("settings"), "What the operator configured for this guest");
        for interface in offer.worlds.iter().flat_map(|world| &world.imports) {
            assert!((10..200).contains(&offer.about(interface).len()), "{interface}: {}", offer.about(interface));
        }
    }
}
