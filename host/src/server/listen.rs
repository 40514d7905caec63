//! Where connections come from.

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};

use crate::tls::Names;

/// Gives the TLS configuration for the next handshake; a reload changes what
/// it gives. Its ALPN list decides about HTTP/2.
pub type TlsSource = Arc<dyn Fn() -> TlsSetup + Send + Sync>;

/// What one handshake is made with.
pub struct TlsSetup {
    /// Certificates, versions, protocols.
    pub config: Arc<ServerConfig>,
    /// What the certificates are for.
    pub names: Arc<Names>,
    /// Whether it lets no client certificate through that it did not verify.
    pub verifies_clients: bool,
    /// Who answers certificate authorities; without, they find nothing here.
    pub challenges: Option<Arc<dyn Challenges>>,
}

/// Proves to a certificate authority who is here (TLS-ALPN-01, RFC 8737).
#[async_trait]
pub trait Challenges: Send + Sync {
    /// What to make a handshake with that offers `acme-tls/1` alone and asks
    /// for this name; nothing unless a proof is pending. No request is read
    /// from such a connection.
    async fn proof(&self, name: &str) -> Option<Arc<ServerConfig>>;
}

/// What an authority offers, as a protocol of the application.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// A listening socket, and what is spoken there.
pub struct Endpoint {
    /// Listens already.
    pub listener: TcpListener,
    /// HTTPS; plain HTTP without it.
    pub tls: Option<TlsSource>,
    /// Whether another process keeps it open after our end.
    pub kept: bool,
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
