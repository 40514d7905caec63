//! HTTP/1.1 over TLS with as little of its own work as can be: it shares the
//! processors with the server that is measured.

use bytes::Bytes;
use skerry_tests::client::Failure;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::ask::{Ask, Checker, Reply};

/// Bytes of an answer's head, at most.
const HEAD: usize = 32 << 10;

/// One connection.
pub struct H1 {
    stream: TlsStream<BufReader<TcpStream>>,
    authority: String,
    buffer: Box<[u8]>,
    /// What was read and not used yet.
    from: usize,
    to: usize,
    /// Where the last head lies; nothing else may be read before it is done with.
    head: (usize, usize),
}

impl H1 {
    pub fn new(stream: TlsStream<BufReader<TcpStream>>, authority: String) -> Self {
        let buffer = vec![0; 256 << 10].into_boxed_slice();
        Self { stream, authority, buffer, from: 0, to: 0, head: (0, 0) }
    }

    /// Sends a request and checks its answer.
    pub async fn exchange(&mut self, ask: &Ask<'_>, check: &mut Checker<'_>) -> Result<Reply, Failure> {
        let mut request = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", ask.method, ask.target, self.authority);
        for (name, value) in ask.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        match ask.body.length() {
            Some(0) if ask.method == "GET" || ask.method == "HEAD" => {}
            Some(length) => request.push_str(&format!("Content-Length: {length}\r\n")),
            None => request.push_str("Transfer-Encoding: chunked\r\n"),
        }
        request.push_str("\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let chunked = ask.body.length().is_none();
        for piece in ask.body.pieces() {
            if chunked {
                self.stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            }
            self.stream.write_all(&piece).await?;
            if chunked {
                self.stream.write_all(b"\r\n").await?;
            }
        }
        if chunked {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        self.stream.flush().await?;
        let status = self.head().await?;
        let text = |value: Option<&[u8]>| value.map(|value| String::from_utf8_lossy(value).into_owned());
        let reply =
            Reply { status, digest: text(self.field("docker-content-digest")), location: text(self.field("location")) };
        self.body(ask.method == "HEAD" || status == 204, check).await?;
        Ok(reply)
    }

    /// Sends a request that was made before, and demands a 200.
    pub async fn fast(&mut self, request: &Bytes, head_only: bool, check: &mut Checker<'_>) -> Result<(), Failure> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let status = self.head().await?;
        if status != 200 {
            return Err(format!("the status {status}").into());
        }
        if let Some(digest) = check.digest
            && self.field("docker-content-digest") != Some(digest.as_bytes())
        {
            return Err("another Docker-Content-Digest, or none".into());
        }
        if head_only {
            check.declared(self.length())?;
        }
        self.body(head_only, check).await
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to == self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        match self.stream.read(&mut self.buffer[self.to..]).await? {
            0 => Err("the connection ended before the answer did".into()),
            count => {
                self.to += count;
                Ok(())
            }
        }
    }

    /// Reads a head; returns its status.
    async fn head(&mut self) -> Result<u16, Failure> {
        let mut seen = 0;
        loop {
            let unused = &self.buffer[self.from..self.to];
            if let Some(at) = unused[seen..].windows(4).position(|four| four == b"\r\n\r\n") {
                let end = self.from + seen + at + 4;
                self.head = (self.from, end);
                self.from = end;
                break;
            }
            seen = unused.len().saturating_sub(3);
            if unused.len() > HEAD {
                return Err("the answer's head does not end".into());
            }
            self.fill().await?;
        }
        let head = &self.buffer[self.head.0..self.head.1];
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok());
        status.and_then(|status| status.parse().ok()).ok_or_else(|| "the answer is no HTTP/1.1".into())
    }

    /// A field of the last head.
    fn field(&self, name: &str) -> Option<&[u8]> {
        let head = &self.buffer[self.head.0..self.head.1];
        head.split(|&byte| byte == b'\n').find_map(|line| {
            let (field, value) = (line.get(..name.len())?, line.get(name.len() + 1..)?);
            (field.eq_ignore_ascii_case(name.as_bytes()) && line[name.len()] == b':').then(|| value.trim_ascii())
        })
    }

    fn length(&self) -> Option<u64> {
        std::str::from_utf8(self.field("content-length")?).ok()?.parse().ok()
    }

    async fn body(&mut self, none: bool, check: &mut Checker<'_>) -> Result<(), Failure> {
        if none {
            return Ok(());
        }
        if let Some(length) = self.length() {
            self.some(length, check).await?;
        } else if self.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
            loop {
                let line = self.line().await?;
                let size = u64::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16)?;
                self.some(size, check).await?;
                self.line().await?;
                if size == 0 {
                    break;
                }
            }
        } else {
            return Err("an answer that says nothing of its length".into());
        }
        check.end()
    }

    async fn some(&mut self, mut left: u64, check: &mut Checker<'_>) -> Result<(), Failure> {
        while left > 0 {
            if self.from == self.to {
                self.fill().await?;
            }
            let now = (self.to - self.from).min(usize::try_from(left).unwrap_or(usize::MAX));
            check.take(&self.buffer[self.from..self.from + now])?;
            self.from += now;
            left -= now as u64;
        }
        Ok(())
    }

    async fn line(&mut self) -> Result<String, Failure> {
        loop {
            let unused = &self.buffer[self.from..self.to];
            if let Some(at) = unused.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8_lossy(&unused[..at]).trim_end().to_owned();
                self.from += at + 1;
                return Ok(line);
            }
            if unused.len() > HEAD {
                return Err("a chunk's line does not end".into());
            }
            self.fill().await?;
        }
    }
}
