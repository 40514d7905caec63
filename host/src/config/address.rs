//! Addresses: where to listen, and whom to trust.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
};

use ipnet::IpNet;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address; empty means all of the machine's.
    pub host: String,
    /// 0 means any that is free.
    pub port: u16,
    /// The one family that is meant (`http.net: tcp4`, `tcp6`), if not both.
    pub family: Option<Family>,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Listen {
    /// An address as Go writes it: `:5000`, `127.0.0.1:5000`, `[::1]:5000`,
    /// `localhost:5000`. The error is a sentence's end: "… is to be {error}".
    pub fn parse(net: &str, addr: &str) -> Result<Self, String> {
        const LIKE: &str = "an address such as :5000, 127.0.0.1:5000 or [::1]:5000";
        let family = match net {
            "tcp4" => Some(Family::V4),
            "tcp6" => Some(Family::V6),
            _ => None,
        };
        let (host, port) = addr.rsplit_once(':').ok_or_else(|| LIKE.to_owned())?;
        let port = match port {
            "http" => 80,
            "https" => 443,
            "" => return Err(LIKE.to_owned()),
            _ if port.starts_with('+') => return Err(LIKE.to_owned()),
            _ => port.parse().map_err(|_| LIKE.to_owned())?,
        };
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or_else(|| LIKE.to_owned())?;
                // A zone may follow: fe80::1%eth0.
                let address = inner.split('%').next().unwrap_or(inner);
                address.parse::<Ipv6Addr>().map_err(|_| LIKE.to_owned())?;
                inner
            }
            None if host.contains([':', '[', ']', '/', ' ', '@']) || host.chars().any(char::is_control) => {
                return Err(LIKE.to_owned());
            }
            None => host,
        };
        Ok(Self { host: host.to_owned(), port, family })
    }

    /// The addresses to bind, best first; names are resolved. With no host,
    /// `[::]` (to be bound for both families), then `0.0.0.0`.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let Self { host, port, family } = self;
        let wanted = |addr: &SocketAddr| match family {
            None => true,
            Some(Family::V4) => addr.is_ipv4(),
            Some(Family::V6) => addr.is_ipv6(),
        };
        let found: Vec<SocketAddr> = if host.is_empty() {
            vec![(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()]
        } else {
            (host.as_str(), *port).to_socket_addrs()?.collect()
        };
        let found: Vec<SocketAddr> = found.into_iter().filter(wanted).take(16).collect();
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no address of that family"));
        }
        Ok(found)
    }

    /// Whether only this machine can connect.
    pub fn is_local(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A network, or one address: `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`. The error
/// is a sentence's end: "… is to be {error}".
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    const LIKE: &str = "an address or a network such as 192.0.2.7 or 10.0.0.0/8";
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().map_err(|_| LIKE.to_owned())?,
    };
    match network.trunc() == network {
        true => Ok(network),
        false => Err(format!("{}: more bits are set than its /{} says", network.trunc(), network.prefix_len())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn listen_addresses() {
        for (text, shown, local) in [
            (":5000", ":5000", false),
            ("127.0.0.1:5000", "127.0.0.1:5000", true),
            ("localhost:0", "localhost:0", true),
            ("[::1]:5000", "[::1]:5000", true),
            ("[::]:5000", "[::]:5000", false),
            ("0.0.0.0:https", "0.0.0.0:443", false),
            ("registry.example:443", "registry.example:443", false),
        ] {
            let listen = Listen::parse("tcp", text).unwrap();
            assert_eq!((listen.to_string().as_str(), listen.is_local()), (shown, local), "{text}");
        }
        for text in ["", "5000", ":", ":x", ":65536", ":-1", "::1:5000", "[::1:5000", "[x]:1", "http://x:1", "a b:1"] {
            assert!(Listen::parse("tcp", text).is_err(), "{text}");
        }
        let both = Listen::parse("", ":5000").unwrap().resolve().unwrap();
        assert_eq!(both, ["[::]:5000".parse().unwrap(), "0.0.0.0:5000".parse().unwrap()]);
        assert_eq!(Listen::parse("tcp4", ":1").unwrap().resolve().unwrap(), ["0.0.0.0:1".parse().unwrap()]);
    }

    #[test]
    fn networks() {
        for (text, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("fd00::/8", "fd12::1", true),
        ] {
            assert_eq!(
                network(text).unwrap().contains(&address.parse::<IpAddr>().unwrap()),
                inside,
                "{text} {address}"
            );
        }
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "x", "10.0.0.0/", "10.0.0.0/+8", "::/129"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
