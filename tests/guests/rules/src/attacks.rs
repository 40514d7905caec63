//! What a policy tries, by the name of the user that it is asked about; what
//! came of it is the reason that it gives.

use std::{env, fs, io::Read, process};

use crate::{
    Access, Decision, Identity, Outcome, decision, of,
    skerry::registry::{files, secrets, settings},
};

/// As one that says who a client is.
pub fn known(user: &str) -> Option<Identity> {
    let (subject, groups, claims) = match user {
        "nameless" => (String::new(), 0, 0),
        "crowd" => (user.to_owned(), 1_000, 0),
        "split" => ("a\r\nb".to_owned(), 0, 0),
        "long-name" => ("x".repeat(257), 0, 0),
        "claims" => (user.to_owned(), 0, 1_000),
        "large-claim" => (user.to_owned(), 0, 1),
        // Somebody else than whose password it is.
        "liar" => ("admin".to_owned(), 0, 0),
        _ => return None,
    };
    let value = if user == "large-claim" { "x".repeat(64 << 10) } else { "x".to_owned() };
    Some(of(subject, vec!["g".to_owned(); groups], vec![("claim".to_owned(), value); claims]))
}

/// As one that says what a client may do.
pub fn decided(user: &str, accesses: &[Access]) -> Option<Decision> {
    let denied = |said: String| Some(decision(Outcome::Deny(said)));
    match user {
        "calls" => loop {
            std::hint::black_box(settings::value("lifetime"));
        },
        "bytes" => loop {
            let _ = std::hint::black_box(files::read("large", 1 << 20));
        },
        "exit" => process::exit(1),
        "files" => {
            let names = ["../outside", "/etc/passwd", "leaves", "pipe", "sub/../../outside", "", ".", "passwords/x"];
            let read = names.iter().filter(|name| files::read(name, 1 << 20).is_ok()).count();
            denied(format!("{read} of {} files", names.len()))
        }
        "more-than-there-is" => denied(format!("{:?}", files::read("sparse", u64::MAX))),
        "secrets" => {
            let names = ["other", "", "KEY", "key ", "../key", "*"];
            denied(format!("{} secrets", names.iter().filter(|name| secrets::get(name).is_some()).count()))
        }
        "settings" => {
            let paths = ["storage.filesystem.rootdirectory", "http.secret", "policies", "sandbox", "..", "lifetime.x"];
            denied(format!("{} settings", paths.iter().filter(|path| settings::value(path).is_some()).count()))
        }
        "process" => {
            let mut input = Vec::new();
            let read = std::io::stdin().read_to_end(&mut input).unwrap_or(0);
            denied(format!("{} {} {read}", env::vars().count(), env::args().count()))
        }
        "wasi-files" => {
            let read = ["/etc/passwd", "/passwords", "passwords", ".", "/proc/self/environ"];
            let read = read.iter().filter(|path| fs::metadata(path).is_ok()).count();
            denied(format!("{read} files, {}", fs::write("/written", "x").is_ok()))
        }
        "descriptors" => {
            let mut kept = Vec::new();
            loop {
                match fs::File::open("/passwords") {
                    Ok(file) => kept.push(file),
                    Err(error) => return denied(format!("{} open, {:?}", kept.len(), error.kind())),
                }
            }
        }
        "note" => denied(fs::read_to_string("/note").unwrap_or_else(|error| format!("{:?}", error.kind()))),
        "notes" => denied(format!("{:?}", fs::write("/note", "of the policy").map_err(|error| error.kind()))),
        "elsewhere" => {
            let paths = ["/../outside", "/leaves", "/pipe", "/sub/../../outside", "/way/outside"];
            let read = paths.iter().filter(|path| fs::read(path).is_ok()).count();
            #[allow(deprecated)]
            let linked = fs::soft_link("/etc", "/linked").is_ok() || fs::hard_link("/note", "/linked").is_ok();
            denied(format!("{read} files, {linked}"))
        }
        // It says for all time what holds for this one.
        "for-ever" => Some(Decision {
            outcome: match accesses.iter().all(|access| access.repository.as_deref() == Some("some/app")) {
                true => Outcome::Deny("not there".to_owned()),
                false => Outcome::Allow,
            },
            lifetime: Some(u64::MAX),
        }),
        _ => None,
    }
}
