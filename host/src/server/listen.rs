//! Where connections come from.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};

/// Gives the TLS configuration for the next handshake; a reload changes what
/// it gives. Its ALPN list decides about HTTP/2.
pub type TlsSource = Arc<dyn Fn() -> TlsSetup + Send + Sync>;

/// What one handshake is made with.
pub struct TlsSetup {
    /// Certificates, versions, protocols.
    pub config: Arc<ServerConfig>,
    /// Whether it lets no client certificate through that it did not verify.
    pub verifies_clients: bool,
}

/// A listening socket, and what is spoken there.
pub struct Endpoint {
    /// Listens already.
    pub listener: TcpListener,
    /// HTTPS; plain HTTP without it.
    pub tls: Option<TlsSource>,
}

/// Listens on an address. At most `backlog` connections wait to be accepted
/// (and `net.core.somaxconn`).
///
/// # Errors
/// What `bind` and `listen` give.
pub fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the life before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}
