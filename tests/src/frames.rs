//! HTTP/2, frame by frame, with no rule kept but that of the frame's own form
//! (RFC 9113, section 4.1).

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use crate::authority::Authority;

/// A part of a body.
pub const DATA: u8 = 0;
/// A head.
pub const HEADERS: u8 = 1;
/// The end of a stream.
pub const RST_STREAM: u8 = 3;
/// What one side wants.
pub const SETTINGS: u8 = 4;
/// A question whether the other side lives.
pub const PING: u8 = 6;
/// The end of a connection.
pub const GOAWAY: u8 = 7;
/// Room for more of a body.
pub const WINDOW_UPDATE: u8 = 8;
/// More of a head.
pub const CONTINUATION: u8 = 9;

/// A flag: an answer to settings or a ping.
pub const ACK: u8 = 1;
/// A flag: the last of a stream.
pub const END_STREAM: u8 = 1;
/// A flag: the last of a head.
pub const END_HEADERS: u8 = 4;

/// The reason of a `GOAWAY` for who is a nuisance.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// How long a server may take nothing, or say nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// One frame.
#[derive(Debug)]
pub struct Frame {
    /// What it is.
    pub kind: u8,
    /// What it holds.
    pub payload: Vec<u8>,
}

/// A connection over TLS.
pub struct Frames(StreamOwned<ClientConnection, TcpStream>);

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A setting's bytes.
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A field of a head, as a literal that nobody is to keep (RFC 7541, section
/// 6.2.2). Neither is longer than 126 bytes.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap();
    let mut bytes = vec![0, length(name)];
    bytes.extend(name.as_bytes());
    bytes.push(length(value));
    bytes.extend(value.as_bytes());
    bytes
}

/// The head of a request.
pub fn head(authority: &str, method: &str, path: &str) -> Vec<u8> {
    fields(&[(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)])
}

/// A head of these fields, in this order.
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

impl Frames {
    /// Connects, and sends the preface with these settings.
    pub fn open(address: &str, trust: &Authority, settings: &[u8]) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(&trust.client(&["h2"])), name).unwrap();
        let mut frames = Self(StreamOwned::new(session, socket));
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames.send(&frame(SETTINGS, 0, 0, settings)).unwrap();
        frames.send(&frame(SETTINGS, ACK, 0, &[])).unwrap();
        frames
    }

    /// Sends bytes. It fails where the server has ended the connection, or
    /// takes nothing.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// What is below.
    pub fn socket(&self) -> &TcpStream {
        &self.0.sock
    }

    /// The next frame; none at the end.
    pub fn receive(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let [a, b, c, kind, ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame { kind, payload })
    }

    /// Everything up to the end.
    pub fn rest(mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.receive()).collect()
    }
}

/// Why the server ended the connection, where it said so.
pub fn reason(frames: &[Frame]) -> Option<u32> {
    let goaway = frames.iter().rfind(|frame| frame.kind == GOAWAY)?;
    Some(u32::from_be_bytes(goaway.payload[4..8].try_into().unwrap()))
}
