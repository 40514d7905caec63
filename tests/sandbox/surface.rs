//! Components that need more of an engine than this host's has: each is whole,
//! but for what its name says.

use wasm_encoder::{
    CanonicalFunctionSection, CodeSection, Component, ContType, FieldType, Function, FunctionSection, InstanceSection,
    Instruction, MemorySection, MemoryType, Module, ModuleSection, StorageType, TableSection, TableType, TypeSection,
    ValType,
};
use wasmparser::{Parser, Payload};

use crate::modules::Draft;

/// A registry module with one more core module, of which there are so many
/// instances.
fn component(module: &Module, instances: u32) -> Vec<u8> {
    let registry = Draft::default().component();
    let mut more = Component::new();
    more.section(&ModuleSection(module));
    let mut made = InstanceSection::new();
    for _ in 0..instances {
        made.instantiate(modules_of(&registry), [("", wasm_encoder::ModuleArg::Instance(0)); 0]);
    }
    more.section(&made);
    with(registry, &more)
}

/// A component with more sections at its end.
fn with(mut component: Vec<u8>, more: &Component) -> Vec<u8> {
    component.extend_from_slice(&more.as_slice()[8..]);
    component
}

/// Core modules that a component defines itself.
fn modules_of(component: &[u8]) -> u32 {
    let (mut depth, mut count) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } => {
                count += u32::from(depth == 0);
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    count
}

fn memories(of: &[MemoryType]) -> Module {
    let mut memories = MemorySection::new();
    of.iter().for_each(|memory| {
        memories.memory(*memory);
    });
    let mut module = Module::new();
    module.section(&memories);
    module
}

fn types(fill: impl FnOnce(&mut TypeSection)) -> Module {
    let mut types = TypeSection::new();
    fill(&mut types);
    let mut module = Module::new();
    module.section(&types);
    module
}

fn code(body: &[Instruction<'_>]) -> Module {
    let mut module = types(|types| {
        types.ty().function([], []);
    });
    let (mut functions, mut code, mut function) = (FunctionSection::new(), CodeSection::new(), Function::new([]));
    functions.function(0);
    body.iter().chain([&Instruction::End]).for_each(|instruction| {
        function.instruction(instruction);
    });
    code.function(&function);
    module.section(&functions).section(&code);
    module
}

/// Each with a word of what is said of it.
pub fn all() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    use Instruction::{Drop, I8x16RelaxedSwizzle, V128Const};
    let plain = MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: false, page_size_log2: None };
    let table = TableType {
        element_type: wasm_encoder::RefType::FUNCREF,
        table64: true,
        minimum: 1,
        maximum: None,
        shared: false,
    };
    let wide_table = {
        let mut tables = TableSection::new();
        tables.table(table);
        let mut module = Module::new();
        module.section(&tables);
        module
    };
    let asynchronous = {
        let mut functions = CanonicalFunctionSection::new();
        functions.waitable_set_new();
        let mut more = Component::new();
        more.section(&functions);
        with(Draft::default().component(), &more)
    };
    let record = FieldType { element_type: StorageType::Val(ValType::I32), mutable: false };
    vec![
        ("memory64.wasm", component(&memories(&[MemoryType { memory64: true, ..plain }]), 1), "memory64"),
        ("table64.wasm", component(&wide_table, 1), "memory64"),
        ("shared.wasm", component(&memories(&[MemoryType { shared: true, ..plain }]), 1), "shared memor"),
        ("memories.wasm", component(&memories(&[plain, plain]), 1), "multiple memories"),
        ("garbage.wasm", component(&types(|types| types.ty().struct_([record])), 1), "gc"),
        (
            "stacks.wasm",
            component(
                &types(|types| {
                    types.ty().function([], []);
                    types.ty().cont(&ContType(0));
                }),
                1,
            ),
            "stack switching",
        ),
        ("relaxed.wasm", component(&code(&[V128Const(0), V128Const(0), I8x16RelaxedSwizzle, Drop]), 1), "relaxed SIMD"),
        ("async.wasm", asynchronous, "async"),
        ("crowd.wasm", component(&Module::new(), 65), "exceeds the configured maximum"),
        // Four memories may be in one component, of one page or of many.
        ("many-memories.wasm", component(&memories(&[plain]), 5), "exceeds the configured maximum"),
    ]
}
