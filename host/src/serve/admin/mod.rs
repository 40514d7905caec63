//! The admin endpoint: what it is asked, and where it listens.
//!
//! JSON over HTTP/1.1:
//!
//! | request | what it does |
//! |---|---|
//! | `GET /v1/modules` | says what is in force: where from, SHA-256, world, since when |
//! | `POST /v1/reload` | reads everything anew, as SIGHUP does |
//! | `PUT /v1/registry` | puts another registry module in force |
//! | `PUT /v1/policies/NAME` | the same for a policy of the configuration |
//!
//! The body of a `PUT` is the module (`application/wasm`), or where it lies on
//! this machine (`application/json`: `{"file": "/path"}`). A success says what
//! is in force now; 422 says why nothing has changed.

mod socket;
mod tls;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};

use super::{
    ServeError, bind, map,
    modules::{InForce, Modules},
};
use crate::{
    config::Config,
    sandbox::LoadError,
    server::{Command, Commands, Door, Shutdown, control},
};

const BY: &str = "the admin endpoint";

/// What listens already, and is answered once there is something to answer.
pub struct Doors {
    doors: Vec<Door>,
    tasks: JoinSet<()>,
    _socket: Option<socket::Place>,
}

impl Doors {
    /// Opens those that are configured; mostly none.
    ///
    /// # Errors
    /// A socket or an address that cannot be listened on, certificates that
    /// cannot be used.
    pub fn open(config: &Config) -> Result<Self, ServeError> {
        let mut opened = Self { doors: Vec::new(), tasks: JoinSet::new(), _socket: None };
        if let Some(path) = &config.admin.socket {
            let wrong = |cause| ServeError::AdminSocket { path: path.display().to_string(), cause };
            let (listener, place) = socket::listen(path).map_err(wrong)?;
            tracing::info!(admin_socket = %path.display(), "admin endpoint");
            opened.doors.push(Door::Unix(listener));
            opened._socket = Some(place);
        }
        if let Some(remote) = &config.admin.remote {
            let source = tls::source(remote, &mut opened.tasks)?;
            for listener in bind(&remote.listen)? {
                if let Ok(address) = listener.local_addr() {
                    tracing::info!(admin_address = %address, "admin endpoint");
                }
                opened.doors.push(Door::Tls(listener, Arc::clone(&source)));
            }
        }
        Ok(opened)
    }

    /// Answers until `shutdown` stops, or what is returned is dropped.
    pub fn answer(mut self, modules: &Arc<Modules>, shutdown: &Shutdown) -> Answering {
        for door in self.doors.drain(..) {
            let desk = Arc::new(Desk(Arc::clone(modules)));
            self.tasks.spawn(control(door, desk, shutdown.clone()));
        }
        Answering(self)
    }
}

/// Doors that are answered.
pub struct Answering(#[expect(dead_code, reason = "held")] Doors);

struct Desk(Arc<Modules>);

/// A module that lies on this machine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lying {
    file: PathBuf,
}

#[async_trait]
impl Commands for Desk {
    async fn run(&self, command: Command) -> (StatusCode, Value) {
        let parts: Vec<&str> = command.path.split('/').skip(1).collect();
        match (&command.method, parts.as_slice()) {
            (&Method::GET, ["v1", "modules"]) => (StatusCode::OK, self.0.status().await.json()),
            (&Method::POST, ["v1", "reload"]) => match self.0.reload(BY).await {
                Ok(()) => (StatusCode::OK, self.0.status().await.json()),
                Err(sentences) => refused(&sentences.join("; ")),
            },
            (&Method::PUT, ["v1", "registry"]) => match module(&command) {
                Ok(bytes) => swapped(self.0.swap_registry(bytes, BY).await.map_err(Some)),
                Err(answer) => answer,
            },
            (&Method::PUT, ["v1", "policies", name]) => match module(&command) {
                Ok(bytes) => swapped(self.0.swap_policy(name, bytes, BY).await),
                Err(answer) => answer,
            },
            (_, ["v1", "modules" | "reload" | "registry"] | ["v1", "policies", _]) => {
                (StatusCode::METHOD_NOT_ALLOWED, json!({"error": "not by this method"}))
            }
            _ => (StatusCode::NOT_FOUND, json!({"error": "there is no such thing here"})),
        }
    }
}

/// The bytes of a module that was sent or named.
fn module(command: &Command) -> Result<Vec<u8>, (StatusCode, Value)> {
    match command.media_type.as_str() {
        "application/wasm" => Ok(command.body.to_vec()),
        "application/json" => {
            let wrong = |error: serde_json::Error| (StatusCode::BAD_REQUEST, json!({"error": error.to_string()}));
            let Lying { file } = serde_json::from_slice(&command.body).map_err(wrong)?;
            block_in_place(|| map::module(&file))
                .map_err(|cause| refused(&LoadError::Read { path: file.display().to_string(), cause }.to_string()))
        }
        _ => {
            let error = "a module is application/wasm, or application/json that says where its `file` lies";
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, json!({"error": error})))
        }
    }
}

fn swapped(outcome: Result<InForce, Option<String>>) -> (StatusCode, Value) {
    match outcome {
        Ok(module) => (StatusCode::OK, module.json()),
        Err(Some(sentence)) => refused(&sentence),
        Err(None) => (StatusCode::NOT_FOUND, json!({"error": "the configuration has no policy of this name"})),
    }
}

fn refused(sentence: &str) -> (StatusCode, Value) {
    (StatusCode::UNPROCESSABLE_ENTITY, json!({"error": sentence}))
}
