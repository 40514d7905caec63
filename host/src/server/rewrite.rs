//! `Location` and `Link`: from paths as the guest sees them to what the
//! client must see.

use http::{
    HeaderMap, HeaderValue,
    header::{HeaderName, LINK, LOCATION},
};

/// Puts `base` (an origin, a prefix, both or neither) before the paths in
/// `Location` and `Link`. What is no path from the root is left as it is.
pub(super) fn rewrite(headers: &mut HeaderMap, base: &str) {
    if base.is_empty() {
        return;
    }
    each(headers, &LOCATION, |value| is_path(value).then(|| [base.as_bytes(), value].concat()));
    each(headers, &LINK, |value| Some(link(value, base)));
}

/// Changes the values of one field.
fn each(headers: &mut HeaderMap, name: &HeaderName, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    for value in headers.get_all(name).iter().cloned().collect::<Vec<_>>().iter().enumerate() {
        let (at, old) = value;
        let new = change(old.as_bytes()).and_then(|new| HeaderValue::try_from(new).ok());
        let new = new.unwrap_or_else(|| old.clone());
        if at == 0 {
            headers.insert(name, new);
        } else {
            headers.append(name, new);
        }
    }
}

/// `/a`, but not `//host/a`.
fn is_path(target: &[u8]) -> bool {
    target.first() == Some(&b'/') && target.get(1) != Some(&b'/')
}

/// `</a>; rel="next", </b>; title="<"`: the targets, and not what is quoted.
fn link(value: &[u8], base: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + base.len());
    let mut quoted = false;
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        out.push(*byte);
        match byte {
            b'\\' if quoted => {
                if let Some((escaped, after)) = after.split_first() {
                    out.push(*escaped);
                    rest = after;
                    continue;
                }
            }
            b'"' => quoted = !quoted,
            b'<' if !quoted && is_path(after) => out.extend_from_slice(base.as_bytes()),
            _ => {}
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn table() {
        for (base, name, before, after) in [
            ("", "location", "/v2/a", "/v2/a"),
            ("/p", "location", "/v2/a?x=/y", "/p/v2/a?x=/y"),
            ("https://h:1/p", "location", "/v2/a", "https://h:1/p/v2/a"),
            ("https://h", "location", "//evil/a", "//evil/a"),
            ("https://h", "location", "https://cdn/a", "https://cdn/a"),
            ("https://h", "location", "a/b", "a/b"),
            ("/p", "link", "</v2/_catalog?last=a&n=1>; rel=\"next\"", "</p/v2/_catalog?last=a&n=1>; rel=\"next\""),
            ("/p", "link", "</a>; title=\"</x>\\\"</y>\", </b>", "</p/a>; title=\"</x>\\\"</y>\", </p/b>"),
            ("/p", "link", "<https://x/a>", "<https://x/a>"),
            ("/p", "etag", "/a", "/a"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(before));
            super::rewrite(&mut headers, base);
            assert_eq!(headers.get(name).unwrap(), after);
        }
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("</a>"));
        headers.append("link", HeaderValue::from_static("</b>"));
        super::rewrite(&mut headers, "/p");
        assert_eq!(headers.get_all("link").iter().collect::<Vec<_>>(), ["</p/a>", "</p/b>"]);
    }
}
