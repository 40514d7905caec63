//! The header itself, versions 1 and 2 of
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a header of version 2; those of one of version 1 are 107. What is
/// beyond its addresses is read and not looked at.
pub(super) const LONGEST: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const WORD: &[u8; 6] = b"PROXY ";
const LONGEST_LINE: usize = 107;
/// The shortest lines there are.
const SHORTEST_LINE: usize = b"PROXY UNKNOWN\r\n".len();
const SHORTEST_4: usize = b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".len();
const SHORTEST_6: usize = b"PROXY TCP6 :: :: 1 1\r\n".len();

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The beginning of a header, of which at least so many bytes are missing:
    /// who reads no more than those never reads beyond it.
    Part(usize),
    /// A header, and the client that it names; `None` if it names none.
    Whole(Option<IpAddr>),
}

/// Looks at the first bytes of a connection. The error says what is wrong.
pub(super) fn look(bytes: &[u8]) -> Result<Seen, &'static str> {
    if begins(bytes, WORD) {
        line(bytes)
    } else if begins(bytes, SIGNATURE) {
        block(bytes)
    } else {
        Err("it does not begin with one")
    }
}

/// Whether the bytes are the word, as far as they go.
fn begins(bytes: &[u8], word: &[u8]) -> bool {
    bytes.iter().zip(word).all(|(byte, expected)| byte == expected)
}

/// Version 1: a line of text.
fn line(bytes: &[u8]) -> Result<Seen, &'static str> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        let shortest = match bytes {
            [b'P', b'R', b'O', b'X', b'Y', b' ', b'T', b'C', b'P', b'4', ..] => SHORTEST_4,
            [b'P', b'R', b'O', b'X', b'Y', b' ', b'T', b'C', b'P', b'6', ..] => SHORTEST_6,
            _ => SHORTEST_LINE,
        };
        let end = if bytes.ends_with(b"\r") { 1 } else { 2 };
        let missing = shortest.saturating_sub(bytes.len()).max(end);
        let fits = bytes.len() + missing <= LONGEST_LINE;
        return if fits { Ok(Seen::Part(missing)) } else { Err("its line is longer than 107 bytes") };
    };
    let text = bytes.get(..=end).and_then(|line| line.strip_suffix(b"\r\n")).ok_or("its line ends with no CR")?;
    let text = text.strip_prefix(WORD).and_then(|text| std::str::from_utf8(text).ok()).ok_or("it is no text")?;
    let mut words = text.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(Seen::Whole(None));
    }
    let (Some(source), Some(destination), Some(from), Some(to), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err("its line is not of two addresses and two ports");
    };
    if !is_port(from) || !is_port(to) {
        return Err("a port is no number of 0 to 65535");
    }
    let addresses: Option<(IpAddr, IpAddr)> = match family {
        Some("TCP4") => both::<Ipv4Addr>(source, destination),
        Some("TCP6") => both::<Ipv6Addr>(source, destination),
        _ => return Err("it is neither of TCP4 nor of TCP6 nor UNKNOWN"),
    };
    let (source, _) = addresses.ok_or("an address is none of its family")?;
    Ok(Seen::Whole(Some(source.to_canonical())))
}

fn both<A: std::str::FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<(IpAddr, IpAddr)> {
    Some((source.parse::<A>().ok()?.into(), destination.parse::<A>().ok()?.into()))
}

