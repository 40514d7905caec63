//! What the notes of the name `used` say, by which the host keeps when
//! something was last pulled.

use crate::{
    digest::Digest,
    name::{Reference, RepositoryName, Tag},
    response::Response,
};

/// That a tag was pulled.
pub fn tag(name: &RepositoryName, tag: &Tag) -> String {
    format!("{name}:{tag}")
}

/// That a manifest was pulled, by whatever name.
pub fn digest(name: &RepositoryName, digest: &Digest) -> String {
    format!("{name}@{digest}")
}

/// Notes a pull.
pub fn note(response: Response, name: &RepositoryName, reference: &Reference, found: &Digest) -> Response {
    let response = response.note("used", digest(name, found));
    match reference {
        Reference::Tag(named) => response.note("used", tag(name, named)),
        Reference::Digest(_) => response,
    }
}
