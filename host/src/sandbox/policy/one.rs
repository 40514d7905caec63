//! One policy: its questions are put to fresh instances of it, within bounds
//! of its own. What it answers is as little trusted as a client's request.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use super::{
    super::{
        bindings::{
            KeeperPre, auth,
            identity::{Access, Principal},
            storage_policy_types::{Denial, Event, Ruling},
        },
        describe,
        facts::{About, Later},
        instances::Instances,
        limits::{Guard, Limits},
        meter,
    },
    Common, challenge,
    concerns::Concerns,
    decisions::Ground,
    evidence::Evidence,
    exports::Pre,
    facts::Facts,
    live::{Instance, Live},
    retain,
    rights::{Rights, State},
    said::Mask,
};

/// Bytes that one answer may take of the host.
pub const ANSWER: usize = 1 << 20;

/// Bounds of a principal.
const SUBJECT: usize = 256;
const GROUPS: usize = 64;
const CLAIMS: usize = 64;
const PRINCIPAL: usize = 16 << 10;

/// Bytes of a reason that a client reads.
const REASON: usize = 1 << 10;

/// Warnings of one policy, and bytes of one.
pub const WARNINGS: usize = 8;
const WARNING: usize = 256;

/// Lines of what one warns of when it is loaded.
const CHECKED: usize = 64;

/// A policy computes for no longer than its time. It may wait, for a turn or by
/// itself, for some times as long and this.
const PATIENCE: Duration = Duration::from_secs(2);

/// A loaded policy.
pub struct Policy {
    pub rights: Arc<Rights>,
    pub pre: Pre,
    /// By what it may know who a client is; by nothing for a storage policy.
    pub knows_by: Evidence,
    /// What it is asked about; nothing for an auth policy.
    pub concerns: Concerns,
    /// Where it also decides which tags are kept.
    pub keeper: Option<KeeperPre<State>>,
    pub instances: Instances,
    /// `on_failure: allow`.
    pub lenient: bool,
    /// How long what it decided is relied on at the most, whatever it says.
    pub lifetime: Option<Duration>,
    pub asked: AtomicU64,
    pub failed: AtomicU64,
}

/// On whose behalf policies are asked.
pub struct Asking<'a> {
    pub common: &'a Common,
    /// Of the request, for the log.
    pub request: &'a (dyn fmt::Display + Sync),
    /// What the client showed: not for people.
    pub credentials: &'a Mask,
    /// What comes of it where a policy fails.
    pub stake: Stake,
}

/// What an instance runs by: one of its policy's own permits, and one of the
/// slots of all policies.
pub type Permits = [OwnedSemaphorePermit; 2];

/// What depends on a policy's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stake {
    /// A request.
    Request,
    /// Which tags of a repository go.
    Tags,
    /// Whether one thing goes, in a task.
    Removal,
}

impl Stake {
    /// What comes of it where a policy fails: the end of a sentence.
    const fn outcome(self, lenient: bool) -> &'static str {
        match self {
            Self::Tags => "no tag of the repository goes",
            _ if lenient => "it counts as one with no opinion",
            Self::Request => "the request is refused",
            Self::Removal => "what was to go stays",
        }
    }
}

/// A policy failed; that is logged already.
pub struct Failed;

/// What a storage policy says of an event.
pub enum Said {
    /// Yes, with warnings.
    Allow(Vec<String>),
    /// No.
    Deny(Denial),
    /// Nothing yet: it asked for what has to be counted first.
    Later,
}

/// Asks an auth policy: the answer, the files that it read, and since when
/// what it saw holds.
macro_rules! ask {
    ($policy:ident, $asking:ident, $live:ident, $call:ident($($argument:ident),*)) => {{
        let Pre::Auth(asked) = &$policy.pre else { return Err($policy.fail($asking, "it is no auth policy")) };
        let mut instance = $policy.instance($asking, $live).await?;
        let Instance { store, begun, since, .. } = &mut instance;
        let called = $policy.bounded(async {
            let begun = match begun {
                Some(begun) => begun,
                None => begun.insert(asked.pre.instance_pre().instantiate_async(&mut *store).await?),
            };
            asked.$call.call(begun, store, ($($argument,)*)).await
        });
        let called = called.await;
        let (answer, files) = $policy.end($asking, store, called)?;
        let since = *since;
        $live.keep($policy, $asking, instance);
        (answer, files, since)
    }};
}

