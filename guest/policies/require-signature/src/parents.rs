//! What is signed as a part of an index.

use std::collections::BTreeSet;

use skerry_sdk::{FactFailure, Failed, Host};

use crate::{search::Search, shape};

/// Tags that are looked at, at a time and in all.
const PAGE: u32 = 1_000;
const PAGES: usize = 4;
/// Manifests that may be the index.
const MOST: usize = 256;

/// Whether an index lists it that somebody trusted signed.
pub fn is_signed(host: &dyn Host, search: &mut Search<'_>, digest: &str) -> Result<bool, Failed> {
    for candidate in candidates(host)? {
        if candidate != digest
            && let Some(bytes) = shape::manifest(host, &candidate)?
            && shape::lists(&bytes, digest)
            && search.is_signed(&candidate)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What has a tag, and what has signatures that have one.
fn candidates(host: &dyn Host) -> Result<Vec<String>, Failed> {
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let page = match host.tags(after.as_deref(), PAGE) {
            Ok(page) => page,
            Err(FactFailure::NotFound) => break,
            Err(failure) => return Err(failure.into()),
        };
        after = page.tags.last().map(|tag| tag.name.clone());
        for tag in page.tags {
            let digest = shape::subject_of(&tag.name).unwrap_or(tag.digest);
            if known.insert(digest.clone()) {
                found.push(digest);
            }
            if found.len() == MOST {
                return Ok(found);
            }
        }
        if !page.more {
            break;
        }
    }
    Ok(found)
}
