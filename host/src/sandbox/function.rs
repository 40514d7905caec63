//! One function that a component exports.
//!
//! What bindgen makes of a world looks up and checks all functions of it
//! whenever an instance begins; most instances are called once.

use wasmtime::{
    Result, Store,
    component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower},
};

/// Where it is.
pub struct Function(ComponentExportIndex);

impl Function {
    /// One of an interface, which is named with its version.
    pub fn of(component: &Component, interface: &str, name: &str) -> Result<Self> {
        let found = component.get_export_index(None, interface);
        found
            .and_then(|interface| component.get_export_index(Some(&interface), name))
            .map(Self)
            .ok_or_else(|| wasmtime::format_err!("no function {name} in {interface}"))
    }

    /// Calls that of an instance.
    pub async fn call<T: Send, P, R>(&self, instance: &Instance, store: &mut Store<T>, arguments: P) -> Result<R>
    where
        P: ComponentNamedList + Lower,
        (R,): ComponentNamedList + Lift + 'static,
    {
        let function = instance.get_typed_func::<P, (R,)>(&mut *store, &self.0)?;
        let (answer,) = function.call_async(store, arguments).await?;
        Ok(answer)
    }
}
