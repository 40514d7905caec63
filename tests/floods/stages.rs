//! Clients that go away, or say that they have nothing more to say, at every
//! stage of a request.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use skerry_tests::{Registry, content::Noise, push};

use crate::{started, survives};

/// Clients that stop at one stage in one way.
const CLIENTS: usize = 40;

/// A connection at one stage.
type Stage = Box<dyn Fn(&Registry) -> TcpStream + Send + Sync>;

/// How a client ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It says that nothing more comes, and listens.
    Half,
    /// It resets the connection.
    Reset,
    /// It says nothing any more, and stays: the server has to end it.
    Silence,
}

fn end(socket: TcpStream, how: End) {
    match how {
        End::Half => {
            // A server may have ended it already.
            let _ = socket.shutdown(Shutdown::Write);
            drain(socket);
        }
        End::Reset => {
            set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
            drop(socket);
        }
        End::Silence => drain(socket),
    }
}

/// Up to the server's end of it.
fn drain(mut socket: TcpStream) {
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                let reset = [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::BrokenPipe];
                assert!(reset.contains(&error.kind()), "the server does not end it: {error}");
                return;
            }
        }
    }
}

fn connect(registry: &Registry) -> TcpStream {
    let socket = TcpStream::connect(registry.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn session(registry: &Registry) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::clone(&registry.trust().client(&["http/1.1"])), name).unwrap()
}

/// A connection that has sent this much of its first message.
fn greeting(registry: &Registry, share: fn(usize) -> usize) -> TcpStream {
    let mut socket = connect(registry);
    let mut hello = Vec::new();
    session(registry).write_tls(&mut hello).unwrap();
    socket.write_all(&hello[..share(hello.len())]).unwrap();
    socket
}

/// One that has sent this after its handshake.
fn request(registry: &Registry, bytes: &[u8]) -> TcpStream {
    let mut stream = StreamOwned::new(session(registry), connect(registry));
    stream.flush().unwrap();
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream.write_all(bytes).unwrap();
    stream.flush().unwrap();
    stream.sock
}

#[test]
fn at_every_stage() {
    let mut registry = started();
    let blob = push::blob(&registry.client(), "flood", &Noise::new(4).bytes(8 << 20));
    let begun = registry.client().request("POST", "/v2/flood/blobs/uploads/").send().expect(202).location();
    let get = format!("GET /v2/flood/blobs/{blob} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let patch = format!("PATCH {begun} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nhalf");
    let chunked = format!("PATCH {begun} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n4\r\nha");
    let stages: [(&str, Stage); 9] = [
        ("connected", Box::new(connect)),
        ("a byte of the hello", Box::new(|registry| greeting(registry, |_| 1))),
        ("half of the hello", Box::new(|registry| greeting(registry, |length| length / 2))),
        ("the hello", Box::new(|registry| greeting(registry, |length| length))),
        ("the handshake", Box::new(|registry| request(registry, b""))),
        ("half of a head", Box::new(|registry| request(registry, b"GET /v2/ HTTP/1.1\r\nhost: lo"))),
        ("half of a body", Box::new(move |registry| request(registry, patch.as_bytes()))),
        ("half of a chunk", Box::new(move |registry| request(registry, chunked.as_bytes()))),
        ("an answer under way", Box::new(move |registry| request(registry, get.as_bytes()))),
    ];
    for how in [End::Half, End::Reset, End::Silence] {
        for (stage, open) in &stages {
            eprintln!("{stage}: {how:?}");
            survives(&mut registry, |registry| {
                std::thread::scope(|scope| {
                    for _ in 0..CLIENTS {
                        scope.spawn(|| end(open(registry), how));
                    }
                });
            });
        }
    }
    registry.stop();
}
