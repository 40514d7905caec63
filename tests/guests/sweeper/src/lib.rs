//! A retention policy, made from the WIT alone. Of a repository it lets the
//! first tag go, unless the last part of the repository's name is one of the
//! ways to misbehave.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "retention-policy", generate_all });

use std::{hint::black_box, process, thread, time::Duration};

use exports::skerry::registry::{
    retention::{self, Departure, TagFacts},
    storage_rules::{self, Concern, Event, Principal, Ruling},
};
use skerry::registry::{facts, types::Failure};
use skerry_libc as _;

struct Sweeper;
export!(Sweeper);

impl storage_rules::Guest for Sweeper {
    fn check() -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn concerns() -> Vec<Concern> {
        Vec::new()
    }

    fn admit(_: Option<Principal>, _: Event) -> Ruling {
        Ruling::Allow(Vec::new())
    }
}

impl retention::Guest for Sweeper {
    fn retain(repository: String, tags: Vec<TagFacts>, _: u64, _: u64) -> Result<Vec<Departure>, String> {
        let first = || gone(tags.first().map_or("", |tag| &tag.tag), "it is the first");
        match repository.rsplit('/').next().unwrap_or_default() {
            "keeps" => Ok(Vec::new()),
            "loop" => turn(),
            "sleep" => {
                thread::sleep(Duration::from_secs(600));
                Ok(vec![first()])
            }
            "memory" => {
                let mut kept: Vec<Vec<u8>> = Vec::new();
                loop {
                    kept.push(black_box(vec![1; 1 << 20]));
                }
            }
            "recurse" => Ok(vec![gone(&recurse(1).to_string(), "")]),
            "trap" => panic!("it gives up"),
            "exit" => process::exit(0),
            "error" => Err("it\r\ncannot \x1b[31mtell".to_owned()),
            // Of other repositories, and of none.
            "strangers" => Ok(vec![first(), gone("never-pushed", "")]),
            "others" => Ok(vec![gone("victim/app:v1", ""), gone("../victim/app:v1", "")]),
            "digests" => Ok(tags.iter().map(|tag| gone(&tag.digest, "")).collect()),
            "megabytes" => Ok(vec![gone(&tags[0].tag, &"x".repeat(9 << 20))]),
            "many" => Ok(vec![gone(&tags[0].tag, ""); 1 << 20]),
            "flood" => {
                (0..10_000).for_each(|line| eprintln!("\x1b[31mline {line}"));
                panic!("it has said enough");
            }
            // There is no event, and so nothing that it may look at.
            "facts" => match (facts::usage("victim"), facts::tags(None, 9), facts::manifest("v1")) {
                (Err(Failure::NotFound), Err(Failure::NotFound), Err(Failure::NotFound)) => {
                    Err("it is told nothing".to_owned())
                }
                _ => Ok(tags.iter().map(|tag| gone(&tag.tag, "it was told")).collect()),
            },
            // The same twice, with too long a reason in more than one line.
            "twice" => Ok(vec![gone(&tags[0].tag, &format!("a\r\nb\x1b[31m{}", "x".repeat(1 << 16))); 2]),
            _ => Ok(vec![first()]),
        }
    }
}

fn gone(tag: &str, reason: &str) -> Departure {
    Departure { tag: tag.to_owned(), reason: reason.to_owned() }
}

fn turn() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { 1 + black_box(recurse(depth + 1)) }
}
