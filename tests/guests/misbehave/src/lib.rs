//! A registry module that does, by path, what no module should. Each path is
//! one misbehaviour (`behaviour.rs`), and `tests/sandbox` has the row that names
//! the guard which ends it. `/well` behaves, so that a test can see others
//! being served.

#![cfg(target_family = "wasm")]

mod attacks;
mod behaviour;
mod elsewhere;
mod realloc;

wit_bindgen::generate!({ path: "../../../wit", world: "registry", generate_all });

/// Random numbers and waiting, as modules get them.
mod wasi {
    wit_bindgen::generate!({
        inline: "
            package skerry:misbehave-wasi;

            world more {
                import wasi:random/random@0.2.0;
                import wasi:clocks/monotonic-clock@0.2.0;
            }

            package wasi:random@0.2.0 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
            }

            package wasi:io@0.2.0 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                        block: func();
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }

            package wasi:clocks@0.2.0 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.0.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    resolution: func() -> duration;
                    subscribe-instant: func(when: instant) -> pollable;
                    subscribe-duration: func(when: duration) -> pollable;
                }
            }
        ",
        world: "skerry:misbehave-wasi/more",
        generate_all,
    });
}

use std::{
    collections::HashMap,
    io::Read,
    time::{Duration, Instant, SystemTime},
};

use behaviour::Behaviour;
use exports::skerry::registry::handler::{Content, Guest, HostAnswer, HostFailure, Progress, Response, Slice, Task};
use skerry::registry::{
    admission, body, request,
    storage::{self, Change},
    storage_policy_types::{Event, Happening, Manifest, Ruling},
    uploads::Upload,
};

struct Module;
export!(Module);

fn answer(status: u16, headers: &[(&str, &str)], body: Content) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body, notes: Vec::new() }
}

fn text(status: u16, text: &str) -> Response {
    answer(status, &[("content-type", "text/plain")], Content::Bytes(text.as_bytes().to_vec()))
}

fn slice(key: &str, offset: u64, length: u64) -> Response {
    answer(200, &[], Content::Slice(Slice { key: key.to_owned(), offset, length }))
}

impl Guest for Module {
    fn handle() -> Response {
        let path = request::path();
        if let Some(behaviour) = Behaviour::ALL.iter().find(|one| path.strip_prefix('/') == Some(one.name())) {
            return attacks::run(*behaviour);
        }
        match path.as_str() {
            "/well" => text(200, "well"),
            "/tls" => text(200, &format!("{:#?}", request::tls())),
            // It tells policies nothing of what it stores.
            "/ask" => text(200, &ask()),
            // It does not look at the body.
            "/early" => text(200, "early"),
            "/wait" => match body::read(1 << 20) {
                Ok(bytes) => text(200, &format!("{} bytes", bytes.len())),
                Err(failure) => text(400, &format!("{failure:?}")),
            },
            path => match path.strip_prefix("/remember/") {
                Some(what) => remember(what),
                None => with_key(path),
            },
        }
    }

    fn failure_answer(kind: HostFailure) -> HostAnswer {
        elsewhere::failure_answer(kind)
    }

    fn tend(_: Task, cursor: Option<String>, _: u32) -> Result<Progress, String> {
        elsewhere::tend(cursor)
    }
}

/// What is done with the key that is the rest of the path.
fn with_key(path: &str) -> Response {
    let Some((what, key)) = path.strip_prefix('/').and_then(|rest| rest.split_once('/')) else {
        return text(404, "no such misbehaviour");
    };
    match what {
        "read" => text(
            200,
            &format!("{:?}", storage::read(key, 1 << 20).map(|read| String::from_utf8_lossy(&read).into_owned())),
        ),
        "write" => {
            text(200, &format!("{:?}", storage::commit(&[], &[Change::Put((key.to_owned(), b"written".to_vec()))])))
        }
        "whole" => match storage::stat(key) {
            Ok(found) => slice(key, 0, found.size),
            Err(failure) => text(404, &format!("{failure:?}")),
        },
        "resume" => text(200, &format!("{:?}", Upload::resume(key).map(|upload| upload.offset()))),
        // Receives the body into an upload there, and makes it an object.
        "upload" => match Upload::create(key, &[]) {
            Ok(upload) => {
                let done = upload.append(None, None).and_then(|_| upload.digest("sha256"));
                let done = done.and_then(|digest| upload.finish(&format!("done/{key}"), &digest, &[], &[]));
                text(200, &format!("{done:?}"))
            }
            Err(failure) => text(503, &format!("{failure:?}")),
        },
        _ => text(404, "no such misbehaviour"),
    }
}

