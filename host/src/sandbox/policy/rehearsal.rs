//! A policy by itself, for whoever writes one: it is asked as the host asks,
//! in the same bounds, with settings, files and secrets of the author's
//! choice; and what an answer cost is measured.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value as Json};
use wasmtime::{
    Engine, Store,
    component::{Component, Func, Instance, Linker},
};

use super::{
    exports,
    facts::Facts,
    load::{self, Origin, component},
    one::{ANSWER, patient, refused},
    retain,
    rights::{Rights, Settings, State},
    said::Mask,
    values,
};
use crate::{
    sandbox::{
        compiler::Purpose,
        describe,
        engine::{self, Ticker},
        facts::Given,
        limits::Limits,
        meter,
        module::LoadError,
        wants::Wants,
        worlds::World,
    },
    storage::Grant,
};

/// The seed of its hash maps: answers are to cost the same each time.
const SEED: u128 = 0;

/// A policy that is not asked by requests. There is no registry behind it: what
/// it asks of one, the author has said.
pub struct Rehearsal {
    engine: Engine,
    ticker: Ticker,
    component: Component,
    linker: Linker<State>,
    world: &'static World,
    wants: Wants,
    path: String,
    counts: bool,
    /// How long it took to get the code.
    pub loading: Duration,
}

/// What it has.
pub struct Scene {
    /// What `settings` tells it.
    pub settings: Json,
    /// What `files` reads.
    pub grant: Grant,
    /// What `secrets` tells it.
    pub secrets: Vec<(String, String)>,
    /// What `facts` tells it of an event.
    pub facts: Arc<Given>,
    /// What one question may use of the sandbox.
    pub limits: Limits,
}

/// A scene that questions are put in, each to a fresh instance.
pub struct Stage {
    rights: Arc<Rights>,
    facts: Arc<Given>,
}

/// An answer, and its cost.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it answered, or which guard ended it.
    pub answer: Result<Json, String>,
    /// The last line that it wrote.
    pub said: Option<String>,
    /// Of the clock, with what it takes to begin an instance.
    pub time: Duration,
    /// Of that, what it takes to begin one.
    pub begin: Duration,
    /// WebAssembly instructions, where they are counted.
    pub instructions: Option<u64>,
    /// Bytes of memory at its end.
    pub memory: usize,
}

