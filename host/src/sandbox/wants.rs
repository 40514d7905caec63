//! What a module is, by the names that it imports and exports: nothing is
//! compiled for it. What does not fit is refused with one sentence that says
//! what the module wants and what this host offers.

use std::fmt;

use wasmparser::{Encoding, Parser, Payload};
use wasmtime::{Engine, component::Component};

use super::{
    module::LoadError,
    worlds::{Offer, WASI, World, offer},
};

/// Names that are looked at.
const MOST: usize = 1_000;

/// What a component imports and exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// What a look at a module shows.
#[derive(Debug, Clone)]
pub struct Look {
    /// The worlds that it is of, such as `auth-policy`.
    pub worlds: Vec<&'static str>,
    /// Names that it imports.
    pub imports: Vec<String>,
    /// Names that it exports.
    pub exports: Vec<String>,
}

/// Looks at a module that is not compiled yet.
///
/// # Errors
/// That it fits no world that is offered.
pub fn look(path: &str, bytes: &[u8]) -> Result<Look, LoadError> {
    let path = path.to_owned();
    let looked = Wants::read(bytes).and_then(|wants| Ok((wants.worlds()?, wants)));
    match looked {
        Ok((worlds, Wants { imports, exports })) => {
            Ok(Look { worlds: worlds.iter().map(|world| world.name).collect(), imports, exports })
        }
        Err(Misfit::Form(cause)) => Err(LoadError::Invalid { path, cause }),
        Err(Misfit::World(cause)) => Err(LoadError::World { path, cause }),
    }
}

/// What a component imports and exports, whatever world it is of.
///
/// # Errors
/// That it is none.
pub fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    let wants = Wants::read(bytes).map_err(|misfit| format!("it is no WebAssembly component: {misfit}"))?;
    Ok((wants.imports, wants.exports))
}

/// Why a module is not taken: the end of a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// It is no component.
    Form(String),
    /// It is one of no world that is offered.
    World(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(sentence) | Self::World(sentence) => f.write_str(sentence),
        }
    }
}

impl Wants {
    /// Reads the outer names of a component.
    pub fn read(bytes: &[u8]) -> Result<Self, Misfit> {
        let mut wants = Self::default();
        let mut depth = 0_usize;
        let form = |cause: wasmparser::BinaryReaderError| Misfit::Form(cause.to_string());
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(form)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(Misfit::Form(
                        "it is a core module; make a component of it, with `wasm-tools component new`, or by a \
                         compiler's target wasm32-wasip2"
                            .to_owned(),
                    ));
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth = depth.saturating_add(1),
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        wants.imports.push(import.map_err(form)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        wants.exports.push(export.map_err(form)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            if wants.imports.len().max(wants.exports.len()) > MOST {
                return Err(Misfit::Form(format!("it imports or exports more than {MOST} things")));
            }
        }
        Ok(wants)
    }

    /// Those of a component that is compiled already.
    pub fn of(engine: &Engine, component: &Component) -> Self {
        let ty = component.component_type();
        let names = |names: &mut dyn Iterator<Item = &str>| names.take(MOST).map(str::to_owned).collect();
        Self {
            imports: names(&mut ty.imports(engine).map(|(name, _)| name)),
            exports: names(&mut ty.exports(engine).map(|(name, _)| name)),
        }
    }

    /// The worlds that it may be of: that it exports what they do, and imports
    /// no more than they offer.
    pub fn worlds(&self) -> Result<Vec<&'static World>, Misfit> {
        let offer = offer();
        let exported: Vec<_> = self.exports.iter().filter_map(|name| Named::of(name)).collect();
        let mut worlds = Vec::new();
        for named in exported.iter().filter(|named| named.package == offer.package) {
            if !offer.takes(named.version) {
                return Err(self.unfit(offer, &[&named.full()], "exports"));
            }
            if let Some(world) = offer.exporting(named.interface)
                && !worlds.contains(&world)
            {
                worlds.push(world);
            }
        }
        // A part of a world is none.
        let has = |interface: &&str| exported.iter().any(|named| named.interface == *interface);
        worlds.retain(|world: &&World| world.exports.iter().all(&has));
        if worlds.is_empty() {
            let exports: Vec<_> = self.exports.iter().map(String::as_str).collect();
            return Err(self.unfit(offer, &exports, "exports"));
        }
        for world in &worlds {
            let unknown: Vec<_> =
                self.imports.iter().map(String::as_str).filter(|name| !offered(world, name)).collect();
            if !unknown.is_empty() {
                return Err(Misfit::World(format!(
                    "does not fit the world {}: it wants {}, and this host offers it {}, and {} of WASI 0.2",
                    world.full(),
                    list(&unknown),
                    list_all(world.imports.iter().map(|interface| offer.full(interface))),
                    list_all(WASI.iter().map(|package| (*package).to_owned())),
                )));
            }
        }
        Ok(worlds)
    }

    fn unfit(&self, offer: &Offer, names: &[&str], verb: &str) -> Misfit {
        let worlds = offer.worlds.iter().map(|world| {
            format!("{} (exports {})", world.full(), list_all(world.exports.iter().map(|name| offer.full(name))))
        });
        Misfit::World(format!(
            "is of no world that this host offers: it {verb} {}, and there are {}",
            list(names),
            list_all(worlds)
        ))
    }
}

impl Offer {
    /// Whether a module that was built with this version of `wit/` fits: as
    /// semantic versions go, 0.1.x fit each other. What a later one has beyond
    /// this one is missed when the module is linked.
    fn takes(&self, version: &str) -> bool {
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        minor(version).is_some() && minor(version) == minor(self.version)
    }
}

