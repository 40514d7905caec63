//! Facts of an author's choice: what a policy is told that is asked with no
//! registry behind it. It is told nothing that a registry could not say.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value as Json};

use super::{
    super::{
        bindings::{
            fact_types::{Referrer, StoredManifest, Tag, TagPage, Usage},
            types::Failure,
        },
        limits::Guard,
    },
    tell::{LARGEST, REFERRERS, TAGS},
    thing::{Addition, Kind, is_within},
};
use crate::storage::{Algorithm, Digest};

/// Sections that there are.
const SECTIONS: [&str; 7] = ["usage", "adds", "tags", "referrers", "manifests", "blobs", "fails"];
const AMOUNTS: [&str; 5] = ["bytes", "blobs", "manifests", "tags", "repositories"];
const REFERRER: [&str; 5] = ["digest", "media-type", "artifact-type", "size", "annotations"];

/// What a repository holds, and the trees that it is in.
#[derive(Debug, Clone, Default)]
pub struct Given {
    usage: BTreeMap<String, Usage>,
    adds: Option<Usage>,
    tags: BTreeMap<String, String>,
    referrers: BTreeMap<String, Vec<Referrer>>,
    manifests: BTreeMap<String, StoredManifest>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// How every question fails.
    fails: Option<Failure>,
}

/// The policy asked for what the author did not give, and what every registry
/// has.
#[derive(Debug, thiserror::Error)]
#[error("guard facts: the policy asked for {wanted}: give it one, as `facts: {{{example}}}`")]
pub struct NotGiven {
    wanted: String,
    example: String,
}

/// Facts about one event.
pub struct Told {
    given: Arc<Given>,
    repository: String,
    addition: Option<Addition>,
}

impl Given {
    /// Reads a section of facts.
    ///
    /// # Errors
    /// What of it is wrong, in a sentence that says where.
    pub fn read(json: &Json) -> Result<Self, String> {
        let mut given = Self::default();
        for (section, json) in entries(json, "facts", &SECTIONS)? {
            let at = format!("facts.{section}");
            match section.as_str() {
                "adds" => given.adds = Some(amounts(json, &at)?),
                "fails" => given.fails = Some(failure(json, &at)?),
                _ => {
                    for (name, json) in entries(json, &at, &[])? {
                        given.add(section, name, json, &format!("{at}.{name}"))?;
                    }
                }
            }
        }
        Ok(given)
    }

    fn add(&mut self, section: &str, name: &str, json: &Json, at: &str) -> Result<(), String> {
        match section {
            "usage" => drop(self.usage.insert(name.to_owned(), amounts(json, at)?)),
            "tags" => self.lead(name, text(json, at)?)?,
            "referrers" => {
                let list = json.as_array().ok_or_else(|| format!("`{at}` is to be a list of manifests"))?;
                let one = |(n, json)| referrer(json, &format!("{at}[{n}]"));
                let all: Vec<_> = list.iter().enumerate().map(one).collect::<Result<_, _>>()?;
                self.referrers.insert(name.to_owned(), all);
            }
            "manifests" => {
                let (content, media_type) = content(json, at, &["content", "media-type"])?;
                let digest = named(name, &content, at)?;
                let media_type = media_type.unwrap_or_else(|| media_type_of(&content));
                if !name.contains(':') {
                    self.lead(name, digest.clone())?;
                }
                self.manifests.insert(digest.clone(), StoredManifest { digest, media_type, content });
            }
            _ => {
                let (content, _) = content(json, at, &["content"])?;
                if !name.contains(':') {
                    return Err(format!("`{at}` is to be named by its digest: {}", sha256(&content)));
                }
                self.blobs.insert(named(name, &content, at)?, content);
            }
        }
        Ok(())
    }

    /// A tag leads to one digest.
    fn lead(&mut self, tag: &str, digest: String) -> Result<(), String> {
        match self.tags.insert(tag.to_owned(), digest.clone()) {
            Some(other) if other != digest => {
                Err(format!("`facts.tags.{tag}` is {other}, and `facts.manifests.{tag}` is {digest}"))
            }
            _ => Ok(()),
        }
    }

    /// About an event, as JSON.
    pub fn about(self: &Arc<Self>, event: &Json) -> Told {
        let repository = event.get("repository").and_then(Json::as_str).unwrap_or_default().to_owned();
        let addition = event.get("action").and_then(addition).map(|addition| {
            let held = match &addition.kind {
                Kind::Manifest(digest) => self.manifests.contains_key(digest),
                Kind::Blob(digest) => self.blobs.contains_key(digest),
                Kind::Tag(_) | Kind::Repository => false,
            };
            Addition { new: !held, ..addition }
        });
        Told { given: Arc::clone(self), repository, addition }
    }
}

