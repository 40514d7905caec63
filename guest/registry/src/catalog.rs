//! The list of repositories.

use serde::Serialize;

use crate::{
    error::{Code, Error},
    host::Host,
    links,
    pagination::{self, Pagination},
    permits::Browse,
    response::Response,
    settings,
    walk::Readable,
};

/// Entries where `n` is not given.
const DEFAULT: usize = 100;
/// The largest `n` where `catalog.maxentries` does not say.
const MAXIMUM: usize = 1_000;
/// Directories looked at for one answer.
const LOOKS: u32 = 20_000;

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<String>,
}

/// `GET` and `HEAD`: the repositories that the client may pull from.
pub fn list(permit: &Browse<'_>) -> Result<Response, Error> {
    let host = permit.host();
    let asked = Pagination::ask(host)?;
    let maximum = settings::get(host, "catalog.maxentries").unwrap_or(MAXIMUM);
    let n = asked.n.unwrap_or(DEFAULT.min(maximum));
    if n > maximum {
        return Err(pagination::invalid(&n.to_string()));
    }
    let (repositories, next) = if n > 0 { collect(host, asked.last.as_deref(), n)? } else { (Vec::new(), None) };
    let response = Response::json(200, "application/json", &Catalog { repositories });
    Ok(match next {
        Some(last) => {
            response.header("Link", pagination::next("/v2/_catalog", &[("last", &last), ("n", &n.to_string())]))
        }
        None => response,
    })
}

/// Up to `n` repositories, and after which name there may be more.
fn collect(host: &dyn Host, after: Option<&str>, n: usize) -> Result<(Vec<String>, Option<String>), Error> {
    let mut repositories: Vec<String> = Vec::new();
    let mut walk = Readable::new(host, after.unwrap_or_default(), LOOKS, n.saturating_add(1));
    while let Some(path) = walk.next()? {
        if !links::is_repository(host, &path)? {
            continue;
        }
        if repositories.len() == n {
            let last = repositories.last().cloned();
            return Ok((repositories, last));
        }
        repositories.push(path);
    }
    if !walk.is_cut_short() {
        return Ok((repositories, None));
    }
    // A tree with many directories and few repositories is listed in parts
    // that are shorter than asked for. Where to go on is a name, too: only one
    // of those that the client may know.
    let last = walk.last().map(str::to_owned).ok_or_else(|| {
        Error::new(Code::Unavailable).message("too many repositories that are not shown come one after another")
    })?;
    Ok((repositories, Some(last)))
}