impl Policy {
    /// Who is this?
    pub async fn authenticate(
        &self,
        asking: &Asking<'_>,
        live: &mut Live,
        client: &auth::Client,
        accesses: &[Access],
    ) -> Result<(auth::Identity, Ground), Failed> {
        let (identity, files, since): (auth::Identity, _, _) = ask!(self, asking, live, authenticate(client, accesses));
        let lifetime = match &identity {
            // That it is not its own follows from what was shown alone.
            auth::Identity::Pass => Some(u64::MAX),
            auth::Identity::Anonymous(lifetime) => *lifetime,
            auth::Identity::Known(known) => {
                principal(&known.principal).map_err(|wrong| self.fail(asking, &wrong))?;
                known.lifetime
            }
            auth::Identity::Challenge => None,
        };
        Ok((identity, Ground::of(since, self.lasting(lifetime), files)))
    }

    /// What it said of how long that holds, in milliseconds, and the operator.
    fn lasting(&self, said: Option<u64>) -> Option<u64> {
        let most = self.lifetime.map_or(u64::MAX, |most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        said.map(|said| said.min(most)).filter(|lasting| *lasting > 0)
    }

    /// May they do all of this?
    pub async fn authorize(
        &self,
        asking: &Asking<'_>,
        live: &mut Live,
        who: Option<&Principal>,
        client: &auth::Client,
        accesses: &[Access],
    ) -> Result<(auth::Outcome, Ground), Failed> {
        let (decision, files, since): (auth::Decision, _, _) =
            ask!(self, asking, live, authorize(who, client, accesses));
        let outcome = match decision.outcome {
            auth::Outcome::Deny(reason) => auth::Outcome::Deny(self.mask(asking).sentence(&reason, REASON)),
            other => other,
        };
        Ok((outcome, Ground::of(since, self.lasting(decision.lifetime), files)))
    }

    /// Values of `WWW-Authenticate`.
    pub async fn challenges(
        &self,
        asking: &Asking<'_>,
        live: &mut Live,
        client: &auth::Client,
        accesses: &[Access],
        insufficient: bool,
        authority: Option<&str>,
    ) -> Result<Vec<String>, Failed> {
        let (challenges, _, _): (Vec<auth::Challenge>, _, _) =
            ask!(self, asking, live, challenges(client, accesses, insufficient, authority));
        challenge::values(&challenges, &self.mask(asking)).map_err(|wrong| self.fail(asking, &wrong))
    }

    /// May this be stored, or go?
    pub async fn admit(
        &self,
        asking: &Asking<'_>,
        who: Option<&Principal>,
        event: &Event,
        about: &Arc<About>,
    ) -> Result<Said, Failed> {
        let Pre::Storage(asked) = &self.pre else { return Err(self.fail(asking, "it is no storage policy")) };
        let (mut store, _permits) = self.begin(asking).await?;
        store.data_mut().facts = Some(Facts::Registry(Arc::clone(about)));
        let called = self.bounded(async {
            let begun = asked.pre.instance_pre().instantiate_async(&mut store).await?;
            asked.admit.call(&begun, &mut store, (who, event)).await
        });
        let called = called.await;
        if called.as_ref().is_err_and(|cause| cause.is::<Later>()) {
            return Ok(Said::Later);
        }
        let (ruling, _) = self.end(asking, &store, called)?;
        let mask = self.mask(asking);
        match ruling {
            Ruling::Allow(warnings) => Ok(Said::Allow(
                warnings
                    .iter()
                    .take(WARNINGS)
                    .map(|warning| mask.sentence(warning, WARNING))
                    .filter(|warning| !warning.trim().is_empty())
                    .collect(),
            )),
            Ruling::Deny(denial) => {
                denied(&denial).map_err(|wrong| self.fail(asking, &wrong))?;
                Ok(Said::Deny(Denial { message: mask.sentence(&denial.message, REASON), ..denial }))
            }
            Ruling::Unavailable => Err(self.fail(asking, "it says that it cannot tell")),
        }
    }

    /// Whether it can work: asked once, before any request. What it warns of
    /// goes to the log.
    pub async fn prove(&self, asking: &Asking<'_>) -> Result<(), String> {
        let _slot = self.slot(asking.common).await.ok_or("every instance is busy")?;
        let mut store = self.store(asking.common);
        let called = self.bounded(async {
            match &self.pre {
                Pre::Auth(asked) => {
                    let policy = asked.pre.instantiate_async(&mut store).await?;
                    policy.skerry_registry_auth().call_check(&mut store).await
                }
                Pre::Storage(asked) => {
                    let policy = asked.pre.instantiate_async(&mut store).await?;
                    policy.skerry_registry_storage_rules().call_check(&mut store).await
                }
            }
        });
        let outcome = called.await;
        let said = store.data().output.last_line();
        self.log(asking, &store);
        let mask = self.mask(asking);
        let sentence = |text: &str| mask.sentence(text, REASON);
        match outcome {
            Ok(Ok(warnings)) => {
                for warning in warnings.iter().take(CHECKED) {
                    tracing::warn!(policy = self.rights.name, "{}", sentence(warning));
                }
                Ok(())
            }
            Ok(Err(reason)) => Err(sentence(&reason)),
            // What it said itself is clearer than that it ended.
            Err(cause) => Err(sentence(&said.unwrap_or_else(|| describe(&cause)))),
        }
    }

    /// What it is asked of at all: once it has said that it can work.
    pub async fn about(&mut self, asking: &Asking<'_>) -> Result<(), String> {
        let _slot = self.slot(asking.common).await.ok_or("every instance is busy")?;
        let mut store = self.store(asking.common);
        let called = self.bounded(async {
            match &self.pre {
                Pre::Auth(asked) => {
                    let policy = asked.pre.instantiate_async(&mut store).await?;
                    Ok((policy.skerry_registry_auth().call_knows_by(&mut store).await?, Vec::new()))
                }
                Pre::Storage(asked) => {
                    let policy = asked.pre.instantiate_async(&mut store).await?;
                    Ok((Vec::new(), policy.skerry_registry_storage_rules().call_concerns(&mut store).await?))
                }
            }
        });
        let outcome = called.await;
        self.log(asking, &store);
        let (evidence, concerns) = outcome.map_err(|cause| self.mask(asking).sentence(&describe(&cause), REASON))?;
        self.knows_by = evidence.into_iter().collect();
        self.concerns = concerns.into_iter().collect();
        let is_asked = matches!(self.pre, Pre::Auth(_)) || self.keeper.is_some();
        if self.concerns.is_empty() && !is_asked {
            tracing::warn!(policy = self.rights.name, "it is about nothing, and never asked");
        }
        Ok(())
    }

    pub(super) async fn begin(&self, asking: &Asking<'_>) -> Result<(Store<State>, Permits), Failed> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let permits = self.permits(asking).await?;
        Ok((self.store(asking.common), permits))
    }

    /// Leave for one instance, as soon as there is any.
    pub(super) async fn permits(&self, asking: &Asking<'_>) -> Result<Permits, Failed> {
        let busy = || self.fail(asking, "guard instances: all of them are busy, and the queue does not move");
        let permit = self.instances.admit().await.ok_or_else(busy)?;
        let slot = self.slot(asking.common).await.ok_or_else(busy)?;
        Ok([permit, slot])
    }

    /// The same, if there is any now.
    pub(super) fn permits_at_hand(&self, common: &Common) -> Option<Permits> {
        Some([self.instances.at_hand()?, Arc::clone(&common.instances).try_acquire_owned().ok()?])
    }

    /// One of the slots of all policies: free at once, but where chains follow
    /// one another so fast that more than two of them run.
    async fn slot(&self, common: &Common) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&common.instances).acquire_owned();
        tokio::time::timeout(self.rights.limits.queue_time, free).await.ok()?.ok()
    }

    pub(super) fn store(&self, common: &Common) -> Store<State> {
        let mut store = Store::new(&common.engine, State::new(&self.rights, &common.ticker, common.seed));
        store.limiter(|state| &mut state.allowance);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(meter::on_tick);
        store.set_hostcall_fuel(ANSWER);
        store
    }

    /// One that waits is stopped as well.
    pub(super) async fn bounded<T>(&self, call: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
        patient(&self.rights.limits, call).await
    }

    pub(super) fn end<T>(
        &self,
        asking: &Asking<'_>,
        store: &Store<State>,
        outcome: wasmtime::Result<T>,
    ) -> Result<(T, Files), Failed> {
        self.log(asking, store);
        let answer = outcome.map_err(|cause| self.fail(asking, &describe(&cause)))?;
        let read = store.data().read.iter().map(|(name, seen)| (Arc::clone(&self.rights), Arc::clone(name), *seen));
        Ok((answer, read.collect()))
    }

    fn log(&self, asking: &Asking<'_>, store: &Store<State>) {
        let output = &store.data().output;
        output.log_as(Some(&self.rights.name), asking.request, &|line| self.mask(asking).over(line).into_owned());
    }

    /// The one line that says that it failed, and why.
    pub(super) fn fail(&self, asking: &Asking<'_>, cause: &str) -> Failed {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let cause = self.mask(asking).sentence(cause, REASON);
        let outcome = asking.stake.outcome(self.lenient);
        tracing::error!(policy = self.rights.name, request_id = %asking.request, cause, "a policy failed; {outcome}");
        Failed
    }

    pub(super) fn mask(&self, asking: &Asking<'_>) -> Mask {
        self.rights.mask.and(asking.credentials)
    }
}

