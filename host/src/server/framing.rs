//! Where HTTP/1.1 requests begin and end.
//!
//! hyper frames too, but leniently where RFC 9112 lets it be: bare LF, both
//! `Transfer-Encoding` and `Content-Length`, repeated lengths. What two parsers
//! read differently, one behind the other, is how requests are smuggled; so the
//! bytes are looked at before hyper sees them, and whatever could be read in
//! two ways ends the connection. As a by-product it is known at each moment
//! whether a head, a body or nothing is under way.

/// Follows one connection's requests.
pub(super) struct Framing {
    state: State,
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of this head, or of these trailers.
    size: usize,
    fields: usize,
    length: Option<u64>,
    chunked: bool,
    /// Bytes of the last body so far, as the client means them.
    body: u64,
    heads: u64,
    limits: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a request line, or between it and the empty line.
    Head,
    /// So many bytes to come.
    Length(u64),
    ChunkSize,
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailers,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Not HTTP/1.1, or ambiguous: what about it.
    Malformed(&'static str),
    /// The head is too large.
    TooLarge,
}

/// Found something wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// So many bytes belong to requests before the broken one.
    pub(super) good: usize,
    pub(super) wrong: Wrong,
}

/// Bytes of a chunk's size line; of what clients send, 8.
const CHUNK_LINE: usize = 256;

