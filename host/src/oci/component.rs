//! What a component asks for and offers, as its artifact tells.

use wasmparser::{Parser, Payload};

/// Names of one kind that are told.
const MOST: usize = 1000;

/// The names of the interfaces of a component.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

impl Interfaces {
    /// Reads them, and nothing of what is inside.
    ///
    /// # Errors
    /// That it is no component.
    pub fn of(module: &[u8]) -> Result<Self, String> {
        let wrong = |cause: wasmparser::BinaryReaderError| format!("it is no WebAssembly component: {cause}");
        if !Parser::is_component(module) {
            return Err("it is no WebAssembly component in its binary form".to_owned());
        }
        let mut found = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(wrong)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth = depth.saturating_add(1),
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section.into_iter().take(MOST) {
                        found.imports.push(import.map_err(wrong)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section.into_iter().take(MOST) {
                        found.exports.push(export.map_err(wrong)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