fn is_port(text: &str) -> bool {
    let plain = text == "0" || !text.starts_with('0');
    plain && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Version 2: sixteen bytes, then as many as they say.
fn block(bytes: &[u8]) -> Result<Seen, &'static str> {
    const FIXED: usize = 16;
    let Some((&[version, family, high, low], rest)) =
        bytes.get(SIGNATURE.len()..).and_then(|after| after.split_first_chunk::<4>())
    else {
        return Ok(Seen::Part(FIXED.saturating_sub(bytes.len())));
    };
    let local = match version {
        0x20 => true,
        0x21 => false,
        _ => return Err("its version or its command is none that is known"),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return Err("it is longer than 4096 bytes");
    }
    // Of source and destination together.
    let addresses = match family {
        _ if local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err("it is of a protocol other than TCP"),
    };
    if length < addresses {
        return Err("it is too short for its addresses");
    }
    if let Some(missing) = length.checked_sub(rest.len()).filter(|missing| *missing > 0) {
        return Ok(Seen::Part(missing));
    }
    let source: Option<IpAddr> = match (addresses, rest.first_chunk::<4>(), rest.first_chunk::<16>()) {
        (12, Some(source), _) => Some(Ipv4Addr::from(*source).into()),
        (36, _, Some(source)) => Some(Ipv6Addr::from(*source).into()),
        _ => None,
    };
    Ok(Seen::Whole(source.map(|source| source.to_canonical())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    /// Reads as a connection is read, and returns how much of it was taken.
    fn read(bytes: &[u8]) -> Result<(Option<IpAddr>, usize), &'static str> {
        let mut taken = 0;
        loop {
            match look(&bytes[..taken])? {
                Seen::Whole(client) => return Ok((client, taken)),
                Seen::Part(0) => panic!("it waits for nothing after {taken} bytes"),
                Seen::Part(_) if taken == bytes.len() => return Err("cut"),
                Seen::Part(missing) => taken = bytes.len().min(taken + missing),
            }
        }
    }

    fn second(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version, family]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn lines() {
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let filled = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
        for (line, client) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Some("192.0.2.7")),
            ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", Some("1.1.1.1")),
            ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Some("0.0.0.0")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", Some("2001:db8::7")),
            ("PROXY TCP6 :: :: 1 1\r\n", Some("::")),
            ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 1\r\n", Some("192.0.2.7")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 whatever else\r\n", None),
            (longest, Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
            (filled.as_str(), None),
        ] {
            let client = client.map(|client| client.parse().unwrap());
            for behind in ["", "GET / HTTP/1.1\r\n\r\n", "\n\n"] {
                let whole = format!("{line}{behind}");
                assert_eq!(read(whole.as_bytes()), Ok((client, line.len())), "{whole:?}");
            }
            for end in 0..line.len() {
                assert_eq!(read(&line.as_bytes()[..end]), Err("cut"), "{:?}", &line[..end]);
            }
        }
        for line in [
            "GET / HTTP/1.1\r\n\r\n",
            "PROXX TCP4",
            "PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n                   ",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n  ",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 x\r\n",
            "PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 1 1\r\n",
            "PROXY TCP6 192.0.2.7 192.0.2.8 1 1\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n",
            "PROXY TCP4 1.1.1.1 host.example 1 1\r\n",
            "PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY \r\n                          ",
            &filled.replace('\r', "x\r"),
        ] {
            let refused = read(line.as_bytes());
            assert!(refused.is_err() && refused != Err("cut"), "{line:?}: {refused:?}");
        }
        assert!(read(b"PROXY UNKNOWN \xff\r\n").is_err());
    }

    #[test]
    fn blocks() {
        let four: Vec<u8> = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb].to_vec();
        let six: Vec<u8> = [[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, 7]]
            .concat()
            .into_iter()
            .chain([0; 16])
            .chain([0xdc, 4, 1, 0xbb])
            .collect();
        let with = |addresses: &[u8], more: usize| [addresses, &vec![0x20; more]].concat();
        for (version, family, body, client) in [
            (0x21, 0x11, four.clone(), Some("192.0.2.7")),
            (0x21, 0x21, six.clone(), Some("2001:db8::7")),
            // With extensions, up to the bound.
            (0x21, 0x11, with(&four, 7), Some("192.0.2.7")),
            (0x21, 0x21, with(&six, LONGEST - 16 - 36), Some("2001:db8::7")),
            (0x21, 0x31, vec![b'/'; 216], None),
            (0x21, 0x00, vec![], None),
            (0x21, 0x00, vec![1; 30], None),
            // The proxy's own: whatever it says of addresses is not meant.
            (0x20, 0x00, vec![], None),
            (0x20, 0x11, four.clone(), None),
            (0x20, 0x99, vec![1; 3], None),
        ] {
            let client = client.map(|client| client.parse().unwrap());
            let header = second(version, family, &body);
            let whole = [header.as_slice(), b"\x16\x03\x01"].concat();
            assert_eq!(read(&whole), Ok((client, header.len())), "{version:x} {family:x} {}", body.len());
            for end in 0..header.len() {
                assert_eq!(read(&header[..end]), Err("cut"));
            }
        }
        for (version, family, body) in [
            (0x11, 0x11, four.clone()),
            (0x31, 0x11, four.clone()),
            (0x22, 0x11, four.clone()),
            (0x21, 0x12, four.clone()),
            (0x21, 0x22, six.clone()),
            (0x21, 0x01, four.clone()),
            (0x21, 0x41, four.clone()),
            (0x21, 0x11, four[..11].to_vec()),
            (0x21, 0x11, vec![]),
            (0x21, 0x21, six[..35].to_vec()),
            (0x21, 0x31, vec![0; 215]),
            (0x21, 0x11, vec![0; LONGEST - 15]),
            (0x20, 0x00, vec![0; 65535]),
        ] {
            let refused = read(&second(version, family, &body));
            assert!(refused.is_err() && refused != Err("cut"), "{version:x} {family:x} {}", body.len());
        }
        assert!(read(b"\r\n\r\n\0\r\nQUIX\n").is_err());
    }

    proptest! {
        /// Whatever comes, no more is asked for than a header may have, and
        /// what comes behind it changes nothing.
        #[test]
        fn never_beyond(
            start in prop_oneof![Just(&b"PROXY "[..]), Just(&b"PROXY TCP4 "[..]), Just(&b"PROXY TCP6 "[..]), Just(&SIGNATURE[..]), Just(&[][..])],
            rest in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "[0-9a-f:. ]{0,60}(\r\n)?.{0,20}".prop_map(String::into_bytes),
            ],
            behind in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [start, &rest].concat();
            match read(&bytes) {
                Ok((client, taken)) => {
                    prop_assert!(taken <= LONGEST);
                    prop_assert_eq!(read(&[&bytes[..], &behind[..]].concat()), Ok((client, taken)));
                    prop_assert!(look(&bytes[..taken - 1]).is_ok_and(|seen| matches!(seen, Seen::Part(_))));
                }
                Err("cut") => prop_assert!(bytes.len() < LONGEST),
                Err(_) => prop_assert!(read(&[&bytes[..], &behind[..]].concat()).is_err()),
            }
        }
    }
}
