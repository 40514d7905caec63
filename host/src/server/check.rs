//! Whether a request says one thing and says it clearly.

use http::{
    HeaderValue, Method, Uri, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    request::Parts,
    uri::{Authority, PathAndQuery},
};

use super::{handler::HostFailure, options::Limits};

/// Checks a head and brings it to one form for HTTP/1.1 and HTTP/2: the URI is
/// a path with a query, the authority is in `Host`.
///
/// What the bytes of HTTP/1.1 must not say is checked before hyper sees them
/// (`framing`).
pub(super) fn check(head: &mut Parts, limits: &Limits) -> Result<(), HostFailure> {
    if head.method == Method::CONNECT {
        return Err(HostFailure::BadRequest);
    }
    if head.headers.len() > limits.head_fields {
        return Err(HostFailure::HeadTooLarge);
    }
    let target = head.uri.path_and_query().ok_or(HostFailure::BadRequest)?;
    if target.as_str().len() > limits.target_bytes {
        return Err(HostFailure::HeadTooLarge);
    }
    // `OPTIONS *` asks about the server as a whole: there is nothing to say.
    if !target.path().starts_with('/') {
        return Err(HostFailure::BadRequest);
    }
    let target = target.clone();
    authority(head)?;
    lengths(head)?;
    head.uri = Uri::from(target);
    Ok(())
}

/// Takes a prefix off the path; false where it is not there.
pub(super) fn strip_prefix(head: &mut Parts, prefix: &str) -> bool {
    if prefix.is_empty() {
        return true;
    }
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let rest = match target.strip_prefix(prefix) {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("/{rest}"),
        _ => return false,
    };
    match PathAndQuery::try_from(rest) {
        Ok(target) => {
            head.uri = Uri::from(target);
            true
        }
        Err(_) => false,
    }
}

/// One host, named once; HTTP/1.0 may leave it out.
fn authority(head: &mut Parts) -> Result<(), HostFailure> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| host.to_str().map_err(|_| HostFailure::BadRequest)).transpose()?;
    if hosts.next().is_some() {
        return Err(HostFailure::BadRequest);
    }
    if let Some(host) = host {
        let authority = host.parse::<Authority>().map_err(|_| HostFailure::BadRequest)?;
        if host.contains('@') || authority.host().is_empty() {
            return Err(HostFailure::BadRequest);
        }
    }
    let named = head.uri.authority().filter(|_| head.version == Version::HTTP_2);
    match (named, host) {
        (None, Some(_)) => Ok(()),
        (None, None) if head.version == Version::HTTP_10 => Ok(()),
        (None, None) => Err(HostFailure::BadRequest),
        (Some(named), _) if named.as_str().contains('@') => Err(HostFailure::BadRequest),
        (Some(named), Some(host)) if !named.as_str().eq_ignore_ascii_case(host) => Err(HostFailure::BadRequest),
        (Some(_), Some(_)) => Ok(()),
        (Some(named), None) => {
            let host = HeaderValue::try_from(named.as_str()).map_err(|_| HostFailure::BadRequest)?;
            head.headers.insert(HOST, host);
            Ok(())
        }
    }
}

/// HTTP/2 frames by itself; what the fields say besides must agree with it.
fn lengths(head: &Parts) -> Result<(), HostFailure> {
    let many = head.headers.get_all(CONTENT_LENGTH).iter().count() > 1;
    let encoded = head.version == Version::HTTP_2 && head.headers.contains_key(TRANSFER_ENCODING);
    if many || encoded { Err(HostFailure::BadRequest) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{Request, Version};

    use super::{check, strip_prefix};
    use crate::server::{HostFailure, Limits};

    #[test]
    fn authority() {
        let bad = Err(HostFailure::BadRequest);
        for (version, uri, hosts, result) in [
            (Version::HTTP_11, "/a?b", &["h:5000"] as &[&str], Ok("h:5000")),
            (Version::HTTP_11, "/a?b", &["[::1]:5000"], Ok("[::1]:5000")),
            (Version::HTTP_11, "/a?b", &[], bad),
            (Version::HTTP_11, "/a?b", &["a", "a"], bad),
            (Version::HTTP_11, "/a?b", &[""], bad),
            (Version::HTTP_11, "/a?b", &["u@a"], bad),
            (Version::HTTP_11, "/a?b", &["a/b"], bad),
            (Version::HTTP_11, "*", &["a"], bad),
            (Version::HTTP_10, "/a?b", &[], Ok("")),
            (Version::HTTP_2, "https://h:1/a?b", &[], Ok("h:1")),
            (Version::HTTP_2, "https://h:1/a?b", &["H:1"], Ok("H:1")),
            (Version::HTTP_2, "https://h:1/a?b", &["h:2"], bad),
            (Version::HTTP_2, "https://u@h/a?b", &[], bad),
            (Version::HTTP_2, "/a?b", &[], bad),
        ] {
            let mut request = Request::builder().version(version).uri(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            let got = check(&mut head, &Limits::default());
            let host = head.headers.get("host").map_or("", |host| host.to_str().unwrap());
            assert_eq!(got.map(|()| host), result, "{version:?} {uri} {hosts:?}");
            if got.is_ok() {
                assert_eq!(head.uri, "/a?b");
            }
        }
    }

    #[test]
    fn prefix() {
        for (prefix, uri, rest) in [
            ("", "/v2/?a", Some("/v2/?a")),
            ("/p", "/p/v2/?a", Some("/v2/?a")),
            ("/p", "/p", Some("/")),
            ("/p", "/p?a", Some("/?a")),
            ("/p", "/pq/v2/", None),
            ("/p", "/v2/", None),
        ] {
            let (mut head, ()) = Request::get(uri).body(()).unwrap().into_parts();
            assert_eq!(strip_prefix(&mut head, prefix).then(|| head.uri.to_string()).as_deref(), rest, "{uri}");
        }
    }
}