/// Stops a call that waits.
pub async fn patient<T>(limits: &Limits, call: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    let patience = limits.time.saturating_mul(4).saturating_add(PATIENCE);
    match tokio::time::timeout(patience, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Guard::Patience.into()),
    }
}

/// Whether the host would take an answer, as JSON: that it is of the right
/// type does not say that it makes sense.
pub fn refused(function: &str, arguments: &Json, answer: &Json) -> Result<(), String> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let pairs = |json: &Json| -> Vec<(String, String)> {
        let pair = |pair: &Json| Some((text(pair.get(0)?), text(pair.get(1)?)));
        json.as_array().into_iter().flatten().filter_map(pair).collect()
    };
    match function {
        "authenticate" => match answer.get("known").and_then(|known| known.get("principal")) {
            Some(given) => principal(&Principal {
                subject: text(&given["subject"]),
                groups: given["groups"].as_array().into_iter().flatten().map(text).collect(),
                claims: pairs(&given["claims"]),
            }),
            None => Ok(()),
        },
        "admit" => match answer.get("deny") {
            Some(given) => denied(&Denial {
                code: text(&given["code"]),
                status: given["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0),
                message: String::new(),
            }),
            None => Ok(()),
        },
        "retain" => {
            let all = |json: &Json| json.as_array().into_iter().flatten().map(|one| text(&one["tag"])).collect();
            let (asked, gone): (Vec<_>, Vec<_>) = (all(&arguments["tags"]), all(&answer["ok"]));
            retain::strangers(asked.iter().map(String::as_str), gone.iter().map(String::as_str))
        }
        "challenges" => {
            let given = answer.as_array().into_iter().flatten();
            let given = given.map(|given| auth::Challenge {
                scheme: text(&given["scheme"]),
                parameters: pairs(&given["parameters"]),
            });
            challenge::values(&given.collect::<Vec<_>>(), &Mask::default()).map(|_| ())
        }
        _ => Ok(()),
    }
}

