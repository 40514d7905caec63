//! Who the client is when a proxy passes bytes on, and says so before them.
//!
//! Only addresses that the operator named are listened to, and of them it is
//! demanded: where the header is left out at will, a client writes its own.

mod header;

use std::{
    io,
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use ipnet::IpNet;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, timeout_at},
};

use self::header::{LONGEST, Seen, look};
use super::{meters::Meters, socket::Socket};

/// Whose connections begin with a header.
pub(super) struct Proxies {
    networks: Vec<IpNet>,
    warned: AtomicBool,
}

/// Why there is none.
enum Refusal {
    /// The connection ended without a word: a look whether somebody listens.
    Nothing,
    /// It broke off.
    Io(io::Error),
    /// It is none.
    Wrong(&'static str),
}

impl Proxies {
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, warned: AtomicBool::new(false) }
    }

    /// Whether connections from there begin with a header.
    pub(super) fn include(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Reads the header and nothing beyond it: the client, which is the proxy
    /// itself where it speaks for nobody. `None` ends the connection.
    pub(super) async fn client(
        &self,
        socket: &mut Socket,
        proxy: IpAddr,
        deadline: Instant,
        meters: &Meters,
    ) -> Option<IpAddr> {
        let refusal = match timeout_at(deadline, read(socket)).await {
            Ok(Ok(client)) => {
                meters.proxied.inc();
                return Some(client.unwrap_or(proxy));
            }
            Ok(Err(Refusal::Nothing)) => return None,
            Ok(Err(Refusal::Io(error))) => error.to_string(),
            Ok(Err(Refusal::Wrong(why))) => why.to_owned(),
            Err(_) => "it does not come within the time of a handshake".to_owned(),
        };
        meters.proxied_wrong.inc();
        if self.warned.swap(true, Relaxed) {
            tracing::debug!(%proxy, "no PROXY header: {refusal}");
        } else {
            tracing::warn!(
                %proxy,
                "a connection from an address of http.proxyprotocol has no PROXY header ({refusal}), and is closed, \
                 as will be all such: let the proxy send it, or take the address out of the list"
            );
        }
        None
    }
}

async fn read(socket: &mut Socket) -> Result<Option<IpAddr>, Refusal> {
    let mut bytes = Vec::with_capacity(64);
    loop {
        let missing = match look(&bytes).map_err(Refusal::Wrong)? {
            Seen::Whole(client) => return Ok(client),
            // A header that fits is checked before all of it is asked for.
            Seen::Part(missing) => missing.min(LONGEST),
        };
        let before = bytes.len();
        let count = (&mut *socket).take(missing as u64).read_buf(&mut bytes).await.map_err(Refusal::Io)?;
        match (count, before) {
            (0, 0) => return Err(Refusal::Nothing),
            (0, _) => return Err(Refusal::Wrong("it breaks off")),
            _ => {}
        }
    }
}
