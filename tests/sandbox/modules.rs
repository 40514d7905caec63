//! Components that no compiler makes: a core module written here instruction
//! by instruction, in the world's own clothes.

use std::collections::BTreeMap;

use skerry_tests::binary;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, ImportSection, Instruction, MemorySection, MemoryType, Module, RefType, StartSection,
    TableSection, TableType, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{
    Resolve, WorldItem,
    abi::{AbiVariant, WasmType},
};

/// Where `handle` leaves its answer, 200 with no body, and where the others
/// leave theirs: nothing but zeros.
const ANSWER: i32 = 1024;
const ZEROS: i32 = 2048;

type Code = Vec<Instruction<'static>>;

/// What is in it.
pub struct Draft {
    /// The world that it is of.
    pub world: &'static str,
    /// Run when an instance is made.
    pub start: Option<Code>,
    /// Before `handle` answers.
    pub handle: Code,
    /// After `handle` has answered.
    pub after: Option<Code>,
    /// Pages of memory, and elements of a table, to begin with.
    pub pages: u64,
    pub elements: u64,
    /// A package, and an interface in it with a function `seize`, that it
    /// imports.
    pub import: Option<(&'static str, &'static str)>,
    /// An interface of the world and a function in it that takes so many
    /// numbers: function 0 of the module.
    pub calls: Option<(&'static str, &'static str, usize)>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            world: "registry",
            start: None,
            handle: Vec::new(),
            after: None,
            pages: 1,
            elements: 1,
            import: None,
            calls: None,
        }
    }
}

/// Code that goes on for ever.
pub fn endless(body: impl IntoIterator<Item = Instruction<'static>>) -> Code {
    let head = [Instruction::Loop(wasm_encoder::BlockType::Empty)];
    let tail = [Instruction::Br(0), Instruction::End];
    head.into_iter().chain(body).chain(tail).collect()
}

impl Draft {
    /// The component.
    pub fn component(self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let (registry, _) = resolve.push_path(binary::workspace().join("wit")).unwrap();
        let (package, world) = match self.import {
            None => (registry, self.world.to_owned()),
            Some((package, interface)) => {
                let text = format!(
                    "package {package};\ninterface {interface} {{ seize: func(); }}\n\
                     world more {{ import {interface}; include skerry:registry/{}@0.1.0; }}\n",
                    self.world
                );
                (resolve.push_str("more.wit", &text).unwrap(), "more".to_owned())
            }
        };
        self.encoded(&resolve, package, &world)
    }