type Files = Vec<(Arc<Rights>, Arc<str>, crate::storage::Seen)>;

fn principal(given: &Principal) -> Result<(), String> {
    if !(1..=SUBJECT).contains(&given.subject.len()) || given.subject.chars().any(char::is_control) {
        return Err(format!("guard principal: a subject is to have 1 to {SUBJECT} bytes, and no control characters"));
    }
    let claims = given.claims.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    let bytes = given.groups.iter().map(String::len).chain(claims).fold(0, usize::saturating_add);
    if given.groups.len() > GROUPS || given.claims.len() > CLAIMS || bytes > PRINCIPAL {
        return Err("guard principal: too many groups or claims".into());
    }
    Ok(())
}

fn denied(given: &Denial) -> Result<(), String> {
    let code = (1..=64).contains(&given.code.len())
        && given.code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !code || !(given.status == 0 || (400..500).contains(&given.status)) {
        return Err(format!("guard denial: no code or status: {:.64?} {}", given.code, given.status));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_bounds() {
        let of = |subject: &str, groups: usize, claim: usize| {
            let claims = vec![("scope".to_owned(), "x".repeat(claim))];
            principal(&Principal { subject: subject.into(), groups: vec!["g".into(); groups], claims })
        };
        assert!(of("a", 64, 100).is_ok());
        for (subject, groups, claim) in [("", 0, 0), ("a\nb", 0, 0), ("a", 65, 0), ("a", 0, 16 << 10)] {
            assert!(of(subject, groups, claim).unwrap_err().starts_with("guard principal"), "{subject:?}");
        }
        assert!(of(&"x".repeat(257), 0, 0).is_err());
    }

    #[test]
    fn a_denial_is_one() {
        let of = |code: &str, status| denied(&Denial { code: code.into(), status, message: String::new() }).is_ok();
        assert!(of("DENIED", 0) && of("TAG_INVALID", 400) && of("A", 499));
        for (code, status) in [("", 0), ("denied", 0), ("A B", 0), ("DENIED", 200), ("DENIED", 500), ("DENIED", 1)] {
            assert!(!of(code, status), "{code} {status}");
        }
    }
}
