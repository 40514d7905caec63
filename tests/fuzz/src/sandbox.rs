//! What a guest answers. Its types are as the bindings have them.

#[path = "../../../host/src/sandbox/answer.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod answer;
mod policy;

use self::bindings::handler::{Content, HostAnswer, Response, Slice};
pub use self::policy::{challenges, credentials};

/// As `wit/` has them.
#[allow(dead_code, missing_docs, reason = "`wit/` says it, and not all is looked at")]
pub mod bindings {
    pub mod handler {
        pub struct Response {
            pub status: u16,
            pub headers: Vec<(String, String)>,
            pub body: Content,
            pub notes: Vec<(String, String)>,
        }
        pub enum Content {
            Empty,
            Bytes(Vec<u8>),
            Slice(Slice),
        }
        pub struct Slice {
            pub key: String,
            pub offset: u64,
            pub length: u64,
        }
        pub struct HostAnswer {
            pub headers: Vec<(String, String)>,
            pub body: Vec<u8>,
        }
    }
    pub mod auth {
        pub struct Challenge {
            pub scheme: String,
            pub parameters: Vec<(String, String)>,
        }
        pub struct Client {
            pub credential: Credential,
            pub address: String,
            pub certificate: Option<Certificate>,
        }
        pub enum Credential {
            None,
            Basic((String, String)),
            Bearer(String),
            Unknown,
        }
        pub struct Certificate {
            pub subject: String,
            pub dns_names: Vec<String>,
            pub emails: Vec<String>,
            pub uris: Vec<String>,
            pub sha256: String,
        }
    }
}

/// Lines of `name:value` up to an empty one, and the rest.
fn fields(text: &str) -> (Vec<(String, String)>, &str) {
    let (head, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.replace('\r', "\r\n"))
    };
    (head.split('\n').filter(|line| !line.is_empty()).map(pair).collect(), rest)
}

/// Status, kind of body, its offset and length, then fields, then notes, then
/// the body: what passes can be sent, and frames nothing.
pub fn answers(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<19>() else { return };
    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
    let text = crate::text(rest);
    let (headers, rest) = fields(&text);
    let (notes, body) = fields(rest);
    let (kind, limit) = (head[2] % 3, 4096);
    let body = match kind {
        0 => Content::Empty,
        1 => Content::Bytes(body.as_bytes().to_vec()),
        _ => Content::Slice(Slice { key: body.to_owned(), offset: number(3), length: number(11) }),
    };
    let own = HostAnswer { headers: headers.clone(), body: rest.as_bytes().to_vec() };
    let status = u16::from_le_bytes([head[0], head[1]]);
    if let Ok(checked) = answer::check(Response { status, headers, body, notes }, limit) {
        assert!((200..600).contains(&checked.status.as_u16()));
        sendable(&checked.headers);
        match checked.content {
            answer::Content::Empty => {}
            answer::Content::Bytes(bytes) => assert!(bytes.len() <= limit && ![204, 304].contains(&status)),
            answer::Content::Slice { offset, length, .. } => assert!(offset.checked_add(length).is_some()),
        }
    }
    if let Ok((headers, _)) = answer::check_own(own) {
        sendable(&headers);
    }
}

fn sendable(headers: &http::HeaderMap) {
    assert!(headers.len() <= 64);
    for (name, value) in headers {
        let framing = ["content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "keep-alive"];
        assert!(!framing.contains(&name.as_str()), "{name}");
        assert!(value.as_bytes().iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 127), "{value:?}");
    }
}
