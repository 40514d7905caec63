//! Who the client is when proxies stand between.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use http::{HeaderMap, HeaderName, header::FORWARDED, uri::Authority};
use ipnet::IpNet;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What is read of them.
pub(super) const FIELDS: [HeaderName; 4] = [FORWARDED, FOR, PROTO, HOST];

/// What the outermost trusted proxy saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) client: IpAddr,
    /// `http` or `https`, where a proxy said so.
    pub(super) scheme: Option<&'static str>,
    /// Where a proxy said so.
    pub(super) host: Option<String>,
}

/// Whose word counts.
pub(super) struct Trust {
    proxies: Vec<IpNet>,
    warned: AtomicBool,
}

/// How many proxies in a row are followed.
const HOPS: usize = 32;

impl Trust {
    pub(super) fn new(proxies: Vec<IpNet>) -> Self {
        Self { proxies, warned: AtomicBool::new(false) }
    }

    /// Whether this is a proxy that the operator trusts.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// Reads what trusted proxies say and takes it all out of the head, so
    /// that nothing behind believes what a stranger wrote.
    pub(super) fn origin(&self, peer: IpAddr, headers: &mut HeaderMap) -> Origin {
        let mut origin = Origin { client: peer, scheme: None, host: None };
        if !FIELDS.iter().any(|name| headers.contains_key(name)) {
            return origin;
        }
        if self.trusts(peer) {
            // Of both, one is mostly a client's own that a proxy does not know
            // and hands on: nearly all proxies write the older.
            if headers.contains_key(FORWARDED) && !headers.contains_key(FOR) {
                self.forwarded(&mut origin, &list(headers, &FORWARDED));
            } else {
                self.x_forwarded(&mut origin, headers);
            }
        } else if !self.warned.swap(true, Relaxed) {
            tracing::warn!(%peer, "Forwarded or X-Forwarded-* from an address that is not in http.trustedproxies: ignored, here and from now on");
        }
        for name in FIELDS {
            headers.remove(name);
        }
        origin
    }

    /// RFC 7239. Each proxy appends an element about who came to it.
    fn forwarded(&self, origin: &mut Origin, elements: &[String]) {
        for element in elements.iter().rev().take(HOPS) {
            let mut hop = None;
            for pair in split(element, ';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = unquote(value.trim());
                match name.trim() {
                    name if name.eq_ignore_ascii_case("for") => hop = node(&value),
                    name if name.eq_ignore_ascii_case("proto") => origin.scheme = scheme(&value).or(origin.scheme),
                    name if name.eq_ignore_ascii_case("host") => origin.host = host(&value).or(origin.host.take()),
                    _ => {}
                }
            }
            // `unknown`, or hidden on purpose: the proxy stands for it.
            let Some(hop) = hop else { return };
            origin.client = hop;
            if !self.trusts(hop) {
                return;
            }
        }
    }

    /// The older way: a list of addresses, and beside it a scheme and a host
    /// that proxies set, or append to as well.
    fn x_forwarded(&self, origin: &mut Origin, headers: &HeaderMap) {
        let mut hops = 0;
        for hop in list(headers, &FOR).iter().rev().take(HOPS) {
            let Some(hop) = node(hop) else { break };
            hops += 1;
            origin.client = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        let pick = |name| {
            let mut values = list(headers, &name);
            let at = values.len().saturating_sub(hops.max(1));
            (at < values.len()).then(|| values.swap_remove(at))
        };
        origin.scheme = pick(PROTO).and_then(|value| scheme(&value));
        origin.host = pick(HOST).and_then(|value| host(&value));
    }
}

/// The elements of a comma-separated field.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| split(value, ',')).map(|item| item.trim().to_owned()).collect()
}

/// Splits, but not within quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == at && !quoted
    })
}

fn unquote(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(quoted) => quoted.replace('\\', ""),
        None => value.to_owned(),
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
fn node(value: &str) -> Option<IpAddr> {
    let bare = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
    let address = bare.parse::<IpAddr>().or_else(|_| value.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn scheme(value: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| value.eq_ignore_ascii_case(scheme))
}

/// Goes into `Location`, so it must be a host and no more.
fn host(value: &str) -> Option<String> {
    let authority = value.parse::<Authority>().ok()?;
    (!value.contains('@') && !authority.host().is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Origin, Trust};

    #[test]
    fn table() {
        let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], (&'a str, Option<&'static str>, Option<&'a str>));
        let cases: &[Case<'_>] = &[
            ("10.0.0.1", &[], ("10.0.0.1", None, None)),
            ("192.0.2.9", &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")], ("192.0.2.9", None, None)),
            (
                "10.0.0.1",
                &[
                    ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "r.example:8"),
                ],
                ("1.2.3.4", Some("https"), Some("r.example:8")),
            ),
            // A stranger's element stands before what trusted proxies added.
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.2"), ("x-forwarded-proto", "http, https, http")],
                ("1.2.3.4", Some("https"), None),
            ),
            ("10.0.0.1", &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "fd00::7")], ("1.2.3.4", None, None)),
            ("10.0.0.1", &[("x-forwarded-for", "junk, 10.0.0.2")], ("10.0.0.2", None, None)),
            ("10.0.0.1", &[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a@b")], ("10.0.0.1", None, None)),
            (
                "fd00::1",
                &[(
                    "forwarded",
                    "for=6.6.6.6;host=evil, For=\"[2001:db8::1]:99\";proto=HTTPS;host=\"r:5\", for=10.0.0.2;proto=http",
                )],
                ("2001:db8::1", Some("https"), Some("r:5")),
            ),
            (
                "10.0.0.1",
                &[("forwarded", "for=_hidden;proto=https"), ("x-forwarded-host", "evil")],
                ("10.0.0.1", Some("https"), None),
            ),
            (
                "10.0.0.1",
                &[
                    ("forwarded", "for=6.6.6.6;proto=http;host=evil"),
                    ("x-forwarded-for", "1.1.1.1"),
                    ("x-forwarded-proto", "https"),
                ],
                ("1.1.1.1", Some("https"), None),
            ),
        ];
        for (peer, fields, (client, scheme, host)) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.append(name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
            }
            let origin = trust.origin(peer.parse().unwrap(), &mut headers);
            let expected = Origin { client: client.parse().unwrap(), scheme: *scheme, host: host.map(str::to_owned) };
            assert_eq!(origin, expected, "{peer} {fields:?}");
            assert!(headers.is_empty());
        }
    }
}
