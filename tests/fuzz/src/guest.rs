//! The built-in registry module: what it reads of requests and manifests.

use skerry_registry::{
    UploadId,
    digest::Digest,
    media_type,
    memory::{Answer, Memory},
    name::{Reference, RepositoryName, Tag, is_component},
    range::{ContentRange, Wanted},
    route::{Method, Route},
    too_deep,
};

use crate::{storage::Key, text};

const LONGEST: u64 = u64::MAX;

/// The path of a request.
pub fn paths(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(route) = Route::parse(&text) else { return };
    let (reads, writes) = route.methods();
    assert!(
        reads.contains("OPTIONS")
            && writes.split(", ").all(|one| one.is_empty() || Method::parse(one) != Method::Other)
    );
    let pieces: Vec<&str> = match &route {
        Route::Root | Route::Version | Route::Ping | Route::Catalog => Vec::new(),
        Route::Tags(name) | Route::Uploads(name) => vec![name],
        Route::Manifest(name, last)
        | Route::Blob(name, last)
        | Route::Referrers(name, last)
        | Route::Upload(name, last) => vec![name, last],
    };
    for segment in pieces.iter().flat_map(|piece| piece.split('/')) {
        assert!(!["", ".", ".."].contains(&segment) && !segment.contains('\0'), "{text:?}: {segment:?}");
    }
}

/// Names of repositories and tags, and ids of uploads: what is one can be a
/// part of a key.
pub fn names(bytes: &[u8]) {
    let text = text(bytes);
    let parsed = [
        RepositoryName::parse(&text).map(|name| name.as_str().to_owned()),
        Tag::parse(&text).map(|tag| tag.as_str().to_owned()),
        UploadId::parse(&text).map(|id| id.as_str().to_owned()),
        // As long as a name of a directory; a whole name has a bound of its own.
        is_component(&text).then(|| text.clone()).filter(|text| text.len() <= 255),
    ];
    for name in parsed.into_iter().flatten() {
        assert_eq!(name.to_ascii_lowercase(), text.to_ascii_lowercase());
        assert!(Key::parse(&format!("a/{name}/b")).is_ok(), "{name:?}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)), "{name:?}");
    }
    if let Ok(reference) = Reference::parse(&text) {
        assert_eq!(reference.as_str(), text);
        assert!(Tag::parse(&text).is_some() != Digest::parse(&text).is_ok());
    }
}

/// Ranges of downloads and of chunks.
pub fn ranges(bytes: &[u8]) {
    let Some((size, value)) = bytes.split_first_chunk::<8>() else { return };
    let value = text(value);
    for size in [u64::from_le_bytes(*size), 0, 1, 10, LONGEST] {
        if let Wanted::Part { offset, length } = Wanted::parse(&value, size) {
            let end = offset.checked_add(length);
            assert!(length > 0 && end.is_some_and(|end| end <= size), "{value:?} of {size}: {offset} {length}");
        }
    }
    if let Some(range) = ContentRange::parse(&value) {
        let shown = format!("{range:?}");
        assert!(!shown.is_empty());
    }
}

/// A manifest: pushed by tag and by digest, and read back.
pub fn manifests(bytes: &[u8]) {
    let _ = (too_deep(bytes), media_type(bytes));
    let digest = Digest::of(skerry_registry::digest::Algorithm::Sha256, bytes);
    let host = Memory::new(1_700_000_000);
    host.set("validation.manifests.sparse", "true");
    for reference in ["t", digest.as_str()] {
        let path = format!("/v2/a/manifests/{reference}");
        let pushed = host.send("PUT", &path, &[("content-type", &media_type(bytes).unwrap_or_default())], bytes);
        sane(&host, &pushed);
        if pushed.status == 201 {
            let pulled = host.send("GET", &path, &[], b"");
            assert_eq!((pulled.status, pulled.body.as_slice()), (200, bytes));
            assert_eq!(pulled.header("docker-content-digest"), Some(digest.as_str()));
        } else {
            assert!((400..500).contains(&pushed.status), "{}", pushed.status);
        }
    }
}

/// Requests to one host, one after the other: method and target on the first
/// line, then fields, an empty line, and the body; three empty lines between
/// two of them. `UPLOAD` stands for the place of the last upload, `DIGEST` for
/// the digest of the body.
pub fn requests(bytes: &[u8]) {
    let host = Memory::new(1_700_000_000);
    host.set("storage.delete.enabled", "true");
    let mut upload = String::from("/v2/a/blobs/uploads/none");
    let whole = text(bytes);
    for request in whole.split("\n\n\n\n").take(12) {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.split('\n');
        let first = lines.next().unwrap_or_default();
        let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
        let digest = Digest::of(skerry_registry::digest::Algorithm::Sha256, body.as_bytes());
        let target = target.replace("UPLOAD", &upload).replace("DIGEST", digest.as_str());
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let answer = host.send(method, &target, &fields, body.as_bytes());
        sane(&host, &answer);
        if let Some(location) = answer.header("location").filter(|_| answer.status == 202) {
            location.clone_into(&mut upload);
        }
        if method == "GET" {
            let again = host.send("GET", &target, &fields, body.as_bytes());
            assert_eq!(again, answer, "{first:?}");
        }
    }
}

/// No failure of the module's own, nothing that cannot be sent, and no key
/// that is none.
fn sane(host: &Memory, answer: &Answer) {
    assert!((200..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    for (name, value) in &answer.headers {
        assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name:?}");
        assert!(http::HeaderValue::from_str(value).is_ok(), "{name}: {value:?}");
    }
    for key in host.keys() {
        assert!(Key::parse(&key).is_ok(), "{key:?}");
    }
}
