//! Misbehaviour in the place of an answer.

use std::{mem::forget, thread::sleep, time::Duration};

use crate::{
    answer,
    behaviour::Behaviour,
    exports::skerry::registry::handler::{Content, Response},
    realloc::{Mischief, next},
    skerry::registry::{
        body, marks, request, settings,
        storage::{self, Change},
        types::Failure,
        uploads::Upload,
    },
    slice, text,
    wasi::wasi::{
        clocks::monotonic_clock::{now, subscribe_duration},
        random::random::get_random_bytes,
    },
};

/// For ever, and nothing else.
pub fn compute() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let kept = std::hint::black_box([depth; 64]);
    recurse(kept[0] + 1) + kept[63]
}

fn field(name: &str, value: &str) -> Response {
    answer(200, &[(name, value)], Content::Empty)
}

fn bytes(size: usize) -> Content {
    Content::Bytes(vec![b'x'; size])
}

fn put(key: &str, bytes: &[u8]) -> Result<(), Failure> {
    storage::commit(&[], &[Change::Put((key.to_owned(), bytes.to_vec()))])
}

/// Which of these can be read, and which can be written.
fn reached(keys: &[&str]) -> Response {
    let read = keys.iter().filter(|key| storage::read(key, 1 << 20).is_ok()).count();
    let listed = keys.iter().filter(|key| !key.is_empty() && storage::page(key, None, 10).is_ok()).count();
    let written = keys.iter().filter(|key| put(key, b"x").is_ok()).count();
    let begun = keys.iter().filter(|key| Upload::create(key, &[]).is_ok()).count();
    text(200, &format!("{read} {listed} {written} {begun}"))
}

/// Text that is none: the bytes of `/` where no proper encoder would put them.
fn overlong() -> String {
    // SAFETY: nothing here looks at the characters before the host does.
    unsafe { String::from_utf8_unchecked(b"a/\xc0\xae\xc0\xae\xc0\xafx".to_vec()) }
}

fn many(mut each: impl FnMut() -> Result<(), Failure>) -> Response {
    for n in 0_u32.. {
        if let Err(failure) = each() {
            return text(200, &format!("{n} {failure:?}"));
        }
    }
    text(200, "no end")
}

