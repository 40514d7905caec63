//! The list of repositories.

use serde::Serialize;

use crate::{
    error::Error,
    host::Host,
    links,
    pagination::{self, Pagination},
    response::Response,
    settings,
    walk::Walk,
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

/// `GET` and `HEAD`.
pub fn list(host: &dyn Host) -> Result<Response, Error> {
    let asked = Pagination::ask(host)?;
    let maximum = settings::get(host, "catalog.maxentries").unwrap_or(MAXIMUM);
    let n = asked.n.unwrap_or(DEFAULT.min(maximum));
    if n > maximum {
        return Err(pagination::invalid(&n.to_string()));
    }
    let mut repositories = Vec::new();
    let mut next = None;
    if n > 0 {
        let mut walk = Walk::new(host, asked.last.as_deref().unwrap_or_default(), LOOKS);
        while let Some(path) = walk.next()? {
            if !links::is_repository(host, &path)? {
                continue;
            }
            if repositories.len() == n {
                next = repositories.last().cloned();
                break;
            }
            repositories.push(path);
        }
        // A tree with many directories and few repositories is listed in
        // parts that are shorter than asked for.
        if walk.is_cut_short() {
            next = walk.last().map(str::to_owned);
        }
    }
    let response = Response::json(200, "application/json", &Catalog { repositories });
    Ok(match next {
        Some(last) => {
            response.header("Link", pagination::next("/v2/_catalog", &[("last", &last), ("n", &n.to_string())]))
        }
        None => response,
    })
}