impl Told {
    /// What a tree holds.
    pub fn usage(&self, tree: &str) -> wasmtime::Result<Result<Usage, Failure>> {
        if !is_within(&self.repository, tree) {
            return Err(Guard::Tree.into());
        }
        if let Some(failure) = &self.given.fails {
            return Ok(Err(failure.clone()));
        }
        match self.given.usage.get(tree) {
            Some(usage) => Ok(Ok(*usage)),
            None => {
                let wanted = format!("the usage of the tree {tree:?}, of which the case says nothing");
                Err(NotGiven { wanted, example: format!("usage: {{{tree:?}: {{bytes: 0}}}}") }.into())
            }
        }
    }

    /// What the event adds: as the author says, or what it is about where the
    /// facts have nothing of it; the repository itself counts as there.
    pub fn adds(&self) -> Result<Usage, Failure> {
        self.fails()?;
        let counted = || self.addition.as_ref().filter(|addition| addition.new).map(Addition::usage);
        Ok(self.given.adds.or_else(counted).unwrap_or_default())
    }

    /// A page of the tags.
    pub fn tags(&self, after: Option<&str>, limit: u32) -> Result<TagPage, Failure> {
        self.fails()?;
        let rest = self.given.tags.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let limit = usize::try_from(limit.min(TAGS)).unwrap_or(usize::MAX);
        let more = rest.clone().nth(limit).is_some();
        let one = |(name, digest): (&String, &String)| Tag { name: name.clone(), digest: digest.clone() };
        Ok(TagPage { tags: rest.take(limit).map(one).collect(), more })
    }

    /// Manifests that refer to another one.
    pub fn referrers(&self, subject: &str, artifact_type: Option<&str>) -> Result<Vec<Referrer>, Failure> {
        self.fails()?;
        let all = self.given.referrers.get(subject).into_iter().flatten();
        let asked = |found: &&Referrer| artifact_type.is_none() || found.artifact_type.as_deref() == artifact_type;
        Ok(all.filter(asked).take(REFERRERS).cloned().collect())
    }

    /// A manifest, by a tag or its digest.
    pub fn manifest(&self, reference: &str) -> wasmtime::Result<Result<StoredManifest, Failure>> {
        if let Err(failure) = self.fails() {
            return Ok(Err(failure));
        }
        let digest = self.given.tags.get(reference).map_or(reference, String::as_str);
        match self.given.manifests.get(digest) {
            Some(found) => Ok(Ok(found.clone())),
            None if digest == reference => Ok(Err(Failure::NotFound)),
            // No registry has a tag without one.
            None => {
                let wanted = format!("the manifest of the tag {reference:?}, of which the case gives the digest alone");
                Err(NotGiven { wanted, example: format!("manifests: {{{reference:?}: \"{{}}\"}}") }.into())
            }
        }
    }

    /// The bytes of a blob.
    pub fn blob(&self, digest: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        self.fails()?;
        let bytes = self.given.blobs.get(digest).ok_or(Failure::NotFound)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > limit.min(LARGEST) { Err(Failure::TooLarge(size)) } else { Ok(bytes.clone()) }
    }

    fn fails(&self) -> Result<(), Failure> {
        self.given.fails.clone().map_or(Ok(()), Err)
    }
}

/// What an action adds, as far as it says so itself.
fn addition(action: &Json) -> Option<Addition> {
    let (case, payload) = action.as_object()?.iter().next()?;
    let text = |name: &str| payload.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let kind = match case.as_str() {
        "manifest-push" => Kind::Manifest(text("digest")),
        "blob-push" | "mount" => Kind::Blob(text("digest")),
        "tag-move" if payload.get("old").is_none_or(Json::is_null) => Kind::Tag(text("tag")),
        _ => return None,
    };
    let bytes = payload.get("size").and_then(Json::as_u64).unwrap_or(0);
    Some(Addition { kind, bytes, new: true })
}

/// A section's entries; of these names, where there are some.
fn entries<'a>(
    json: &'a Json,
    at: &str,
    known: &[&str],
) -> Result<impl Iterator<Item = (&'a String, &'a Json)>, String> {
    let names = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let section = match json {
        Json::Null => None,
        Json::Object(section) => Some(section),
        _ if known.is_empty() => return Err(format!("`{at}` is to have names with what each is")),
        _ => return Err(format!("`{at}` is to be a section of {}", names())),
    };
    let strange =
        section.into_iter().flat_map(Map::keys).find(|name| !known.is_empty() && !known.contains(&name.as_str()));
    match strange {
        Some(name) => Err(format!("there is no `{at}.{name}`: `{at}` has {}", names())),
        None => Ok(section.into_iter().flatten().filter(|(_, json)| !json.is_null())),
    }
}

