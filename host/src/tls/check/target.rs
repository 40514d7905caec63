//! Which server is to be checked.

use std::{fmt, net::IpAddr, str::FromStr};

use rustls::pki_types::ServerName;

/// A host, and the port of its TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, without brackets.
    pub host: String,
    /// 443 where none was named.
    pub port: u16,
}

impl Target {
    /// As clients write it, in `Host` and in the names of directories: with no
    /// port where it is 443.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 443 { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

/// From `HOST`, `HOST:PORT`, an address (one of IPv6 in brackets where a port
/// follows), or a URL of such, which people paste.
impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{why}; write HOST, HOST:PORT or [ADDRESS]:PORT"));
        let rest = match text.split_once("://") {
            Some(("https", rest)) => rest.split('/').next().unwrap_or_default(),
            Some(_) => return wrong("only https:// can be checked"),
            None => text,
        };
        let bare = rest.parse::<IpAddr>().is_ok();
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !bare && !rest.ends_with(']') => match port.parse() {
                Ok(port) if port != 0 => (host, port),
                _ => return wrong("the port is to be a number from 1 to 65535"),
            },
            _ => (rest, 443),
        };
        let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
            None => host,
            Some(Some(inner)) if inner.contains(':') => inner,
            Some(_) => return wrong("the brackets are not those of an address"),
        };
        server_name(host)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

/// A name or an address that a certificate can be for.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned()).map_err(|_| {
        format!("{host:?} is neither a host's name nor an address; write HOST, HOST:PORT or [ADDRESS]:PORT")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn targets() {
        for (text, host, port, authority) in [
            ("localhost:5000", "localhost", 5000, "localhost:5000"),
            ("example.org", "example.org", 443, "example.org"),
            ("https://example.org:8443/v2/", "example.org", 8443, "example.org:8443"),
            ("https://example.org/", "example.org", 443, "example.org"),
            ("127.0.0.1:1", "127.0.0.1", 1, "127.0.0.1:1"),
            ("::1", "::1", 443, "[::1]"),
            ("[::1]", "::1", 443, "[::1]"),
            ("[::1]:5000", "::1", 5000, "[::1]:5000"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port), "{text}");
            assert_eq!(target.to_string(), authority);
        }
        for text in
            ["", ":5000", "a:b", "a:0", "a:65536", "http://a", "a b", "a/b", "../x:1", "[a]:1", "[::1:5", "a\u{1b}:1"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