/// Whether a world has something by this name to import.
fn offered(world: &World, name: &str) -> bool {
    let Some(named) = Named::of(name) else { return false };
    let offer = offer();
    if named.package == offer.package {
        return offer.takes(named.version)
            && (world.imports.contains(&named.interface) || offer.is_types(named.interface));
    }
    WASI.contains(&named.package) && named.version.starts_with("0.2.")
}

/// `package/interface@version`, in its parts.
struct Named<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Named<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }

    fn full(&self) -> String {
        format!("{}/{}@{}", self.package, self.interface, self.version)
    }
}

/// A few names of a module's choice, fit for a sentence.
fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> = names.iter().take(4).map(|name| name.escape_debug().take(100).collect::<String>()).collect();
    let more = names.len().saturating_sub(shown.len());
    let text = shown.join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

fn list_all(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        [last, ..] => last.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{engine, limits::Limits, module};

    fn wants(imports: &[&str], exports: &[&str]) -> Wants {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Wants { imports: owned(imports), exports: owned(exports) }
    }

    fn said(imports: &[&str], exports: &[&str]) -> String {
        match wants(imports, exports).worlds() {
            Ok(worlds) => worlds.iter().map(|world| world.name).collect::<Vec<_>>().join("+"),
            Err(Misfit::Form(said) | Misfit::World(said)) => said,
        }
    }

    const AUTH: &str = "skerry:registry/auth@0.1.0";

    #[test]
    fn what_fits() {
        for (imports, exports, worlds) in [
            (&[][..], &[AUTH][..], "auth-policy"),
            (&["skerry:registry/settings@0.1.0", "wasi:io/poll@0.2.6"], &[AUTH], "auth-policy"),
            (&["skerry:registry/identity@0.1.0"], &[AUTH], "auth-policy"),
            // Of a later host, as long as no more is asked for.
            (&["skerry:registry/settings@0.1.7"], &["skerry:registry/auth@0.1.7"], "auth-policy"),
            (&[], &["other:thing/x@1.0.0", "skerry:registry/handler@0.1.0"], "registry"),
            (&[], &[AUTH, "skerry:registry/storage-rules@0.1.0"], "auth-policy+storage-policy"),
            (
                &[],
                &["skerry:registry/retention@0.1.0", "skerry:registry/storage-rules@0.1.0"],
                "retention-policy+storage-policy",
            ),
        ] {
            assert_eq!(said(imports, exports), worlds, "{imports:?} {exports:?}");
        }
    }

    #[test]
    fn what_does_not_is_said_with_what_is_offered() {
        let worlds = "skerry:registry/auth-policy@0.1.0 (exports skerry:registry/auth@0.1.0)";
        for (imports, exports, parts) in [
            (&[][..], &[][..], ["it exports nothing, and there are", worlds]),
            (&[], &["wasi:cli/run@0.2.0"], ["it exports wasi:cli/run@0.2.0, and", worlds]),
            (&[], &["skerry:registry/retention@0.1.0"], ["it exports skerry:registry/retention@0.1.0, and", worlds]),
            (&[], &["skerry:registry/auth@0.2.0"], ["it exports skerry:registry/auth@0.2.0, and", worlds]),
            (&[], &["skerry:registry/auth@1.1.0"], ["auth@1.1.0", worlds]),
            (&[], &["skerry:registry/auth"], ["it exports skerry:registry/auth, and", worlds]),
            (
                &["skerry:registry/settings@0.2.0"],
                &[AUTH],
                ["it wants skerry:registry/settings@0.2.0, and", "offers it skerry:registry/settings@0.1.0,"],
            ),
            // An interface of another world.
            (
                &["skerry:registry/storage@0.1.0"],
                &[AUTH],
                ["it wants skerry:registry/storage@0.1.0, and", "files@0.1.0"],
            ),
            (&["wasi:sockets/tcp@0.2.0"], &[AUTH], ["it wants wasi:sockets/tcp@0.2.0", "wasi:filesystem, wasi:io"]),
            (&["wasi:io/poll@0.3.0"], &[AUTH], ["it wants wasi:io/poll@0.3.0", "of WASI 0.2"]),
            (&["a\u{1b}[31m", "b", "c", "d", "e"], &[AUTH], ["it wants a\\u{1b}[31m, b, c, d and 1 more", "offers"]),
        ] {
            let said = said(imports, exports);
            assert!(parts.iter().all(|part| said.contains(part)) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn what_is_no_component() {
        for (bytes, part) in [
            (&b""[..], "unexpected end"),
            (b"text", "magic"),
            (b"\0asm\x01\0\0\0", "it is a core module"),
            (b"\0asm\x0d\0\x01", "unexpected end"),
        ] {
            match Wants::read(bytes) {
                Err(Misfit::Form(said)) => assert!(said.contains(part), "{bytes:?}: {said}"),
                other => panic!("{bytes:?}: {other:?}"),
            }
        }
        assert_eq!(Wants::read(b"\0asm\x0d\0\x01\0").unwrap(), Wants::default());
    }

    /// Each import is paid for by each instance.
    #[test]
    fn what_is_built_in_imports_nothing_that_it_never_calls() {
        let (engine, _) = engine::build(&Limits::default(), 0).unwrap();
        let policies = module::policies().map(|name| module::built_in_policy(&engine, name).unwrap());
        for component in policies.chain([module::built_in(&engine).unwrap()]) {
            let imports = Wants::of(&engine, &component).imports;
            let of_std = |name: &&String| name.starts_with("wasi:");
            for import in imports.iter().filter(of_std) {
                let called = ["wasi:cli/stderr@", "wasi:clocks/", "wasi:io/error@", "wasi:io/streams@", "wasi:random/"];
                assert!(called.iter().any(|name| import.starts_with(name)), "{import}");
            }
        }
    }
}