pub fn run(behaviour: Behaviour) -> Response {
    match behaviour {
        Behaviour::Loop => compute(),
        Behaviour::Calls => loop {
            request::method();
        },
        Behaviour::Clocks => loop {
            std::hint::black_box(now());
        },
        Behaviour::Randoms => loop {
            std::hint::black_box(get_random_bytes(4096));
        },
        Behaviour::Lines => loop {
            eprintln!("one more line");
        },
        Behaviour::Looks => loop {
            let _ = storage::page("planted/many", None, 1);
        },
        Behaviour::Sleep => {
            sleep(Duration::from_secs(3600));
            text(200, "awake")
        }
        Behaviour::Naps => loop {
            sleep(Duration::from_millis(5));
        },
        Behaviour::ReallocLoops => text(200, &next(Mischief::Loop)),
        Behaviour::ReallocCalls => text(200, &next(Mischief::Call)),
        Behaviour::ReallocTraps => text(200, &next(Mischief::Trap)),
        Behaviour::ReallocBeyond => text(200, &next(Mischief::Beyond)),
        Behaviour::Memory => {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            loop {
                kept.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        Behaviour::Grow => text(200, &std::arch::wasm32::memory_grow(0, 65_535).to_string()),
        Behaviour::Hoard => {
            let mut kept = Vec::new();
            loop {
                kept.push(storage::read("planted/page", 1 << 20));
            }
        }
        Behaviour::Bytes => many(|| storage::read("planted/large", 4 << 20).map(drop)),
        Behaviour::Recurse => text(200, &recurse(1).to_string()),
        Behaviour::Random => text(200, &get_random_bytes(1 << 40).len().to_string()),
        Behaviour::Pollables => {
            for _ in 0..10_000 {
                forget(subscribe_duration(1));
            }
            text(200, "subscribed")
        }
        Behaviour::Uploads => many(|| Upload::temporary().map(forget)),
        Behaviour::MadeUp => text(200, &unsafe { Upload::from_handle(4711) }.offset().to_string()),
        Behaviour::Dropped => match Upload::temporary() {
            Ok(upload) => {
                let handle = upload.handle();
                drop(upload);
                text(200, &unsafe { Upload::from_handle(handle) }.offset().to_string())
            }
            Err(failure) => text(500, &format!("{failure:?}")),
        },
        Behaviour::DropsTwice => match Upload::temporary() {
            Ok(upload) => {
                let again = unsafe { Upload::from_handle(upload.handle()) };
                drop(upload);
                drop(again);
                text(200, "dropped twice")
            }
            Err(failure) => text(500, &format!("{failure:?}")),
        },
        // The next request finds the upload free.
        Behaviour::Leak => match Upload::resume("leak/data").or_else(|_| Upload::create("leak/data", &[])) {
            Ok(upload) => {
                forget(upload);
                text(200, "leaked")
            }
            Err(failure) => text(200, &format!("{failure:?}")),
        },
        Behaviour::Trap => panic!("a secret of the module: {}", 42),
        Behaviour::Exit => std::process::exit(0),
        Behaviour::Log => {
            for line in 0..10_000 {
                eprintln!("\x1b[31mline {line}\x07 of a flood");
            }
            text(200, "logged")
        }
        Behaviour::LongLine => {
            for _ in 0..512 {
                eprint!("{}", "line without an end ".repeat(3277));
            }
            text(200, "logged")
        }

        Behaviour::Status99 => text(99, ""),
        Behaviour::Status1000 => text(1000, ""),
        Behaviour::Status103 => text(103, ""),
        Behaviour::Split => field("x", "a\r\nset-cookie: b"),
        Behaviour::Nul => field("x", "a\0b"),
        Behaviour::NotText => field("x", &overlong()),
        Behaviour::FieldName => field("x\r\nset-cookie", "b"),
        Behaviour::Fields => answer(200, &vec![("x", "y"); 2000], Content::Empty),
        Behaviour::LongField => field("x", &"y".repeat(17 << 10)),
        Behaviour::ContentLength => field("content-length", "5"),
        Behaviour::TransferEncoding => field("Transfer-Encoding", "chunked"),
        Behaviour::Connection => field("connection", "close"),
        Behaviour::KeepAlive => field("keep-alive", "timeout=1000"),
        Behaviour::Upgrade => field("upgrade", "h2c"),
        Behaviour::Trailer => field("trailer", "x"),
        Behaviour::Te => field("te", "trailers"),
        Behaviour::Date => field("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        Behaviour::Body204 => answer(204, &[], bytes(1)),
        Behaviour::Body304 => answer(304, &[], bytes(1)),
        Behaviour::Large => answer(200, &[], bytes(9 << 20)),
        Behaviour::Huge => answer(200, &[], bytes(20 << 20)),
        Behaviour::Notes => {
            Response { notes: vec![("event".to_owned(), "seen".to_owned()); 100], ..text(200, "noted") }
        }
        Behaviour::Beyond => match put("beyond/object", b"five!") {
            Ok(()) => slice("beyond/object", 3, 3),
            Err(failure) => text(500, &format!("{failure:?}")),
        },
        Behaviour::Overflow => slice("planted/small", u64::MAX, 2),
        Behaviour::Absent => slice("no/such/object", 0, 1),
        Behaviour::Removed => {
            let there = put("removed/object", b"five!");
            let gone = storage::commit(&[], &[Change::Remove("removed/object".to_owned())]);
            if there.is_err() || gone.is_err() { text(500, "not removed") } else { slice("removed/object", 0, 5) }
        }
        Behaviour::Pipe => slice("planted/fifo", 0, 1),
        Behaviour::Outside => slice("../outside", 0, 1),

        Behaviour::Escape => reached(&[
            "../outside",
            "/etc/passwd",
            "a/../../outside",
            "a//b",
            "a/./b",
            "a\0b",
            "a/b\n",
            "",
            ".skerry/x",
            ".skerry",
            "a\\..\\b",
            &"x".repeat(300),
            &"x/".repeat(600),
        ]),
        Behaviour::LookAlike => {
            let keys =
                ["\u{2024}\u{2024}/outside", "\u{ff0e}\u{ff0e}\u{ff0f}outside", "..\u{2215}outside", ".SKERRY/tmp/x"];
            let made = keys.iter().filter(|key| put(key, b"inside").is_ok()).count();
            let own = keys.iter().filter(|key| storage::read(key, 100).is_ok_and(|read| read == b"inside")).count();
            text(200, &format!("{made} {own}"))
        }
        Behaviour::Overlong => text(200, &format!("{:?}", storage::read(&overlong(), 10))),
        Behaviour::Link => reached(&["planted/link", "planted/tree/outside", "planted/tree"]),
        Behaviour::Fifo => text(200, &format!("{:?}", storage::read("planted/fifo", 1 << 20))),
        Behaviour::ReadAll => text(200, &format!("{:?}", storage::read("planted/sparse", u64::MAX))),
        Behaviour::List => {
            let (mut pages, mut names, mut largest, mut after) = (0, 0, 0, None);
            loop {
                match storage::page("planted/many", after.as_deref(), u32::MAX) {
                    Ok(page) => {
                        pages += 1;
                        names += page.entries.len();
                        largest = largest.max(page.entries.len());
                        after = page.entries.last().map(|entry| entry.name.clone());
                        if !page.more {
                            break text(200, &format!("{names} names in {pages} pages of up to {largest}"));
                        }
                    }
                    Err(failure) => break text(200, &format!("{failure:?}")),
                }
            }
        }
        Behaviour::Twice => {
            let first = body::read(1 << 20).is_ok();
            text(200, &format!("{first} {:?}", body::read(1 << 20)))
        }
        Behaviour::Forge => received(|upload| {
            let forged = format!("sha256:{}", "0".repeat(64));
            upload.finish("forged/object", &forged, &[], &[])
        }),
        Behaviour::Swap => match Upload::create("swap/data", &[]) {
            Ok(upload) => {
                let received = upload.append(None, None).is_ok();
                let digest = upload.digest("sha256").unwrap_or_default();
                let swapped = put("swap/data", b"other").is_ok();
                let done = upload.finish("swapped/object", &digest, &[], &[]);
                let there = storage::stat("swapped/object").is_ok();
                let _ = upload.abort();
                text(200, &format!("{received} {swapped} {} {there}", done.is_ok()))
            }
            Err(failure) => text(500, &format!("{failure:?}")),
        },
        Behaviour::Offset => match Upload::temporary() {
            Ok(upload) => text(200, &format!("{:?}", upload.append(Some(u64::MAX), None))),
            Err(failure) => text(500, &format!("{failure:?}")),
        },
        Behaviour::Finished => received(|upload| {
            let digest = upload.digest("sha256")?;
            upload.finish("finished/object", &digest, &[], &[])?;
            upload.append(None, None)?;
            upload.finish("finished/again", &digest, &[], &[])
        }),
        Behaviour::Guess => {
            let found = (0..1000).filter(|n| Upload::resume(&format!("guess/{n:08x}/data")).is_ok()).count();
            let out = ["../outside", "planted/link", "planted/fifo", "planted/tree/outside", ".skerry/uploads/x"];
            let led = out.iter().filter(|key| Upload::resume(key).is_ok()).count();
            text(200, &format!("{found} {led}"))
        }
        Behaviour::Commit => {
            let change = |n: usize, size: usize| Change::Put((format!("commit/{n}"), vec![b'x'; size]));
            let many: Vec<_> = (0..65).map(|n| change(n, 1)).collect();
            let large: Vec<_> = (0..9).map(|n| change(n, 1 << 20)).collect();
            let outcomes = [storage::commit(&[], &many), storage::commit(&[], &large)];
            let made = (0..65).filter(|n| storage::stat(&format!("commit/{n}")).is_ok()).count();
            text(200, &format!("{outcomes:?} {made}"))
        }
        Behaviour::Credentials => {
            let names = ["authorization", "Cookie", "proxy-authorization"];
            let shown: usize = names.iter().map(|name| request::header(name).len()).sum();
            text(200, &shown.to_string())
        }
        Behaviour::Settings => {
            let paths =
                ["http.secret", "http.tls.key", "http", "http.tls", "storage", "storage.filesystem", "", "sandbox"];
            let shown: Vec<_> = paths.iter().filter(|path| settings::value(path).is_some()).collect();
            text(200, &format!("{shown:?}"))
        }
        Behaviour::Process => {
            let root = std::fs::read_dir("/").is_ok() || std::fs::read("/etc/passwd").is_ok();
            text(200, &format!("{} {} {root}", std::env::vars().count(), std::env::args().count()))
        }
        Behaviour::Marks => text(200, &format!("{:?} {:?}", marks::mark("a"), marks::marked("a"))),
    }
}

/// Receives the body into an upload without a key, and goes on with it.
fn received(then: impl FnOnce(&Upload) -> Result<(), Failure>) -> Response {
    match Upload::temporary() {
        Ok(upload) => {
            let received = upload.append(None, None).is_ok();
            text(200, &format!("{received} {:?}", then(&upload)))
        }
        Err(failure) => text(500, &format!("{failure:?}")),
    }
}