fn amounts(json: &Json, at: &str) -> Result<Usage, String> {
    let mut usage = Usage::default();
    for (name, json) in entries(json, at, &AMOUNTS)? {
        let amount = whole(json, &format!("{at}.{name}"))?;
        match name.as_str() {
            "bytes" => usage.bytes = amount,
            "blobs" => usage.blobs = amount,
            "manifests" => usage.manifests = amount,
            "tags" => usage.tags = amount,
            _ => usage.repositories = amount,
        }
    }
    Ok(usage)
}

fn referrer(json: &Json, at: &str) -> Result<Referrer, String> {
    let mut referrer = Referrer {
        digest: String::new(),
        media_type: String::new(),
        artifact_type: None,
        size: 0,
        annotations: Vec::new(),
    };
    for (name, json) in entries(json, at, &REFERRER)? {
        let at = format!("{at}.{name}");
        match name.as_str() {
            "digest" => referrer.digest = text(json, &at)?,
            "media-type" => referrer.media_type = text(json, &at)?,
            "artifact-type" => referrer.artifact_type = Some(text(json, &at)?),
            "size" => referrer.size = whole(json, &at)?,
            _ => {
                let one = |(name, json): (&String, &Json)| Ok((name.clone(), text(json, &format!("{at}.{name}"))?));
                referrer.annotations = entries(json, &at, &[])?.map(one).collect::<Result<_, String>>()?;
            }
        }
    }
    if referrer.digest.is_empty() { Err(format!("`{at}` has no `digest`")) } else { Ok(referrer) }
}

/// Bytes, as a text or in a section of its own; and a media type beside them.
fn content(json: &Json, at: &str, known: &[&str]) -> Result<(Vec<u8>, Option<String>), String> {
    if let Json::String(text) = json {
        return Ok((text.clone().into_bytes(), None));
    }
    let (mut content, mut media_type) = (None, None);
    for (name, json) in entries(json, at, known)? {
        let at = format!("{at}.{name}");
        match name.as_str() {
            "media-type" => media_type = Some(text(json, &at)?),
            _ => content = Some(bytes(json, &at)?),
        }
    }
    let content: Vec<u8> = content.ok_or_else(|| format!("`{at}` has no `content`"))?;
    match u64::try_from(content.len()).is_ok_and(|size| size <= LARGEST) {
        true => Ok((content, media_type)),
        false => Err(format!("`{at}.content` is larger than the {LARGEST} bytes that a policy is told of")),
    }
}

fn bytes(json: &Json, at: &str) -> Result<Vec<u8>, String> {
    let byte = |json: &Json| json.as_u64().and_then(|byte| u8::try_from(byte).ok());
    match json {
        Json::String(text) => Some(text.clone().into_bytes()),
        Json::Array(items) => items.iter().map(byte).collect(),
        _ => None,
    }
    .ok_or_else(|| format!("`{at}` is to be a text, or `{{file: PATH}}`"))
}

/// The digest that bytes are known by: theirs, or one that is made up, as those
/// of events may be.
fn named(name: &str, content: &[u8], at: &str) -> Result<String, String> {
    match Digest::parse(name) {
        Ok(digest) if Digest::of(digest.algorithm(), content) != digest => Err(format!(
            "`{at}` has another content: its digest is {}, and a host tells no policy what was not checked",
            Digest::of(digest.algorithm(), content)
        )),
        Err(_) if !name.contains(':') => Ok(sha256(content)),
        _ => Ok(name.to_owned()),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, bytes).to_string()
}

/// As it says itself.
fn media_type_of(manifest: &[u8]) -> String {
    let said = serde_json::from_slice::<Json>(manifest).ok();
    let said = said.as_ref().and_then(|json| json.get("mediaType")).and_then(Json::as_str);
    said.unwrap_or_default().to_owned()
}

fn failure(json: &Json, at: &str) -> Result<Failure, String> {
    Ok(match json.as_str() {
        Some("not-found") => Failure::NotFound,
        Some("busy") => Failure::Busy,
        Some("too-large") => Failure::TooLarge(LARGEST),
        Some("other") => Failure::Other("as the case says".to_owned()),
        _ => return Err(format!("`{at}` is to be one of `not-found`, `busy`, `too-large`, `other`")),
    })
}

fn whole(json: &Json, at: &str) -> Result<u64, String> {
    json.as_u64().ok_or_else(|| format!("`{at}` is to be a whole number"))
}

fn text(json: &Json, at: &str) -> Result<String, String> {
    json.as_str().map(str::to_owned).ok_or_else(|| format!("`{at}` is to be a text: put it in quotes"))
}