    fn encoded(self, resolve: &Resolve, package: wit_parser::PackageId, world: &str) -> Vec<u8> {
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let exports = exports(resolve, world);
        let mut module = self.module(&exports);
        wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    fn module(self, exports: &BTreeMap<String, Vec<ValType>>) -> Vec<u8> {
        let (mut types, mut imports, mut functions, mut tables, mut memories) =
            <(TypeSection, ImportSection, FunctionSection, TableSection, MemorySection)>::default();
        let (mut named, mut elements, mut code, mut data) =
            <(ExportSection, ElementSection, CodeSection, DataSection)>::default();
        let mut next = 0;
        // Type 0: no parameter, no result.
        types.ty().function([], []);
        if let Some((package, interface)) = self.import {
            let (name, version) = package.split_once('@').unwrap();
            imports.import(&format!("{name}/{interface}@{version}"), "seize", EntityType::Function(0));
            next += 1;
        }
        if let Some((interface, function, params)) = self.calls {
            types.ty().function(vec![ValType::I32; params], []);
            imports.import(interface, function, EntityType::Function(1));
            next += 1;
        }
        let mut add = |params: &[ValType], results: &[ValType], body: Code| {
            let kind = types.len();
            types.ty().function(params.iter().copied(), results.iter().copied());
            functions.function(kind);
            let mut function = Function::new([]);
            body.iter().chain([&Instruction::End]).for_each(|instruction| {
                function.instruction(instruction);
            });
            code.function(&function);
            next += 1;
            next - 1
        };
        for (name, params) in exports {
            let handles = name.ends_with("#handle");
            let mut body = if handles { self.handle.clone() } else { Vec::new() };
            if handles && self.import.is_some() {
                body.insert(0, Instruction::Call(0));
            }
            body.push(Instruction::I32Const(if handles { ANSWER } else { ZEROS }));
            let at = add(params, &[ValType::I32], body);
            named.export(name, ExportKind::Func, at);
            if handles && let Some(after) = &self.after {
                let at = add(&[ValType::I32], &[], after.clone());
                named.export(&format!("cabi_post_{name}"), ExportKind::Func, at);
            }
        }
        // Whatever the host has to say goes where nothing else is.
        let realloc = add(&[ValType::I32; 4], &[ValType::I32], vec![Instruction::I32Const(4096)]);
        named.export("cabi_realloc", ExportKind::Func, realloc);
        let start = self.start.map(|body| add(&[], &[], body));
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: self.elements,
            maximum: None,
            shared: false,
        });
        memories.memory(MemoryType {
            minimum: self.pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        named.export("memory", ExportKind::Memory, 0);
        elements.declared(wasm_encoder::Elements::Functions(vec![realloc].into()));
        data.active(0, &ConstExpr::i32_const(ANSWER), 200_u16.to_le_bytes());
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&tables)
            .section(&memories)
            .section(&named);
        if let Some(function_index) = start {
            module.section(&StartSection { function_index });
        }
        module.section(&elements).section(&code).section(&data);
        module.finish()
    }
}

/// A component of a world that is none of ours, by the text of its package.
pub fn stranger(text: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("stranger.wit", text).unwrap();
    Draft::default().encoded(&resolve, package, world)
}

/// A component whose code is wrong, which is seen when it is compiled.
pub fn ill_typed() -> Vec<u8> {
    let mut bytes = Draft::default().component();
    // The answer's address as a number of 64 bits.
    let address = [0x41, 0x80, 0x08, 0x0b];
    let at = bytes.windows(address.len()).position(|part| part == address).unwrap();
    bytes[at] = 0x42;
    bytes
}

/// A component of a world with a function that no compiler is done with soon:
/// a million instructions in `blocks` loops.
pub fn bomb(world: &'static str, blocks: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for block in 0..blocks {
        body.push(Instruction::Loop(wasm_encoder::BlockType::Empty));
        for _ in 0..20 {
            let at = i32::try_from(block % 1000).unwrap() * 4;
            body.extend([
                Instruction::I32Const(at),
                Instruction::I32Const(at),
                Instruction::I32Load(wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 }),
                Instruction::I32Const(1),
                Instruction::I32Add,
                Instruction::I32Store(wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 }),
            ]);
        }
        body.extend([Instruction::I32Const(0), Instruction::BrIf(0), Instruction::End]);
    }
    Draft { world, start: Some(body), ..Draft::default() }.component()
}

/// What the world exports: names and parameters. Each gives back a pointer.
fn exports(resolve: &Resolve, world: wit_parser::WorldId) -> BTreeMap<String, Vec<ValType>> {
    let mut found = BTreeMap::new();
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { panic!("the world exports no more than interfaces") };
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let params = signature.params.iter().map(|kind| match kind {
                WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
                WasmType::F32 => ValType::F32,
                WasmType::F64 => ValType::F64,
                WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
            });
            found.insert(format!("{}#{}", resolve.name_world_key(key), function.name), params.collect());
        }
    }
    found
}

/// What precompiled code looks like from outside: an ELF file for this very
/// machine, with the name of its section of code.
pub fn precompiled() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\xc8\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
    bytes.resize(64, 0);
    bytes.extend_from_slice(b".wasmtime.engine\0.text\0");
    bytes.resize(4096, 0xcc);
    bytes
}
