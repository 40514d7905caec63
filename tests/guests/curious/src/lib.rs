//! A storage policy, made from the WIT alone, that asks the registry what the
//! annotation `ask` of a pushed manifest says, and denies the push with what
//! it is told.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "storage-policy", generate_all });

use exports::skerry::registry::storage_rules::{Concern, Event, Guest, Principal, Ruling};
use skerry::registry::{
    fact_types::Usage,
    facts,
    storage_policy_types::{Denial, Happening},
    types::Failure,
};

struct Curious;
export!(Curious);

impl Guest for Curious {
    fn check() -> Result<Vec<String>, String> {
        // There is no event to ask about.
        match (facts::usage("other/tree"), facts::blob("sha256:00", 1), facts::tags(None, 1)) {
            (Err(Failure::NotFound), Err(Failure::NotFound), Err(Failure::NotFound)) => Ok(Vec::new()),
            _ => Err("facts without an event".to_owned()),
        }
    }

    fn concerns() -> Vec<Concern> {
        vec![Concern::ManifestPush]
    }

    fn admit(_: Option<Principal>, event: Event) -> Ruling {
        let Happening::ManifestPush(manifest) = event.action else { return Ruling::Allow(Vec::new()) };
        let asked = manifest.annotations.iter().find(|(name, _)| name == "ask");
        let Some((_, question)) = asked else { return Ruling::Allow(Vec::new()) };
        let words: Vec<&str> = question.split(' ').collect();
        let answer = ask(&words).unwrap_or_else(|failure| format!("failure: {failure:?}"));
        Ruling::Deny(Denial { code: "DENIED".to_owned(), status: 0, message: answer })
    }
}

fn ask(words: &[&str]) -> Result<String, Failure> {
    let some = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    Ok(match *words {
        ["usage", tree] => figures(&facts::usage(tree)?),
        ["adds"] => figures(&facts::adds()?),
        ["tags", after, limit] => {
            let page = facts::tags(some(after).as_deref(), limit.parse().unwrap_or(0))?;
            let tags: Vec<_> = page.tags.iter().map(|tag| format!("{}={}", tag.name, tag.digest)).collect();
            format!("{} more={}", tags.join(" "), page.more)
        }
        ["referrers", subject, artifact_type] => {
            let found = facts::referrers(subject, some(artifact_type).as_deref())?;
            let shown = found.iter().map(|referrer| {
                let kind = referrer.artifact_type.as_deref().unwrap_or("-");
                format!(
                    "{} {kind} {} {} {:?}",
                    referrer.digest, referrer.media_type, referrer.size, referrer.annotations
                )
            });
            format!("{}: {}", found.len(), shown.collect::<Vec<_>>().join(", "))
        }
        ["manifest", reference] => {
            let found = facts::manifest(reference)?;
            format!("{} {} {}", found.digest, found.media_type, found.content.len())
        }
        ["blob", digest, limit] => {
            String::from_utf8_lossy(&facts::blob(digest, limit.parse().unwrap_or(0))?).into_owned()
        }
        // A question is paid for from the policy's own limits.
        ["often", digest] => {
            (0..100_000).for_each(|_| drop(std::hint::black_box(facts::blob(digest, u64::MAX))));
            "for nothing".to_owned()
        }
        _ => "no question".to_owned(),
    })
}

fn figures(usage: &Usage) -> String {
    let Usage { bytes, blobs, manifests, tags, repositories } = usage;
    format!("bytes={bytes} blobs={blobs} manifests={manifests} tags={tags} repositories={repositories}")
}
