//! `oci://registry/repository:tag@digest`.

use std::fmt;

use crate::storage::{Algorithm, Digest};

/// Bytes of the longest reference.
const LONGEST: usize = 1024;
/// Bytes of the longest repository name.
const NAME: usize = 255;
/// Bytes of the longest tag.
const TAG: usize = 128;

/// What an artifact is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// `host` or `host:port`.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The tag, where one is named.
    pub tag: Option<String>,
    /// The digest of the manifest, where one is named.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads one; `oci://` may be left out.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("`{}` is no reference of an artifact: {what}", text.escape_debug()));
        if text.len() > LONGEST {
            return Err(format!("a reference of an artifact has at most {LONGEST} bytes"));
        }
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => match Digest::parse(digest) {
                Ok(digest) => (rest, Some(digest)),
                Err(_) => return wrong("what follows the `@` is no digest"),
            },
            None => (rest, None),
        };
        let Some((registry, path)) = rest.split_once('/') else {
            return wrong("it has no `/`; it is to be registry/repository, such as registry.example/policies/sizes");
        };
        if !is_authority(registry) {
            return wrong("what comes before the first `/` is no host name");
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if repository.len() > NAME || !repository.split('/').all(is_component) {
            return wrong(
                "the repository is no name of one (lower-case letters, digits, and `.`, `_`, `-` between them)",
            );
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return wrong("what follows the `:` is no tag");
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag: tag.map(Into::into), digest })
    }

    /// What a registry knows it by: the digest, or the tag, or `latest`.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The same repository's artifact of this digest, by that alone.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The digest, if it is one that a module can be pinned by.
    #[must_use]
    pub fn pin(&self) -> Option<&Digest> {
        self.digest.as_ref().filter(|digest| digest.algorithm() == Algorithm::Sha256)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A host with an optional port; an IPv6 address in brackets.
fn is_authority(text: &str) -> bool {
    let Ok(authority) = text.parse::<http::uri::Authority>() else { return false };
    let host = authority.host();
    let port = text.strip_prefix(host).unwrap_or(":");
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    !host.is_empty() && is_port && text.to_ascii_lowercase() == *text
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, as the distribution-spec has it.
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|byte| plain(*byte)) || !bytes.last().is_some_and(|byte| plain(*byte)) {
        return false;
    }
    bytes
        .split(|byte| plain(*byte))
        .filter(|between| !between.is_empty())
        .all(|between| matches!(between, b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}
