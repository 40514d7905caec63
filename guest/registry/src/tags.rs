//! The list of a repository's tags.

use serde::Serialize;

use crate::{
    error::{Code, Error},
    host::{Failure, Kind, Storage},
    layout, links,
    name::{RepositoryName, Tag},
    pagination::{self, Pagination},
    permits::Pull,
    response::Response,
};

/// Names asked for at a time.
const PAGE: u32 = 10_000;
/// Tags in one answer, whether or not `n` is given. Answers are bounded, and
/// a `Link` leads on.
const LIMIT: usize = 40_000;

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a str,
    tags: Vec<String>,
}

/// `GET` and `HEAD`.
pub fn list(permit: &Pull<'_>) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let asked = Pagination::ask(host)?;
    let n = asked.n.unwrap_or(LIMIT).min(LIMIT);
    let Some((tags, more)) = collect(host, name, asked.last, n)? else {
        return Err(Error::new(Code::NameUnknown).detail("name", name.as_str()));
    };
    let last = if more { tags.last().cloned() } else { None };
    let response = Response::json(200, "application/json", &Tags { name: name.as_str(), tags });
    Ok(match last {
        Some(last) => {
            let path = format!("/v2/{name}/tags/list");
            response.header("Link", pagination::next(&path, &[("last", &last), ("n", &n.to_string())]))
        }
        None => response,
    })
}

/// Up to `n` tags, and whether there are more; nothing for a repository that
/// holds nothing. As in distribution, each directory of tags is one.
pub fn collect(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    mut after: Option<String>,
    n: usize,
) -> Result<Option<(Vec<String>, bool)>, Failure> {
    let directory = layout::tags(name);
    let mut tags = Vec::new();
    loop {
        let wanted = n.saturating_sub(tags.len()).saturating_add(1);
        let limit = u32::try_from(wanted).unwrap_or(PAGE).min(PAGE);
        let listing = match storage.page(&directory, after.as_deref(), limit) {
            Ok(listing) => listing,
            Err(Failure::NotFound | Failure::WrongKind) => {
                let known = links::is_repository(storage, name.as_str())?;
                return Ok(known.then_some((tags, false)));
            }
            Err(failure) => return Err(failure),
        };
        let last = listing.entries.last().map(|(name, _)| name.clone());
        for (tag, kind) in listing.entries {
            if kind != Kind::Directory || Tag::parse(&tag).is_none() {
                continue;
            }
            if tags.len() >= n {
                return Ok(Some((tags, n > 0)));
            }
            tags.push(tag);
        }
        if !listing.more || last.is_none() {
            return Ok(Some((tags, false)));
        }
        after = last;
    }
}
