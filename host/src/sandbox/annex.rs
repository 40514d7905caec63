//! Where instances are that may wait for a body and find no slot in the pool
//! that they could keep meanwhile: each has memory and a stack of its own, for
//! as long as it lives.
//!
//! Room for all that may ever wait would be made at every start, and rarely
//! be used; this is made when the first has need of it.

use tokio::sync::OnceCell;
use wasmtime::{Engine, Result, component::Linker};

use super::{engine, engine::Ticker, imports, module, module::Linked, state::State};

/// An engine with no pool, once there is one.
#[derive(Default)]
pub struct Annex(OnceCell<Unpooled>);

#[derive(Clone)]
struct Unpooled {
    engine: Engine,
    linker: Linker<State>,
}

/// A module as the annex has it, once it does.
#[derive(Default)]
pub struct Annexed(OnceCell<Linked>);

impl Annex {
    /// A module, and the engine that it is for.
    ///
    /// # Errors
    /// There is no memory for either.
    pub async fn have<'a>(
        &'a self,
        ticker: &Ticker,
        linked: &Linked,
        annexed: &'a Annexed,
    ) -> Result<(&'a Engine, &'a Linked)> {
        let Unpooled { engine, linker } = self.0.get_or_try_init(async || Unpooled::new(ticker)).await?;
        let make = async || {
            let component = linked.pre.instance_pre().component().clone();
            let (engine, linker) = (engine.clone(), linker.clone());
            // Its code is copied: some megabytes.
            tokio::task::spawn_blocking(move || {
                let copy = module::copy(&engine, &component)?;
                module::link(&engine, &linker, &copy, "").map_err(wasmtime::Error::new)
            })
            .await?
        };
        Ok((engine, annexed.0.get_or_try_init(make).await?))
    }
}

impl Unpooled {
    fn new(ticker: &Ticker) -> Result<Self> {
        tracing::debug!("the pool has no slot left for who waits for a body: others are beside it");
        let engine = engine::unpooled()?;
        ticker.advance_too(&engine);
        let linker = imports::linker(&engine)?;
        Ok(Self { engine, linker })
    }
}
