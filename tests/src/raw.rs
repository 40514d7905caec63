//! Bytes on a connection, for requests that no proper client sends.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use crate::authority::Authority;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection, with or without TLS.
pub enum Raw {
    /// With none.
    Plain(TcpStream),
    /// With TLS 1.3, HTTP/1.1.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Raw {
    /// Connects with no TLS.
    pub fn plain(address: &str) -> Self {
        Self::Plain(connect(address))
    }

    /// Connects over verified TLS.
    pub fn tls(address: &str, trust: &Authority) -> Self {
        let (host, _) = address.rsplit_once(':').unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::clone(&trust.client(&["http/1.1"])), name).unwrap();
        Self::Tls(Box::new(StreamOwned::new(session, connect(address))))
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes.as_ref()),
            Self::Tls(stream) => stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()),
        }
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        let _ = match self {
            Self::Plain(socket) => socket.shutdown(Shutdown::Write),
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().and_then(|()| stream.sock.shutdown(Shutdown::Write))
            }
        };
    }

    /// Some bytes that came; none at the end.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 16 * 1024];
        let count = match self {
            Self::Plain(socket) => socket.read(&mut buffer)?,
            Self::Tls(stream) => match stream.read(&mut buffer) {
                // Closed with no goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                other => other?,
            },
        };
        Ok(buffer[..count].to_vec())
    }

    /// Everything up to the end of the connection, or to its reset.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            match self.some() {
                Ok(some) if some.is_empty() => break,
                Ok(some) => all.extend_from_slice(&some),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything up to the end of a head (the empty line), or of the
    /// connection.
    pub fn head(&mut self) -> String {
        let mut all = Vec::new();
        while !all.windows(4).any(|four| four == b"\r\n\r\n") {
            match self.some().unwrap() {
                some if some.is_empty() => break,
                some => all.extend_from_slice(&some),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}
