//! What happens while a module's answer is under way, or a client's body.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use skerry_tests::{Registry, layout, raw::Raw, vitals::Vitals};

use crate::guest::{failed, served, start};

/// Asks for the body of a request with a declared length, up to where it is
/// waited for.
fn waiting(registry: &Registry, path: &str, length: usize) -> Raw {
    let mut raw = registry.raw();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\
         connection: close\r\n\r\n"
    );
    raw.send(head).unwrap();
    let head = raw.head();
    assert!(head.starts_with("HTTP/1.1 100"), "{path}: {head}");
    raw
}

/// A directory on the way is a link to another place at one moment, and not
/// at the next.
#[test]
fn a_link_that_comes_and_goes_leads_nowhere() {
    let registry = start("");
    let outside = registry.directory().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("object"), "a secret").unwrap();
    let swap = registry.volume().join("swap");
    fs::create_dir_all(swap.join("way")).unwrap();
    fs::write(swap.join("way/object"), "inside").unwrap();
    symlink(&outside, swap.join("link")).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let swapper = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut swaps = 0_u64;
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, swap.join("way"), CWD, swap.join("link"), RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let client = registry.client();
    let (mut read, mut refused, mut wrote) = (0, 0, 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while read < 20 || refused < 20 || wrote < 20 {
        for path in ["/read/swap/way/object", "/whole/swap/way/object"] {
            let answer = client.get(path);
            let text = answer.text();
            assert!(!text.contains("a secret"), "{path}: {text}");
            if text.contains("inside") || text.contains("written") { read += 1 } else { refused += 1 }
        }
        for what in ["write", "upload"] {
            let answer = client.request("PUT", &format!("/{what}/swap/way/new/{wrote}")).body("bytes").send();
            wrote += 1;
            assert_eq!(answer.headers.get("x"), None, "{}", answer.text());
        }
        assert!(Instant::now() < deadline, "{read} read, {refused} refused, {wrote} written");
    }
    over.store(true, Ordering::Relaxed);
    assert!(swapper.join().unwrap() > 100);
    assert_eq!(layout::files(&outside), [Path::new("object")]);
    served(&client);
}

/// An object stays what it was when its answer began, though its name goes.
#[test]
fn an_object_that_is_removed_is_sent_to_its_end() {
    let registry = start("");
    let bytes = vec![b'x'; 32 << 20];
    fs::write(registry.volume().join("object"), &bytes).unwrap();
    let mut raw = registry.raw();
    raw.send("GET /whole/object HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let begun = raw.some().unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200 "));
    fs::remove_file(registry.volume().join("object")).unwrap();
    served(&registry.client());
    assert_eq!(registry.client().get("/whole/object").status, 404);
    let rest = raw.rest();
    let head = begun.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(begun.len() - head + rest.len(), bytes.len());
}

/// One that shrinks is not filled up with anything: the answer breaks off.
#[test]
fn an_object_that_shrinks_breaks_the_answer_off() {
    let registry = start("");
    let path = registry.volume().join("object");
    fs::write(&path, vec![b'x'; 64 << 20]).unwrap();
    let mut raw = registry.raw();
    raw.send("GET /whole/object HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut got = raw.some().unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    served(&registry.client());
    got += raw.rest().len();
    assert!(got < 64 << 20, "{got} bytes");
    served(&registry.client());
}

/// A module that answers before it looked at the body, and never does.
#[test]
fn a_body_that_nobody_reads() {
    let registry = start("");
    let client = registry.client();
    for declared in ["content-length: 1000000000", "transfer-encoding: chunked"] {
        let mut raw = registry.raw();
        raw.send(format!("PUT /early HTTP/1.1\r\nhost: localhost\r\n{declared}\r\n\r\n")).unwrap();
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{declared}: {head}");
        served(&client);
        // It goes on for a while, and is cut off before long.
        let chunk = vec![b'x'; 64 << 10];
        let begun = Instant::now();
        while raw.send(&chunk).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{declared}: it may send for ever");
        }
        served(&client);
    }
}

/// An upload is one request's, however well another knows its key.
#[test]
fn another_requests_upload_is_not_to_be_had() {
    let registry = start("");
    let client = registry.client();
    let mut raw = waiting(&registry, "/upload/theirs/data", 10);
    raw.send("first").unwrap();
    assert_eq!(client.get("/resume/theirs/data").text(), "Err(Failure::Busy)");
    let begun = client.request("PUT", "/upload/theirs/data").body("other").send();
    assert_eq!((begun.status, begun.text().as_str()), (503, "Failure::Busy"));
    // Other bytes under its name are not its bytes.
    assert_eq!(client.get("/write/theirs/data").text(), "Ok(())");
    served(&client);
    raw.send("-last").unwrap();
    let answer = raw.rest();
    assert!(answer.contains("Err("), "{answer}");
    assert!(!registry.volume().join("done/theirs/data").exists());
    // And with no such neighbour it is done.
    let mut raw = waiting(&registry, "/upload/mine/data", 10);
    raw.send("first-last").unwrap();
    let answer = raw.rest();
    assert!(answer.ends_with("Ok(())"), "{answer}");
    assert_eq!(fs::read_to_string(registry.volume().join("done/mine/data")).unwrap(), "first-last");
}

/// Uploads beyond those that may be open wait for nobody: they are refused.
#[test]
fn open_uploads_are_bounded() {
    let registry = crate::guest::start_with(
        "",
        skerry_tests::Options { more: "limits:\n  uploads: 50\n".to_owned(), ..Default::default() },
    );
    let client = registry.client();
    let mut held: Vec<_> = (0..50).map(|n| waiting(&registry, &format!("/upload/{n}/data"), 4)).collect();
    for n in 50..60 {
        let answer = client.request("PUT", &format!("/upload/{n}/data")).body("four").send();
        assert_eq!((answer.status, answer.text().as_str()), (503, "Failure::Busy"));
        served(&client);
    }
    for raw in &mut held {
        raw.send("four").unwrap();
        assert!(raw.rest().ends_with("Ok(())"));
    }
    let answer = client.request("PUT", "/upload/50/data").body("four").send();
    assert_eq!((answer.status, answer.text().as_str()), (200, "Ok(())"));
}

/// A million names, of which each page takes a look at all: whoever wants them
/// all is ended, and others do not wait for it.
#[test]
#[ignore = "makes a million files"]
fn a_list_of_a_million() {
    let mut registry = start("  storage_time: 5s\n");
    let many = registry.volume().join("planted/many");
    fs::create_dir_all(&many).unwrap();
    for n in 0..1_000_000 {
        fs::File::create(many.join(format!("{n:08}"))).unwrap();
    }
    let pid = registry.service().pid();
    let before = Vitals::of(pid);
    let client = registry.client();
    let list = thread::spawn(move || client.get("/list").status);
    let client = registry.client();
    let mut asked = 0;
    while !list.is_finished() {
        let begun = Instant::now();
        served(&client);
        assert!(begun.elapsed() < Duration::from_secs(5));
        asked += 1;
    }
    assert_eq!(list.join().unwrap(), 500);
    let cause = failed(&mut registry, "/list");
    assert!(cause.starts_with("guard storage"), "{cause}");
    assert!(asked > 50, "{asked}");
    before.come_back(pid, 128 << 20, 256 << 20);
}
