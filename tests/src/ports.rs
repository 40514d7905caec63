//! Ports that stay a test's own while nobody listens there.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that nobody else is given.
pub struct Port {
    // A socket that is bound and does not listen: the kernel gives its port to
    // nobody who asks for any, and lets a server bind it that says
    // SO_REUSEADDR, as all servers do.
    _held: TcpSocket,
    number: u16,
}

impl Port {
    /// One that is free.
    pub fn free() -> Self {
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let number = held.local_addr().unwrap().port();
        Self { _held: held, number }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