impl Rehearsal {
    /// Loads a policy; with `count`, such that instructions are counted, which
    /// cannot be done with what is compiled already.
    ///
    /// # Errors
    /// That it is no policy that this host can run.
    pub fn open(origin: Origin, limits: &Limits, count: bool) -> Result<Self, LoadError> {
        let counts = count && origin.is_source();
        let failed = |cause: wasmtime::Error| LoadError::Engine(format!("{cause:#}"));
        let engine = match counts {
            true => engine::counting(),
            // As it will be: what does not fit there does not fit here.
            false => engine::build(&Limits { instances: 1, parked: 0, ..limits.clone() }, 0).map(|(engine, _)| engine),
        };
        let engine = engine.map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|cause| LoadError::Engine(cause.to_string()))?;
        let began = Instant::now();
        let purpose = if counts { Purpose::Count } else { Purpose::Serve };
        let (component, path) = component(&engine, origin, purpose)?;
        let loading = began.elapsed();
        let unfit = |cause: String| LoadError::World { path: path.clone(), cause };
        let wants = Wants::of(&engine, &component);
        let worlds = wants.worlds().map_err(|misfit| unfit(misfit.to_string()))?;
        let policies = worlds.iter().find_map(|world| match world.name {
            "auth-policy" => Some((*world, load::World::Auth)),
            "storage-policy" => {
                // What decides on tags as well has another name.
                let keeper = worlds.iter().find(|world| world.name == "retention-policy");
                Some((*keeper.unwrap_or(world), load::World::Storage))
            }
            _ => None,
        });
        let Some((world, kind)) = policies else { return Err(unfit("is no policy".to_owned())) };
        let linker = kind.linker(&engine).map_err(failed)?;
        let fits = linker.instantiate_pre(&component);
        let fits = fits.and_then(|pre| exports::fitted(pre, kind, world.name == "retention-policy"));
        fits.map_err(|cause| {
            unfit(format!("does not fit the world {}, which is what this host offers: {cause:#}", world.full()))
        })?;
        Ok(Self { engine, ticker, component, linker, world, wants, path, counts, loading })
    }

    /// Of which world it is, such as `auth-policy`.
    pub fn world(&self) -> &'static str {
        self.world.name
    }

    /// Names that it imports and exports.
    pub fn names(&self) -> (&[String], &[String]) {
        (&self.wants.imports, &self.wants.exports)
    }

    /// Its functions.
    pub fn functions(&self) -> Vec<String> {
        let engine = &self.engine;
        let ty = self.component.component_type();
        let exports = ty.exports(engine).filter(|(name, _)| self.exported(name));
        let mut functions = Vec::new();
        for (_, item) in exports {
            if let wasmtime::component::types::ComponentItem::ComponentInstance(instance) = item.ty {
                functions.extend(instance.exports(engine).filter_map(|(name, item)| {
                    let is = matches!(item.ty, wasmtime::component::types::ComponentItem::ComponentFunc(_));
                    is.then(|| name.to_owned())
                }));
            }
        }
        functions
    }

    fn exported(&self, name: &str) -> bool {
        let interface = name.split_once('/').and_then(|(_, rest)| rest.split_once('@')).map(|(interface, _)| interface);
        interface.is_some_and(|interface| self.world.exports.contains(&interface))
    }

    /// Gets a scene ready.
    pub fn stage(&self, scene: Scene) -> Stage {
        let Scene { settings, grant, secrets, facts, limits } = scene;
        let mask = Mask::new(secrets.iter().map(|(_, secret)| secret.as_str()));
        let name = self.path.clone();
        let settings = Settings::new(settings);
        Stage { rights: Arc::new(Rights { name, grant, preopen: None, secrets, settings, limits, mask }), facts }
    }

    /// Asks it: a function by its name, its arguments by theirs.
    ///
    /// # Errors
    /// That there is no such function, or that the arguments are not its own.
    pub async fn ask(&self, stage: &Stage, function: &str, arguments: &Json) -> Result<Asked, String> {
        let Stage { rights, facts } = stage;
        let mut store = Store::new(&self.engine, State::new(rights, &self.ticker, SEED));
        store.limiter(|state| &mut state.allowance);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(meter::on_tick);
        store.set_hostcall_fuel(if function == "retain" { retain::ANSWER } else { ANSWER });
        if self.counts {
            store.set_fuel(u64::MAX).map_err(|cause| cause.to_string())?;
        }
        let began = Instant::now();
        let instance = patient(&rights.limits, self.linker.instantiate_async(&mut store, &self.component)).await;
        let begin = began.elapsed();
        let answer = match instance {
            Ok(instance) => {
                let called = self.find(&instance, &mut store, function)?;
                let values = arguments_of(&called, &store, function, arguments)?;
                // Elsewhere there is no event, and so nothing to ask about.
                let event = arguments.get("event").unwrap_or(&Json::Null);
                store.data_mut().facts = (function == "admit").then(|| Facts::Author(Arc::new(facts.about(event))));
                let mut results = vec![wasmtime::component::Val::Bool(false)];
                let call = called.call_async(&mut store, &values, &mut results);
                patient(&rights.limits, call).await.map(|()| results.first().map_or(Json::Null, values::json))
            }
            Err(cause) => Err(cause),
        };
        let time = began.elapsed();
        let answer = answer.map_err(|cause| describe(&cause));
        let answer = answer.and_then(|answer| refused(function, arguments, &answer).map(|()| answer));
        let instructions = store.get_fuel().ok().filter(|_| self.counts).map(|left| u64::MAX - left);
        let state = store.data();
        let memory = state.allowance.taken(&rights.limits);
        Ok(Asked { answer, said: state.output.last_line(), time, begin, instructions, memory })
    }

    fn find(&self, instance: &Instance, store: &mut Store<State>, function: &str) -> Result<Func, String> {
        for export in self.wants.exports.iter().filter(|name| self.exported(name)) {
            let outer = instance.get_export_index(&mut *store, None, export);
            let index = outer.and_then(|outer| instance.get_export_index(&mut *store, Some(&outer), function));
            if let Some(found) = index.and_then(|index| instance.get_func(&mut *store, index)) {
                return Ok(found);
            }
        }
        let functions = self.functions().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(format!("there is no function `{function}`: this policy has {functions}"))
    }
}

fn arguments_of(
    called: &Func,
    store: &Store<State>,
    function: &str,
    given: &Json,
) -> Result<Vec<wasmtime::component::Val>, String> {
    let none = Map::new();
    let given = match given {
        Json::Null => &none,
        Json::Object(given) => given,
        _ => return Err(format!("`{function}` is to have its arguments by name")),
    };
    let ty = called.ty(store);
    let parameters: Vec<_> = ty.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
    values::known(given, parameters.iter().map(|(name, _)| name.as_str()), function)?;
    let one = |(name, ty): &(String, wasmtime::component::Type)| {
        values::value(ty, given.get(name), &format!("{function}.{name}"))
    };
    parameters.iter().map(one).collect()
}
