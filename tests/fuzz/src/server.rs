//! What arrives on a connection, before it is a request.

#[path = "../../../host/src/server/forwarded.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod forwarded;
#[path = "../../../host/src/server/framing.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod framing;
#[path = "../../../host/src/server/proxied/header.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod header;
#[path = "../../../host/src/server/listen.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod listen;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::listen::{ACME_TLS, Challenges};
use self::{forwarded::Trust, framing::Framing, header::Seen};

/// As `host/src/server/handler.rs` has them, as far as they are looked at.
pub type Notes = Arc<[(String, String)]>;

/// What is known of a request.
pub struct Facts {
    pub client: IpAddr,
    pub tls: Option<Arc<TlsFacts>>,
}

/// What is known of a connection.
pub struct TlsFacts {
    pub client: Option<Arc<ClientCertificate>>,
}

impl TlsFacts {
    /// Whether a certificate is for this host; here, each is.
    pub fn vouches_for(&self, _: &str) -> bool {
        true
    }
}

/// What is known of a client's certificate.
pub struct ClientCertificate {
    pub verified: bool,
    pub subject: String,
    pub dns_names: Vec<String>,
    pub emails: Vec<String>,
    pub uris: Vec<String>,
    pub fingerprint: String,
}

/// A PROXY header is found at its end, wherever it is cut on the way, and who
/// reads no more than is missing never reads beyond it.
pub fn proxy(bytes: &[u8]) {
    let whole = header::look(bytes);
    let mut read = 0;
    loop {
        match header::look(&bytes[..read]) {
            Ok(Seen::Part(missing)) => {
                assert!(missing > 0 && read + missing <= header::LONGEST);
                if read + missing > bytes.len() {
                    assert!(matches!(whole, Ok(Seen::Part(_)) | Err(_)), "{whole:?} at {read}");
                    return;
                }
                read += missing;
            }
            Ok(seen) => {
                assert_eq!(whole, Ok(seen), "found at {read}");
                return;
            }
            Err(_) => return,
        }
    }
}

/// Requests are framed alike, in whatever pieces their bytes come.
pub fn framing(bytes: &[u8]) {
    let run = |step: usize| {
        let mut framing = Framing::new(1024, 16);
        let mut good = 0;
        for piece in bytes.chunks(step) {
            if let Err(broken) = framing.feed(piece) {
                return Err(broken.wrong);
            }
            good += piece.len();
        }
        assert_eq!(good, bytes.len());
        Ok((framing.in_head(), framing.in_body(), framing.body()))
    };
    let whole = run(bytes.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(run(step), whole, "in pieces of {step}");
    }
}

/// A client that a proxy names is an address, and a host is one.
pub fn forwarded(bytes: &[u8]) {
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()]);
    for peer in [proxy, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))] {
        let mut headers = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
            let value = parts.next().and_then(|value| HeaderValue::from_bytes(value).ok());
            if let (Some(name), Some(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        let origin = trust.origin(peer, &mut headers);
        if peer != proxy {
            assert_eq!((origin.client, origin.scheme, &origin.host), (peer, None, &None));
        }
        assert!(matches!(origin.scheme, None | Some("http" | "https")));
        if let Some(host) = origin.host {
            assert!(HeaderValue::from_str(&host).is_ok() && !host.contains(['/', '@', ' ']), "{host:?}");
        }
    }
}
