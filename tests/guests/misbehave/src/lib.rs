//! A registry module that does, by path, what no module should. Each path is
//! one misbehaviour, and `tests/` holds the test that names the guard which
//! ends it. `/well` behaves, so that a test can see others being served.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "registry", generate_all });

/// Unpredictable numbers, as modules get them.
mod wasi {
    wit_bindgen::generate!({
        inline: "
            package skerry:misbehave-randomness;

            world randomness {
                import wasi:random/random@0.2.0;
            }

            package wasi:random@0.2.0 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
            }
        ",
        world: "skerry:misbehave-randomness/randomness",
        generate_all,
    });
}

use std::{
    collections::HashMap,
    io::Read,
    time::{Duration, Instant, SystemTime},
};

use exports::skerry::registry::handler::{Content, Guest, HostAnswer, HostFailure, Progress, Response, Slice, Task};
use skerry::registry::{
    body, request,
    storage::{self, Change},
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
        match path.as_str() {
            "/well" => text(200, "well"),
            "/tls" => text(200, &format!("{:#?}", request::tls())),
            "/loop" => {
                let mut turns = 0_u64;
                loop {
                    turns = std::hint::black_box(turns.wrapping_add(1));
                }
            }
            "/calls" => loop {
                request::method();
            },
            "/memory" => {
                let mut kept: Vec<Vec<u8>> = Vec::new();
                loop {
                    kept.push(std::hint::black_box(vec![1; 1 << 20]));
                }
            }
            "/trap" => panic!("a secret of the module: {}", 42),
            "/recurse" => text(200, &recurse(1).to_string()),
            "/log" => {
                for line in 0..10_000 {
                    eprintln!("\x1b[31mline {line}\x07 of a flood");
                }
                text(200, "logged")
            }
            "/status-99" => text(99, ""),
            "/status-1000" => text(1000, ""),
            "/split" => answer(200, &[("x", "a\r\nset-cookie: b")], Content::Empty),
            "/length" => answer(200, &[("content-length", "5")], Content::Empty),
            "/fields" => answer(200, &vec![("x", "y"); 2000], Content::Empty),
            "/huge" => answer(200, &[], Content::Bytes(vec![b'x'; 20 << 20])),
            "/body-204" => answer(204, &[], Content::Bytes(b"x".to_vec())),
            "/beyond" => {
                let key = "beyond/object".to_owned();
                let put = storage::commit(&[], &[Change::Put((key, b"five!".to_vec()))]);
                match put {
                    Ok(()) => slice("beyond/object", 3, 3),
                    Err(failure) => text(500, &format!("{failure:?}")),
                }
            }
            "/absent" => slice("no/such/object", 0, 1),
            "/escape" => {
                let keys = [
                    "../x",
                    "/etc/passwd",
                    "a/../../x",
                    "a//b",
                    "a/./b",
                    "a\0b",
                    "",
                    ".skerry/x",
                    "a\\b",
                    &"x".repeat(300),
                ];
                let read = keys.iter().filter(|key| storage::read(key, 1 << 20).is_ok());
                let written = keys
                    .iter()
                    .filter(|key| storage::commit(&[], &[Change::Put(((**key).to_owned(), b"x".to_vec()))]).is_ok());
                text(200, &format!("{} {}", read.count(), written.count()))
            }
            "/link" => text(200, &format!("{:?}", storage::read("planted/link", 1 << 20).is_ok())),
            "/fifo" => text(200, &format!("{:?}", storage::read("planted/fifo", 1 << 20).is_ok())),
            "/read-all" => text(200, &format!("{:?}", storage::read("planted/sparse", u64::MAX))),
            "/wait" => match body::read(1 << 20) {
                Ok(bytes) => text(200, &format!("{} bytes", bytes.len())),
                Err(failure) => text(400, &format!("{failure:?}")),
            },
            "/twice" => {
                let first = body::read(1 << 20).is_ok();
                let second = body::read(1 << 20).is_ok();
                text(200, &format!("{first} {second}"))
            }
            "/forge" => match Upload::temporary() {
                Ok(upload) => {
                    let received = upload.append(None, None);
                    let forged = format!("sha256:{}", "0".repeat(64));
                    let done = upload.finish("forged/object", &forged, &[], &[]);
                    text(200, &format!("{} {done:?}", received.is_ok()))
                }
                Err(failure) => text(500, &format!("{failure:?}")),
            },
            "/uploads" => {
                let mut kept = Vec::new();
                loop {
                    match Upload::temporary() {
                        Ok(upload) => kept.push(upload),
                        Err(failure) => break text(200, &format!("{} {failure:?}", kept.len())),
                    }
                }
            }
            "/credentials" => {
                let shown = request::header("authorization").len() + request::header("Cookie").len();
                text(200, &shown.to_string())
            }
            path => match path.strip_prefix("/remember/") {
                Some(what) => remember(what),
                None => text(404, "no such misbehaviour"),
            },
        }
    }

    fn failure_answer(kind: HostFailure) -> HostAnswer {
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        HostAnswer { headers, body: format!("the host says {kind:?}").into_bytes() }
    }

    fn tend(_: Task, _: Option<String>, _: u32) -> Result<Progress, String> {
        Err("this module tends nothing".to_owned())
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

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let kept = std::hint::black_box([depth; 64]);
    recurse(kept[0] + 1) + kept[63]
}