impl Framing {
    /// With limits on a head's bytes and fields.
    pub(super) fn new(bytes: usize, fields: usize) -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            size: 0,
            fields: 0,
            length: None,
            chunked: false,
            body: 0,
            heads: 0,
            limits: (bytes, fields),
        }
    }

    /// A head has begun and not ended.
    pub(super) fn in_head(&self) -> bool {
        self.state == State::Head && self.size > 0
    }

    /// A body has begun and not ended.
    pub(super) fn in_body(&self) -> bool {
        self.state != State::Head
    }

    /// Bytes of the last body so far.
    pub(super) fn body(&self) -> u64 {
        self.body
    }

    /// Heads that have come to their end.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Looks at the next bytes of the connection.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        let mut good = 0;
        while !rest.is_empty() {
            if self.state == State::Head && self.size == 0 {
                good = bytes.len() - rest.len();
            }
            rest = match self.state {
                State::Length(left) | State::Chunk(left) => self.pass(rest, left),
                _ => self.line(rest).map_err(|wrong| Broken { good, wrong })?,
            };
        }
        Ok(())
    }

    /// Body bytes go by.
    fn pass<'a>(&mut self, bytes: &'a [u8], left: u64) -> &'a [u8] {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - take as u64;
        self.body += take as u64;
        match (&mut self.state, left) {
            (State::Length(_), 0) => self.begin(),
            (State::Length(to) | State::Chunk(to), 1..) => *to = left,
            (state, _) => *state = State::ChunkEnd,
        }
        bytes.get(take..).unwrap_or_default()
    }

    /// The next request.
    fn begin(&mut self) {
        self.state = State::Head;
        (self.size, self.fields, self.length, self.chunked) = (0, 0, None, false);
    }

    /// Takes a line, or the part of one that is there.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Wrong> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.size += line.len();
        let limit = match self.state {
            State::ChunkSize | State::ChunkEnd => CHUNK_LINE,
            _ => self.limits.0,
        };
        if self.size > limit {
            return Err(Wrong::TooLarge);
        }
        if end.is_none() {
            self.line.extend_from_slice(line);
        } else if self.line.is_empty() {
            self.whole(line)?;
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(line);
            self.whole(&whole)?;
        }
        Ok(rest)
    }

    /// A whole line, with its end.
    fn whole(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let line = line.strip_suffix(b"\r\n").ok_or(Wrong::Malformed("a line that ends in LF alone"))?;
        // To the end, whatever comes: several bytes are looked at at once.
        if line.iter().fold(false, |found, byte| found | matches!(byte, 0..=8 | 10..=31 | 127)) {
            return Err(Wrong::Malformed("a control character"));
        }
        match self.state {
            State::Head if self.fields == 0 => match line {
                // RFC 9112, 2.2: an empty line before a request line is passed
                // over. Its bytes count, so they are few.
                [] => {}
                line => {
                    self.fields = 1;
                    request_line(line)?;
                }
            },
            State::Head => match line {
                [] => return self.head_end(),
                line => self.field(line)?,
            },
            State::ChunkSize => {
                self.size = 0;
                self.state = match chunk_size(line)? {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd if line.is_empty() => {
                self.size = 0;
                self.state = State::ChunkSize;
            }
            State::ChunkEnd => return Err(Wrong::Malformed("a chunk that is longer than its size")),
            State::Trailers if line.is_empty() => self.begin(),
            State::Trailers | State::Length(_) | State::Chunk(_) => {}
        }
        Ok(())
    }

    /// One header field.
    fn field(&mut self, line: &[u8]) -> Result<(), Wrong> {
        self.fields += 1;
        if self.fields > self.limits.1.saturating_add(1) {
            return Err(Wrong::TooLarge);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Wrong::Malformed("a field without a colon"))?;
        let (name, value) = line.split_at(colon);
        // This is where a folded line, and space before the colon, end too.
        if name.is_empty() || !is_token(name) {
            return Err(Wrong::Malformed("a field name"));
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Wrong::Malformed("two lengths"));
            }
            self.length = Some(number(value, 10).ok_or(Wrong::Malformed("a length that is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Wrong::Malformed("a transfer encoding other than chunked"));
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// The empty line.
    fn head_end(&mut self) -> Result<(), Wrong> {
        self.body = 0;
        self.heads += 1;
        match (self.chunked, self.length) {
            (true, Some(_)) => return Err(Wrong::Malformed("both a transfer encoding and a length")),
            (true, None) => {
                self.size = 0;
                self.state = State::ChunkSize;
            }
            (false, None | Some(0)) => self.begin(),
            (false, Some(length)) => self.state = State::Length(length),
        }
        Ok(())
    }
}

fn request_line(line: &[u8]) -> Result<(), Wrong> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    if !method.is_some_and(|method| !method.is_empty() && is_token(method)) {
        return Err(Wrong::Malformed("a method"));
    }
    if !target.is_some_and(|target| target.first().is_some_and(|byte| matches!(byte, b'/' | b'*'))) {
        return Err(Wrong::Malformed("a target that is no path"));
    }
    match (version, parts.next()) {
        (Some(b"HTTP/1.1" | b"HTTP/1.0"), None) => Ok(()),
        _ => Err(Wrong::Malformed("a version other than HTTP/1.1 and HTTP/1.0")),
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Wrong> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    number(digits.trim_ascii_end(), 16).ok_or(Wrong::Malformed("a chunk size"))
}

/// Digits and nothing else; the sum of such numbers must not overflow either.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let number = u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    (number <= 1 << 60).then_some(number)
}

/// RFC 9110, 5.6.2, but for its length.
fn is_token(bytes: &[u8]) -> bool {
    let of_token = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
    };
    bytes.iter().all(of_token)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::{Broken, Framing, Wrong, is_token};

    fn run(bytes: &[u8], step: usize) -> (Framing, Result<(), Broken>) {
        let mut framing = Framing::new(1024, 8);
        for part in bytes.chunks(step) {
            if let Err(broken) = framing.feed(part) {
                return (framing, Err(broken));
            }
        }
        (framing, Ok(()))
    }

    #[test]
    fn tokens() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&[b'a', byte]), expected, "{byte}");
        }
    }

    #[test]
    fn good() {
        let requests: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\r\nGET /?a HTTP/1.0\r\n\r\n",
            b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\0b\r",
            b"PUT /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\nA \r\n0123456789\r\n0\r\nT: x\r\n\r\n",
            b"PUT /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ];
        let all = requests.concat();
        for bytes in requests.iter().copied().chain([all.as_slice()]) {
            for step in [1, 2, 7, 1 << 20] {
                let (framing, result) = run(bytes, step);
                assert_eq!(result, Ok(()));
                assert!(!framing.in_body() && !framing.in_head());
            }
        }
        let (framing, _) = run(b"PUT /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\na", 3);
        assert!(framing.in_body() && framing.body() == 4);
        assert!(run(b"GET / HT", 3).0.in_head());
    }

    #[test]
    fn wrong() {
        for (bytes, about) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", "LF alone"),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", "LF alone"),
            ("GET / HTTP/1.1\r\nA: a\rb\r\n\r\n", "control"),
            ("GET / HTTP/1.1\r\nA: a\r\n b\r\n\r\n", "without a colon"),
            ("GET / HTTP/1.1\r\nA: a\r\n b: c\r\n\r\n", "field name"),
            ("GET / HTTP/1.1\r\nA : a\r\n\r\n", "field name"),
            ("GET  / HTTP/1.1\r\n\r\n", "no path"),
            ("GET http://a/ HTTP/1.1\r\n\r\n", "no path"),
            ("CONNECT a:1 HTTP/1.1\r\n\r\n", "no path"),
            ("GET / HTTP/1.2\r\n\r\n", "version"),
            ("GET / HTTP/1.1 x\r\n\r\n", "version"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version"),
            ("G\x7fT / HTTP/1.1\r\n\r\n", "control"),
            ("A / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "both"),
            ("A / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", "two"),
            ("A / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", "no number"),
            ("A / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n", "no number"),
            ("A / HTTP/1.1\r\nContent-Length:\r\n\r\n", "no number"),
            ("A / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "no number"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "other than chunked"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", "other than chunked"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "other than chunked"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n", "LF alone"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", "chunk size"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n", "chunk size"),
            ("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "longer"),
        ] {
            for step in [1, 5, 1 << 20] {
                let (_, result) = run(bytes.as_bytes(), step);
                match result {
                    Err(Broken { wrong: Wrong::Malformed(what), .. }) if what.contains(about) => {}
                    other => panic!("{bytes:?} by {step}: {other:?}, not {about}"),
                }
            }
        }
        for bytes in [
            format!("GET /{} HTTP/1.1\r\n", "a".repeat(1100)),
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(9)),
            "\r\n".repeat(600),
            format!("A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;{}\r\n", "a".repeat(300)),
        ] {
            assert!(matches!(run(bytes.as_bytes(), 100).1, Err(Broken { wrong: Wrong::TooLarge, .. })), "{bytes}");
        }
    }

    #[test]
    fn good_bytes_before_a_broken_request() {
        let first = b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let (_, result) = run(&[first.as_slice(), b"GET / HTTP/1.1\nA"].concat(), 1 << 20);
        assert_eq!(result.map_err(|broken| broken.good), Err(first.len()));
    }
}
