//! What the world `retention-policy` exports beyond `storage-policy`.

use std::marker::PhantomData;

use self::wit::exports::skerry::registry::retention as exported;
use super::Imports;
use crate::retention::{Retention, RetentionPolicy, TagFacts};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
pub mod wit {
    wit_bindgen::generate!({
        inline: "
            package skerry:sdk;

            world keeper {
                export skerry:registry/retention@0.1.0;
            }
        ",
        path: "../../wit",
        world: "skerry:sdk/keeper",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_retention",
    });
}

/// A policy as a component.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: RetentionPolicy> exported::Guest for Component<P> {
    fn retain(
        repository: String,
        tags: Vec<exported::TagFacts>,
        now: u64,
        recorded_since: u64,
    ) -> Result<Vec<exported::Departure>, String> {
        let facts = |facts: exported::TagFacts| TagFacts {
            tag: facts.tag,
            digest: facts.digest,
            updated: facts.updated,
            size: facts.size,
            last_pull: facts.last_pull,
        };
        let tags = tags.into_iter().map(facts).collect();
        let departures = crate::retain::<P>(&Imports, &Retention { repository, tags, now, recorded_since });
        let departures = departures.map_err(|failed| failed.to_string())?;
        Ok(departures.into_iter().map(|gone| exported::Departure { tag: gone.tag, reason: gone.reason }).collect())
    }
}
