//! Clients that send a byte now and then, at every stage of a request. A
//! handshake and a head have a time in all, which no drop prolongs; a body may
//! take as long as it likes, if it comes on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    thread,
    time::Duration,
};

use rustls::{ClientConnection, pki_types::ServerName};
use skerry_tests::{
    Registry,
    frames::{CONTINUATION, Frames, HEADERS, frame, head, literal},
    raw::Raw,
};

use crate::{started, survives};

/// Clients of one kind.
const CLIENTS: usize = 30;
/// Between two bytes of one: within each of the limits that [`started`] sets.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes that no client gets rid of, unless it is never stopped.
const NEVER: usize = 300;

/// Many at once, each up to its end.
fn many(registry: &mut Registry, one: impl Fn(&Registry) + Send + Sync) {
    survives(registry, |registry| {
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| one(registry));
            }
        });
    });
}

/// Sends drop by drop until it fails, or the other side has ended it.
fn drip(what: &str, mut send: impl FnMut(u8) -> bool) {
    for n in 0..NEVER {
        if !send(u8::try_from(n % 256).unwrap()) {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("{what}: the server takes it for ever");
}

/// Whether the other side has ended the connection.
fn over(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    let mut reader = socket;
    let over = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
        }
    };
    socket.set_nonblocking(false).unwrap();
    over
}

#[test]
fn a_handshake_drop_by_drop() {
    let mut registry = started();
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    let mut session = ClientConnection::new(Arc::clone(&registry.trust().client(&["http/1.1"])), name).unwrap();
    session.write_tls(&mut hello).unwrap();
    let hello = &hello;
    many(&mut registry, |registry| {
        let mut socket = TcpStream::connect(registry.address()).unwrap();
        let mut bytes = hello.iter();
        drip("a handshake", |_| !over(&socket) && socket.write_all(&[*bytes.next().unwrap()]).is_ok());
    });
}

#[test]
fn a_head_drop_by_drop() {
    let mut registry = started();
    for before in ["", "GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        many(&mut registry, |registry| {
            let mut raw = registry.raw();
            if !before.is_empty() {
                raw.send(before).unwrap();
                raw.head();
            }
            raw.send("GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx: ").unwrap();
            drip("a head", |_| {
                let Raw::Tls(stream) = &raw else { panic!("it is TLS") };
                !over(&stream.sock) && raw.send("y").is_ok()
            });
        });
    }
}

#[test]
fn a_head_of_http2_frame_by_frame() {
    let mut registry = started();
    many(&mut registry, |registry| {
        let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
        frames.send(&frame(HEADERS, 0, 1, &head(registry.address(), "GET", "/v2/"))).unwrap();
        let field = literal("x", "y");
        drip("a head", |n| {
            let piece = if n % 2 == 0 { &field[..] } else { &[] };
            !over(frames.socket()) && frames.send(&frame(CONTINUATION, 0, 1, piece)).is_ok()
        });
    });
}

/// Longer than each of the times, and then silent.
#[test]
fn a_body_drop_by_drop() {
    const DROPS: usize = 40;
    let mut registry = started();
    let targets: Vec<_> = (0..CLIENTS)
        .map(|_| registry.client().request("POST", "/v2/slow/blobs/uploads/").send().expect(202).location())
        .collect();
    let begin = |registry: &Registry, target: &str, length: usize| {
        let mut raw = registry.raw();
        raw.send(format!("PATCH {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")).unwrap();
        for _ in 0..DROPS {
            thread::sleep(PAUSE);
            raw.send("x").unwrap();
        }
        raw
    };
    for (length, answer) in [(DROPS, "HTTP/1.1 202 "), (DROPS + 1, "HTTP/1.1 400 ")] {
        let targets = &targets;
        survives(&mut registry, |registry| {
            thread::scope(|scope| {
                for target in targets {
                    scope.spawn(move || {
                        let head = begin(registry, target, length).head();
                        assert!(head.starts_with(answer), "{head}");
                    });
                }
            });
        });
    }
    // What came is kept, and the upload can be gone on from.
    for target in &targets {
        let range = registry.client().get(target).expect(204).header("range").to_owned();
        assert_eq!(range, format!("0-{}", 2 * DROPS - 1));
    }
}
