//! Mounts: a blob that another repository holds need not be sent again.

use super::{created, link};
use crate::{
    digest::Digest,
    error::Error,
    host::{Expectation, Failure, Host, Storage},
    layout,
    links::{self, Found},
    name::RepositoryName,
    response::Response,
    settings::Write,
    walk::Walk,
};

/// Directories below the repositories that are looked at for a blob whose
/// client does not know where it is.
const LOOKUP: u32 = 1_000;

/// Puts a blob into a repository if another holds it. If none does, or the
/// named one does not, there is nothing to tell: the client gets the same
/// upload as everybody, and learns nothing of other repositories.
pub fn mount(host: &dyn Host, _: &Write, name: &RepositoryName, digest: &Digest) -> Result<Option<Response>, Error> {
    let from = host.query("from");
    let source = match from.first().filter(|text| !text.is_empty()) {
        Some(text) => match RepositoryName::parse(text) {
            Some(source) => links::layer(host, &source, digest)?.map(|found| (source, found)),
            None => None,
        },
        None => find(host, name, digest)?,
    };
    let Some((source, found)) = source else {
        return Ok(None);
    };
    let mut expect = vec![Expectation::Present(layout::layer_link(&source, digest))];
    if found.size > 0 {
        expect.push(Expectation::Present(found.key));
    }
    match host.commit(expect, link(host, name, digest, &found.stored)?) {
        Ok(()) => Ok(Some(created("mount-blob", name, digest).note("from", source.as_str()))),
        // Gone between the look and the link.
        Err(Failure::Conflict(_)) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// A repository that holds a blob, this one first.
fn find(
    storage: &dyn Host,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<(RepositoryName, Found)>, Failure> {
    if let Some(found) = links::layer(storage, name, digest)? {
        return Ok(Some((name.clone(), found)));
    }
    // Most requests end here: no repository can hold what has no data, but for
    // one that distribution stored under another algorithm.
    if digest.algorithm() == crate::digest::Algorithm::Sha256
        && matches!(Storage::stat(storage, &layout::data(digest)), Err(Failure::NotFound))
    {
        return Ok(None);
    }
    let mut walk = Walk::new(storage, "", LOOKUP);
    while let Some(path) = walk.next()? {
        if let Some(source) = RepositoryName::parse(&path)
            && let Some(found) = links::layer(storage, &source, digest)?
        {
            return Ok(Some((source, found)));
        }
    }
    Ok(None)
}
