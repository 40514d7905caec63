//! What all storage policies together say of an event, for a client or in a
//! task.

use std::sync::Arc;

use super::{
    super::{
        bindings::{
            identity::Principal,
            storage_policy_types::{Event, Ruling},
        },
        facts::{About, Admitted},
    },
    Policies,
    concerns::concern,
    one::{Asking, Said, WARNINGS},
    session::spend,
};

/// How often the storage policies are asked about one event, as figures grow or
/// have to be counted. Each time another event was let in.
const ROUNDS: u32 = 256;

impl Policies {
    /// Asks until nothing that was answered is out of date; with what was let
    /// in, to be kept until it is stored.
    pub async fn rule(
        &self,
        asking: &Asking<'_>,
        who: Option<&Principal>,
        event: &Event,
        left: &mut u32,
    ) -> (Ruling, Option<Admitted>) {
        let about = Arc::new(About::new(&self.common.teller, event));
        for _ in 0..ROUNDS {
            about.begin_round().await;
            match self.round(asking, who, event, &about, left).await {
                Some(Ruling::Allow(warnings)) => {
                    // Where others were let in meanwhile, all is asked again.
                    if let Ok(admitted) = about.admit().await {
                        return (Ruling::Allow(warnings), admitted);
                    }
                }
                Some(ruling) => return (ruling, None),
                None => {}
            }
        }
        (Ruling::Unavailable, None)
    }

    /// Asks those that it concerns, each once; nothing where they are to be
    /// asked again.
    async fn round(
        &self,
        asking: &Asking<'_>,
        who: Option<&Principal>,
        event: &Event,
        about: &Arc<About>,
        left: &mut u32,
    ) -> Option<Ruling> {
        let concern = concern(&event.action);
        let mut warnings = Vec::new();
        for policy in self.storage.iter().filter(|policy| policy.concerns.has(concern)) {
            if spend(left).is_err() {
                return Some(Ruling::Unavailable);
            }
            about.begin_policy();
            match policy.admit(asking, who, event, about).await {
                Ok(Said::Allow(more)) => warnings.extend(more),
                // It may have been told of more than there is.
                Ok(Said::Deny(_)) if about.doubt().await => return None,
                Ok(Said::Deny(denial)) => return Some(Ruling::Deny(denial)),
                Ok(Said::Later) => {
                    about.wait().await;
                    return None;
                }
                Err(_) if policy.lenient => {}
                Err(_) => return Some(Ruling::Unavailable),
            }
        }
        warnings.truncate(WARNINGS);
        Some(Ruling::Allow(warnings))
    }
}
