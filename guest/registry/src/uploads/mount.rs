//! Mounts: a blob that another repository holds need not be sent again.

use super::{created, link};
use crate::{
    admission::Admitted,
    digest::Digest,
    error::Error,
    host::{Expectation, Failure, Happening, Host},
    layout,
    links::{self, Found},
    name::RepositoryName,
    permits::{Pull, Push},
    response::Response,
    walk::Readable,
};

/// Directories below the repositories that are looked at for a blob whose
/// client does not know where it is.
const LOOKUP: u32 = 1_000;
/// Names that are asked about at a time.
const BATCH: usize = 64;

/// Puts a blob into a repository if another holds it, from which the client
/// may pull. If none does, or the named one does not, there is nothing to
/// tell: the client gets the same upload as everybody, and learns nothing of
/// other repositories.
pub fn mount(permit: &Push<'_>, digest: &Digest) -> Result<Option<Response>, Error> {
    let (host, name) = (permit.host(), permit.name());
    let from = host.query("from");
    let source = match from.first().filter(|text| !text.is_empty()) {
        Some(text) => match RepositoryName::parse(text) {
            Some(source) if Pull::reaches(host, &source, digest.as_str()) => {
                links::layer(host, &source, digest)?.map(|found| (source, found))
            }
            _ => None,
        },
        None => find(host, name, digest)?,
    };
    let Some((source, found)) = source else {
        return Ok(None);
    };
    let mounted = Happening::Mount { digest: digest.clone(), size: found.size, source: source.clone() };
    let admitted = Admitted::ask(host, name, mounted)?;
    let mut expect = vec![Expectation::Present(layout::layer_link(&source, digest))];
    if found.size > 0 {
        expect.push(Expectation::Present(found.key));
    }
    match host.commit(expect, link(host, &admitted, name, digest, &found.stored)?) {
        Ok(()) => Ok(Some(admitted.warn(created("mount-blob", name, digest)).note("from", source.as_str()))),
        // Gone between the look and the link.
        Err(Failure::Conflict(_)) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// A repository that holds a blob, this one first. Whether the blob has data
/// at all would be the cheaper question, and tell by its time what is in
/// repositories that the client may not see.
fn find(host: &dyn Host, name: &RepositoryName, digest: &Digest) -> Result<Option<(RepositoryName, Found)>, Failure> {
    if let Some(found) = links::layer(host, name, digest)? {
        return Ok(Some((name.clone(), found)));
    }
    let mut walk = Readable::new(host, "", LOOKUP, BATCH);
    while let Some(path) = walk.next()? {
        if let Some(source) = RepositoryName::parse(&path)
            && let Some(found) = links::layer(host, &source, digest)?
        {
            return Ok(Some((source, found)));
        }
    }
    Ok(None)
}
