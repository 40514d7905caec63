//! Sockets that a service manager opened for us (`LISTEN_FDS`).
//!
//! They stay open while the process is replaced, and clients wait in their
//! backlog: then a restart refuses nobody.

use std::{io, net::TcpListener};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

/// More are a mistake.
const MOST: usize = 64;

/// Takes them over; none where no manager gave us any. To be called once, at
/// start, while there is one thread: it changes the environment.
///
/// # Errors
/// A sentence about the one that cannot be listened on.
pub fn take() -> Result<Vec<TcpListener>, String> {
    let count = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    if count > MOST {
        return Err(format!("LISTEN_FDS says that there are {count} sockets; at most {MOST} are taken"));
    }
    let mut sockets = ListenFd::from_env();
    (0..sockets.len())
        .map(|index| {
            listener(&mut sockets, index).map_err(|cause| {
                format!(
                    "the socket {} that the service manager passed cannot be served: {cause}; in its unit, \
                     ListenStream= is to name a port",
                    index + 3
                )
            })
        })
        .collect()
}

fn listener(sockets: &mut ListenFd, index: usize) -> io::Result<TcpListener> {
    let listener = sockets.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
    if !socket_acceptconn(&listener)? {
        return Err(io::Error::other("it does not listen"));
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}
