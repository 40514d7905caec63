//! A wire between a client and a registry, which counts what passes, and can
//! be cut.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
};

#[derive(Default)]
struct State {
    sent: AtomicU64,
    received: AtomicU64,
    /// Bytes that still come back before the wire is cut; negative: it is not.
    cut: AtomicI64,
    cuts: AtomicU64,
}

/// A listener that passes every connection on. It ends with the process.
pub struct Wire {
    port: u16,
    state: Arc<State>,
}

impl Wire {
    /// A wire to `address`.
    pub fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { cut: AtomicI64::new(-1), ..State::default() });
        let (address, shared) = (address.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&address) else { continue };
                join(client, server, &shared);
            }
        });
        Self { port, state }
    }

    /// `localhost:port`.
    pub fn localhost(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Bytes that clients sent so far.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Bytes that clients received so far.
    pub fn received(&self) -> u64 {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Cuts, once, the connection that brings the byte after the next `bytes`.
    pub fn cut_after(&self, bytes: u64) {
        self.state.cut.store(i64::try_from(bytes).unwrap(), Ordering::SeqCst);
    }

    /// How often it was cut.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

fn join(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let shared = Arc::clone(state);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            shared.sent.fetch_add(count as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let shared = Arc::clone(state);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            shared.received.fetch_add(count as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..count]).is_err() || shared.cut(count) {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}

impl State {
    fn cut(&self, count: usize) -> bool {
        if self.cut.load(Ordering::SeqCst) < 0 {
            return false;
        }
        let count = i64::try_from(count).unwrap();
        let before = self.cut.fetch_sub(count, Ordering::SeqCst);
        let now = before >= 0 && before < count;
        if now {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        now
    }
}