/// Answers that depend on one thing each.
fn remember(what: &str) -> Response {
    match what {
        "nothing" => text(200, "nothing"),
        "refusal" => text(404, "nothing"),
        "error" => text(503, "nothing"),
        "notes" => Response { notes: vec![("event".to_owned(), "seen".to_owned())], ..text(200, "noted") },
        "location" => answer(201, &[("location", "/remember/nothing")], Content::Empty),
        "method" => text(200, &request::method()),
        "query" => text(200, &format!("{:?}", request::query("a"))),
        "header" => text(200, &format!("{:?}", request::header("X-Asked"))),
        "credentials" => {
            let shown = request::header("authorization").len() + request::header("Cookie").len();
            text(200, &shown.to_string())
        }
        "peer" => text(200, &request::peer_address()),
        "tls" => text(200, &format!("{:?}", request::tls())),
        "length" => text(200, &format!("{:?}", body::length())),
        "body" => text(200, &format!("{:?}", body::read(1 << 10))),
        "clock" => text(200, &format!("{:?}", SystemTime::now())),
        "monotonic" => text(200, &format!("{:?}", Instant::now())),
        "random" => text(200, &wasi::wasi::random::random::get_random_u64().to_string()),
        "hash-map" => {
            let map: HashMap<u32, u32> = (0..100).map(|n| (n, n)).collect();
            text(200, &format!("{:?}", map.keys().collect::<Vec<_>>()))
        }
        "sleep" => {
            std::thread::sleep(Duration::from_millis(1));
            text(200, "slept")
        }
        "log" => {
            eprintln!("a line of the module");
            text(200, "logged")
        }
        "stdin" => text(200, &format!("{:?}", std::io::stdin().read(&mut [0; 8]))),
        "environment" => text(200, &format!("{:?}", std::env::vars().collect::<Vec<_>>())),
        "files" => text(200, &format!("{:?}", std::fs::read("/object").is_ok())),
        "read" => text(200, &format!("{:?}", storage::read("r/object", 1 << 10))),
        "stat" => text(200, &format!("{:?}", storage::stat("r/object").map(|found| found.size))),
        "page" => text(200, &format!("{:?}", storage::page("r", None, 100).map(|page| page.entries.len()))),
        "too-large" => text(200, &format!("{:?}", storage::read("r/object", 1))),
        "slice" => match storage::stat("r/object") {
            Ok(found) => slice("r/object", 0, found.size),
            Err(failure) => text(404, &format!("{failure:?}")),
        },
        "blind-slice" => slice("r/object", 0, 3),
        "write" => {
            let put = storage::commit(&[], &[Change::Put(("w/object".to_owned(), b"x".to_vec()))]);
            text(200, &format!("{put:?}"))
        }
        "upload" => text(200, &format!("{:?}", Upload::temporary().map(|upload| upload.offset()))),
        "many" => {
            let found = (0..65).filter(|n| storage::stat(&format!("r/{n}")).is_ok());
            text(200, &found.count().to_string())
        }
        "large" => answer(200, &[], Content::Bytes(vec![b'x'; 2 << 20])),
        // What it is told decides what it asks next.
        "tree" => match request::query("by").first().map(String::as_str) {
            Some("header") => text(200, &format!("{:?}", request::header("X-Asked"))),
            Some("storage") => text(200, &format!("{:?}", storage::read("r/object", 1 << 10))),
            _ => text(200, "by nothing"),
        },
        _ => text(404, "no such dependence"),
    }
}

/// Puts a manifest to the policies that has them ask for figures.
fn ask() -> String {
    let pushed = Manifest {
        digest: String::new(),
        media_type: String::new(),
        artifact_type: None,
        size: 0,
        subject: None,
        annotations: vec![("ask".to_owned(), "usage a".to_owned())],
        tags: Vec::new(),
        content: Vec::new(),
    };
    let event = Event { repository: "a".to_owned(), action: Happening::ManifestPush(pushed) };
    match admission::admit(&event) {
        Ruling::Deny(denial) => denial.message,
        other => format!("{other:?}"),
    }
}
