//! An auth policy, made from the WIT alone. Who shows a password is whoever
//! the user name says, if the password is in the file `passwords`; the name
//! says as well what is wrong with the policy's answers. Names of repositories
//! say what may be done there.

#![cfg(target_family = "wasm")]

mod attacks;

wit_bindgen::generate!({ path: "../../../wit", world: "auth-policy", generate_all });

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use exports::skerry::registry::auth::{
    Access, Challenge, Client, Credential, Decision, Evidence, Guest, Identity, Known, Outcome, Principal,
};
use skerry::registry::{files, identity::Action, secrets, settings};

struct Rules;
export!(Rules);

/// Questions that this instance was asked.
static ASKED: AtomicU32 = AtomicU32::new(0);

fn count() -> u32 {
    ASKED.fetch_add(1, Ordering::Relaxed) + 1
}

impl Guest for Rules {
    fn check() -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn knows_by() -> Vec<Evidence> {
        match settings::value("knows-by").as_deref() {
            Some("\"trap\"") => panic!("it knows by nothing that can be said"),
            Some("\"flood\"") => vec![Evidence::Basic; 10_000],
            Some("[]") => Vec::new(),
            _ => vec![Evidence::Anything],
        }
    }

    fn authenticate(client: Client, _: Vec<Access>) -> Identity {
        count();
        let (user, password) = match client.credential {
            Credential::None => return Identity::Pass,
            Credential::Basic(pair) => pair,
            Credential::Bearer(_) | Credential::Unknown => return Identity::Challenge,
        };
        let known = files::read("passwords", 1 << 20).unwrap_or_default();
        let known = String::from_utf8_lossy(&known).lines().any(|line| line == password);
        if !known {
            return Identity::Challenge;
        }
        if let Some(known) = attacks::known(&user) {
            return known;
        }
        match user.as_str() {
            "slow-to-know" => thread::sleep(Duration::from_secs(60)),
            "loop-to-know" => turn(),
            _ => {}
        }
        of(user, Vec::new(), Vec::new())
    }

    fn authorize(principal: Option<Principal>, _: Client, accesses: Vec<Access>) -> Decision {
        // One that is counted: a test sees how often it was asked.
        eprintln!("asked by {}", principal.as_ref().map_or("nobody", |principal| &principal.subject));
        let user = principal.map(|principal| principal.subject).unwrap_or_default();
        let asked = count();
        if let Some(decided) = attacks::decided(&user, &accesses) {
            return decided;
        }
        match user.as_str() {
            "loop" => turn(),
            "trap" => panic!("a secret of the policy: {}", secrets::get("key").unwrap_or_default()),
            "sleep" => thread::sleep(Duration::from_secs(60)),
            "memory" => {
                let mut kept: Vec<Vec<u8>> = Vec::new();
                loop {
                    kept.push(std::hint::black_box(vec![1; 1 << 20]));
                }
            }
            "recurse" => {
                recurse(1);
            }
            "flood" => (0..10_000).for_each(|line| eprintln!("\x1b[31mline {line}")),
            "megabytes" => return decision(Outcome::Deny("x".repeat(8 << 20))),
            "long" => return decision(Outcome::Deny("x".repeat(64 << 10))),
            "lines" => return decision(Outcome::Deny("a\r\nSet-Cookie: b\x1b[31m".to_owned())),
            "telltale" => {
                let secret = secrets::get("key").unwrap_or_default();
                eprintln!("the secret is {secret}");
                return decision(Outcome::Deny(format!("the secret is {secret}, the password correct")));
            }
            "counted" => return decision(Outcome::Deny(format!("question {asked}"))),
            "undecided" => return decision(Outcome::Pass),
            _ => {}
        }
        accesses
            .iter()
            .map(|access| one(&user, access))
            .find(|said| !matches!(said, Outcome::Allow))
            .map_or_else(|| decision(Outcome::Allow), decision)
    }

    fn challenges(_: Client, accesses: Vec<Access>, insufficient: bool, authority: Option<String>) -> Vec<Challenge> {
        let mut parameters = vec![("realm".to_owned(), "the \"realm\"".to_owned())];
        let asked = count();
        if insufficient {
            parameters.push(("error".to_owned(), "insufficient_scope".to_owned()));
        }
        let asks = |name: &str| accesses.iter().any(|access| access.repository.as_deref() == Some(name));
        if asks("split-challenge") {
            parameters.push(("scope".to_owned(), "a\"\r\nSet-Cookie: b".to_owned()));
        }
        if asks("counted") {
            parameters.push(("question".to_owned(), asked.to_string()));
        }
        if asks("called") {
            parameters.extend(authority.map(|authority| ("authority".to_owned(), authority)));
        }
        let scheme = if asks("no-scheme") { "Basic realm=\"a\"\r\nx: y" } else { "Basic" };
        if asks("long-challenge") {
            parameters.push(("scope".to_owned(), "x".repeat(64 << 10)));
        }
        let count = if asks("flood-challenge") { 100 } else { 1 };
        vec![Challenge { scheme: scheme.to_owned(), parameters }; count]
    }
}

/// What may be done in a repository: in `public/…` everybody pulls, in
/// `NAME/…` NAME does everything, `hidden/…` is there for `admin` alone, and
/// to `scoped/…` it takes more than anybody has.
fn one(user: &str, access: &Access) -> Outcome {
    let Some(repository) = &access.repository else { return Outcome::Allow };
    let owner = repository.split('/').next().unwrap_or_default();
    match owner {
        _ if user == "admin" || owner == user => Outcome::Allow,
        "public" if matches!(access.action, Action::Pull) => Outcome::Allow,
        "hidden" => Outcome::Hide,
        "scoped" => Outcome::Challenge,
        _ => Outcome::Deny(format!("{user} is not {owner}")),
    }
}

fn of(subject: String, groups: Vec<String>, claims: Vec<(String, String)>) -> Identity {
    Identity::Known(Known { principal: Principal { subject, groups, claims }, lifetime: lifetime() })
}

fn decision(outcome: Outcome) -> Decision {
    Decision { outcome, lifetime: lifetime() }
}

fn lifetime() -> Option<u64> {
    settings::value("lifetime").and_then(|text| text.parse().ok())
}

fn turn() {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

fn recurse(depth: u64) -> u64 {
    if std::hint::black_box(depth) == 0 { 0 } else { 1 + std::hint::black_box(recurse(depth + 1)) }
}
