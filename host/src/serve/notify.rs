//! Tells the service manager that started us how far we are (`sd_notify`).

use std::{
    ffi::OsStr,
    fmt::Write as _,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
};

use rustix::time::{ClockId, clock_gettime};

/// The manager, if there is one that wants to know.
#[derive(Debug, Clone, Default)]
pub struct Manager(Option<Arc<SocketAddr>>);

impl Manager {
    /// The one that `NOTIFY_SOCKET` names. One that cannot be told is no reason
    /// not to serve.
    pub fn of_process() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match address(&name) {
            Ok(address) => Self(Some(Arc::new(address))),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET is no address: the service manager is told nothing");
                Self::default()
            }
        }
    }

    /// It serves.
    pub fn ready(&self) {
        self.say("READY=1\nSTATUS=serving\n");
    }

    /// It looks at its files again; [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        // The manager tells an old answer from a new one by the time.
        let now = clock_gettime(ClockId::Monotonic);
        let mut text = String::from("RELOADING=1\nSTATUS=looking at the certificates\n");
        let _ = writeln!(text, "MONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000);
        self.say(&text);
    }

    /// It ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=letting requests finish\n");
    }

    fn say(&self, text: &str) {
        let Some(address) = &self.0 else { return };
        let said = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not listen must not hold anything up.
            socket.set_nonblocking(true)?;
            socket.send_to_addr(text.as_bytes(), address)
        });
        if let Err(error) = said {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

/// A path, or after `@` a name of Linux's own.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}
