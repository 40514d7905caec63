//! Every misbehaviour of the module, by the guard that ends it.

#[path = "../guests/misbehave/src/behaviour.rs"]
mod behaviour;

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc, thread};

use rustix::fs::{CWD, Mode, mkfifoat};
use skerry_tests::{Options, Registry, layout};

pub use behaviour::{Behaviour, Elsewhere};

use crate::guest::{failed, served, start_with};

/// How it ends.
enum End {
    /// By a guard, which the log names: the client sees 500 and no word of why.
    Guard(&'static str),
    /// By an answer: the module was refused what it wanted, and says so.
    Refused(&'static str),
    /// By an answer: what it wanted harms nobody.
    Harmless(&'static str),
}

/// One row for each: without, this does not build.
fn end(behaviour: Behaviour) -> End {
    use End::{Guard, Harmless, Refused};
    match behaviour {
        Behaviour::Loop | Behaviour::ReallocLoops => Guard("guard time"),
        // What WASI does for it counts as its own.
        Behaviour::Clocks | Behaviour::Randoms | Behaviour::Lines => Guard("guard time"),
        Behaviour::Sleep | Behaviour::Naps => Guard("guard wait"),
        Behaviour::Calls => Guard("guard calls"),
        Behaviour::Looks => Guard("guard storage"),
        Behaviour::ReallocCalls => Guard("guard reentrance"),
        Behaviour::ReallocTraps | Behaviour::Trap => Guard("guard trap"),
        Behaviour::ReallocBeyond => Guard("guard call: the guest broke the rules of a call: realloc return"),
        Behaviour::Memory | Behaviour::Grow | Behaviour::Hoard => Guard("guard memory"),
        Behaviour::Bytes => Guard("guard bytes"),
        Behaviour::Recurse => Guard("guard trap: the guest trapped: wasm trap: out of bounds memory access"),
        Behaviour::Random => Guard("guard call: the guest broke the rules of a call: requested len"),
        Behaviour::Pollables | Behaviour::Uploads => {
            Guard("guard call: the guest broke the rules of a call: resource table has no free keys")
        }
        Behaviour::MadeUp | Behaviour::Dropped | Behaviour::DropsTwice => {
            Guard("guard call: the guest broke the rules of a call: unknown handle index")
        }
        Behaviour::Exit => Guard("guard exit"),
        Behaviour::Overlong | Behaviour::NotText => {
            Guard("guard call: the guest broke the rules of a call: invalid utf-8")
        }
        Behaviour::Huge => Guard("guard call: the guest broke the rules of a call: too much data"),

        Behaviour::Status99 => Guard("guard answer: the status 99"),
        Behaviour::Status1000 => Guard("guard answer: the status 1000"),
        Behaviour::Status103 => Guard("guard answer: the status 103"),
        Behaviour::Split | Behaviour::Nul => Guard(r"guard answer: the header field \x22x\x22 is none"),
        Behaviour::FieldName => Guard("guard answer: the header field"),
        Behaviour::Fields | Behaviour::LongField => Guard("guard answer: too many header fields"),
        Behaviour::ContentLength => Guard(r"guard answer: the header field \x22content-length\x22 is the host's"),
        Behaviour::TransferEncoding => Guard(r"guard answer: the header field \x22transfer-encoding\x22 is the host's"),
        Behaviour::Connection => Guard(r"guard answer: the header field \x22connection\x22 is the host's"),
        Behaviour::KeepAlive => Guard(r"guard answer: the header field \x22keep-alive\x22 is the host's"),
        Behaviour::Upgrade => Guard(r"guard answer: the header field \x22upgrade\x22 is the host's"),
        Behaviour::Trailer => Guard(r"guard answer: the header field \x22trailer\x22 is the host's"),
        Behaviour::Te => Guard(r"guard answer: the header field \x22te\x22 is the host's"),
        Behaviour::Date => Guard(r"guard answer: the header field \x22date\x22 is the host's"),
        Behaviour::Body204 => Guard("guard answer: a body with the status 204"),
        Behaviour::Body304 => Guard("guard answer: a body with the status 304"),
        Behaviour::Large => Guard("guard answer: too many bytes in the body"),
        Behaviour::Notes => Guard("guard answer: too many notes"),
        Behaviour::Beyond => Guard("guard slice: 3 bytes at 3 of beyond/object, which has 5"),
        Behaviour::Overflow | Behaviour::Outside => Guard("guard answer: a slice that cannot be"),
        Behaviour::Absent | Behaviour::Removed => Guard("guard slice: the answer's bytes cannot be had: not found"),
        Behaviour::Pipe => Guard("guard slice: the answer's bytes cannot be had"),

        Behaviour::Escape => Refused("0 0 0 0"),
        Behaviour::Link => Refused("0 0 0 0"),
        Behaviour::Fifo => Refused("Err(Failure::WrongKind)"),
        Behaviour::ReadAll => Refused("Err(Failure::TooLarge(1099511627776))"),
        Behaviour::Twice => Refused("true Err(Failure::Other(\"the body is taken already, or there is none\"))"),
        Behaviour::Forge => Refused("true Err(Failure::DigestMismatch)"),
        Behaviour::Swap => Refused("true true false false"),
        Behaviour::Offset => Refused("Err(Failure::WrongOffset(0))"),
        Behaviour::Finished => {
            Refused("true Err(Failure::Other(\"the upload is finished, or a call to it was given up\"))")
        }
        Behaviour::Guess => Refused("0 0"),
        Behaviour::Commit => Refused("[Err(Failure::TooLarge(64)), Err(Failure::TooLarge(8388608))] 0"),
        Behaviour::Credentials => Refused("0"),
        Behaviour::Settings => Refused("[]"),
        Behaviour::Process => Refused("0 0 false"),
        Behaviour::Marks => Refused(
            "Err(Failure::Other(\"there are marks within a task only\")) \
             Err(Failure::Other(\"there are marks within a task only\"))",
        ),

        Behaviour::Leak => Harmless("leaked"),
        Behaviour::Log | Behaviour::LongLine => Harmless("logged"),
        Behaviour::LookAlike => Harmless("4 4"),
        Behaviour::List => Harmless("30000 names in 3 pages of up to 10000"),
    }
}

/// What an attacker would like the module to find.
fn plant(volume: &Path, outside: &Path) {
    fs::create_dir(outside).unwrap();
    fs::write(outside.join("outside"), "a secret").unwrap();
    let planted = volume.join("planted");
    fs::create_dir_all(planted.join("many")).unwrap();
    symlink(outside.join("outside"), planted.join("link")).unwrap();
    symlink(outside, planted.join("tree")).unwrap();
    mkfifoat(CWD, planted.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    fs::File::create(planted.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    fs::write(planted.join("small"), "small").unwrap();
    fs::write(planted.join("page"), [b'x'; 4096]).unwrap();
    fs::write(planted.join("large"), vec![b'x'; 4 << 20]).unwrap();
    for n in 0..30_000 {
        fs::File::create(planted.join("many").join(format!("{n:08}"))).unwrap();
    }
}

fn attack(registry: &Registry, behaviour: Behaviour) -> thread::JoinHandle<skerry_tests::Answer> {
    let client = registry.client();
    thread::spawn(move || {
        let request = client.request("PUT", &format!("/{}", behaviour.name())).body("bytes");
        let request = request.header("authorization", "Basic eA==").header("cookie", "a=b");
        request.header("proxy-authorization", "Basic eA==").send()
    })
}

#[test]
fn each_meets_its_guard() {
    let mut registry = start_with(
        "  time: 300ms\n  storage_time: 500ms\n",
        Options { http: "secret: hidden\n".to_owned(), ..Options::default() },
    );
    let (volume, outside) = (registry.volume().to_owned(), registry.directory().join("outside"));
    plant(&volume, &outside);
    let client = Arc::new(registry.client());
    let mut wrong = Vec::new();
    for &behaviour in Behaviour::ALL {
        let name = behaviour.name();
        let attack = attack(&registry, behaviour);
        served(&client);
        let answer = attack.join().unwrap();
        match end(behaviour) {
            End::Guard(guard) => {
                // The module's own words for it, and nothing of the cause.
                let said = r#"{"errors":[{"code":"UNKNOWN","message":"the host says HostFailure::Internal"}]}"#;
                let shown = (answer.status, answer.header("content-type"), answer.text());
                let foreign = ["set-cookie", "x"].iter().any(|name| answer.headers.contains_key(*name));
                if shown != (500, "application/json", said.to_owned()) || foreign {
                    wrong.push(format!("{name}: {shown:?} {:?}", answer.headers));
                    continue;
                }
                let cause = failed(&mut registry, &format!("/{name}"));
                if !cause.starts_with(guard) {
                    wrong.push(format!("{name}: {cause}"));
                }
            }
            End::Refused(text) | End::Harmless(text) => {
                if (answer.status, answer.text().as_str()) != (200, text) {
                    wrong.push(format!("{name}: {} {}", answer.status, answer.text()));
                }
            }
        }
        served(&client);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(layout::files(&outside), [Path::new("outside")]);
    assert_eq!(fs::read_to_string(outside.join("outside")).unwrap(), "a secret");
    assert!(!volume.join("forged/object").exists() && !volume.join("swapped/object").exists());
    registry.stop();
}
