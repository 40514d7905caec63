//! One request before the policies: who makes it is asked once, and no
//! question twice, so that a module is told the same for as long as it lives.

use std::sync::Arc;

use http::{
    HeaderValue,
    header::{AUTHORIZATION, HOST},
    request::Parts,
};

use super::{
    super::{
        bindings::{
            access::Verdict,
            auth,
            identity::{Access, Action, Principal},
            storage_policy_types::{Concern, Denial, Event, Ruling},
        },
        facts::Admitted,
    },
    Policies,
    client::{self, Fingerprint},
    decisions::{Decided, Ground},
    live::Live,
    one::{Asking, Failed, Stake},
    question,
    said::Mask,
};
use crate::server::Facts;

/// Answers of all chains that one request may ask for.
pub const BUDGET: u32 = 40_000;

/// The reason where no policy has one.
const NOT_ALLOWED: &str = "no policy allows it";

/// What a request shows to policies, and what they said of it.
pub struct Session {
    policies: Arc<Policies>,
    facts: Arc<Facts>,
    authorization: Vec<HeaderValue>,
    /// What the client calls this registry: for challenges alone, which are
    /// never kept. The fingerprint does not have it.
    called: Option<HeaderValue>,
    fingerprint: Option<Fingerprint>,
    who: Option<(Who, Ground)>,
    told: Vec<(Arc<[u8]>, Told)>,
    /// What storage policies let in, until the request is over.
    admitted: Vec<Admitted>,
    left: u32,
}

/// Who makes the request.
#[derive(Clone)]
enum Who {
    Somebody(Arc<Principal>),
    /// Nobody in particular.
    Nobody,
    /// What was shown is wrong, or something is to be shown.
    Wrong,
    /// A policy failed.
    Unknown,
}

#[derive(Clone)]
struct Told {
    verdict: Verdict,
    may: Box<[bool]>,
    /// Nothing where it is not to be relied on.
    ground: Option<Ground>,
}

impl Session {
    /// Of a request. It costs next to nothing until something is asked.
    pub fn begin(policies: Arc<Policies>, head: &Parts, facts: Arc<Facts>) -> Self {
        let authorization = head.headers.get_all(AUTHORIZATION).iter().cloned().collect();
        Self {
            policies,
            facts,
            authorization,
            called: head.headers.get(HOST).cloned(),
            fingerprint: None,
            who: None,
            told: Vec::new(),
            admitted: Vec::new(),
            left: BUDGET,
        }
    }

    /// Whether anybody decides who may do what.
    pub fn has_rules(&self) -> bool {
        !self.policies.auth.is_empty()
    }

    /// Whether anybody decides of such events.
    pub fn wants(&self, concern: Concern) -> bool {
        self.policies.concerns.has(concern)
    }

    /// Whether these are the policies that it puts its questions to.
    pub fn asks(&self, policies: &Arc<Policies>) -> bool {
        Arc::ptr_eq(&self.policies, policies)
    }

    /// The name of who made the request, if that came to light.
    pub fn user(&self) -> Option<Arc<str>> {
        match &self.who {
            Some((Who::Somebody(principal), _)) => Some(principal.subject.as_str().into()),
            _ => None,
        }
    }

    /// What a policy's answer was or would be, part by part, if it can be
    /// relied on; false if not. Policies are not asked for it.
    pub fn answer(&mut self, asked: &[u8], part: &mut dyn FnMut(&[u8])) -> bool {
        if asked == question::WHO {
            self.find_who();
            return self.tell_who(part);
        }
        if let Some((_, told)) = self.told.iter().find(|(known, _)| **known == *asked) {
            if told.ground.is_some() {
                told.parts(part);
            }
            return told.ground.is_some();
        }
        match self.find(asked) {
            Some(told) => {
                told.parts(part);
                true
            }
            None => false,
        }
    }

    /// May the client do all of this?
    pub async fn authorize(&mut self, accesses: &[Access]) -> (Arc<[u8]>, Verdict) {
        let asked = question::authorize(accesses);
        if let Some(told) = self.known(&asked) {
            return (asked, told.verdict);
        }
        let client = client::of(&self.authorization, &self.facts);
        let mut live = Live::default();
        let (who, ground) = self.who(&mut live, &client, accesses).await;
        let (verdict, ground) = self.judge(&mut live, &client, &who, ground, accesses).await;
        let lasting = matches!(verdict, Verdict::Allow).then_some(ground).filter(Ground::lasts);
        if let Some(ground) = &lasting {
            self.keep(&asked, &who, Box::default(), ground);
        }
        self.told.push((Arc::clone(&asked), Told { verdict: verdict.clone(), may: Box::default(), ground: lasting }));
        (asked, verdict)
    }

    /// Which of these may the client pull from? Where a policy fails, none.
    pub async fn may_pull(&mut self, repositories: &[String]) -> (Arc<[u8]>, Vec<bool>) {
        let asked = question::may_pull(repositories);
        if let Some(told) = self.known(&asked) {
            return (asked, told.may.into_vec());
        }
        let client = client::of(&self.authorization, &self.facts);
        let mut live = Live::default();
        let (who, ground) = self.who(&mut live, &client, &[]).await;
        let (may, ground) = self.each(&mut live, &client, &who, ground, repositories).await;
        let lasting = Some(ground).filter(|ground| ground.lasts() && matches!(who, Who::Somebody(_) | Who::Nobody));
        if let Some(ground) = &lasting {
            self.keep(&asked, &who, may.clone().into(), ground);
        }
        self.told
            .push((Arc::clone(&asked), Told { verdict: Verdict::Allow, may: may.clone().into(), ground: lasting }));
        (asked, may)
    }

    /// Who is it?
    pub async fn principal(&mut self) -> (Arc<[u8]>, Option<Arc<Principal>>) {
        let client = client::of(&self.authorization, &self.facts);
        let principal = match self.who(&mut Live::default(), &client, &[]).await.0 {
            Who::Somebody(principal) => Some(principal),
            Who::Nobody | Who::Wrong | Who::Unknown => None,
        };
        (question::WHO.into(), principal)
    }

    /// May this be stored, served, or go?
    pub async fn admit(&mut self, event: &Event) -> Ruling {
        let client = client::of(&self.authorization, &self.facts);
        let who = if self.has_rules() { self.who(&mut Live::default(), &client, &[]).await.0 } else { Who::Nobody };
        let who = match &who {
            Who::Somebody(principal) => Some(&**principal),
            Who::Nobody => None,
            Who::Wrong => {
                let message = "authentication required".to_owned();
                return Ruling::Deny(Denial { code: "DENIED".into(), status: 0, message });
            }
            Who::Unknown => return Ruling::Unavailable,
        };
        let mask = client::mask(&client);
        let asking = asking(&self.policies, &self.facts, &mask);
        let (ruling, admitted) = self.policies.rule(&asking, who, event, &mut self.left).await;
        self.admitted.extend(admitted);
        ruling
    }

    /// The module stores something now.
    pub fn begin_to_store(&mut self) {
        self.admitted.iter_mut().for_each(Admitted::begin_to_store);
    }

    /// That is over. Whether it may have changed anything.
    pub fn end_to_store(&mut self, changed: bool) {
        self.admitted.iter_mut().for_each(|admitted| admitted.end_to_store(changed));
    }

    /// Asks policies in order until one knows.
    async fn who(&mut self, live: &mut Live, client: &auth::Client, accesses: &[Access]) -> (Who, Ground) {
        self.find_who();
        if self.who.is_none() {
            let nobody = question::nobody(accesses);
            let fingerprint = self.fingerprint();
            let (who, ground) = match self.policies.decisions.find(&fingerprint, &nobody) {
                Some(decided) => (Who::Nobody, decided.ground.clone()),
                None => {
                    let (who, ground) = self.authenticate(live, client, accesses).await;
                    match &who {
                        Who::Somebody(_) => self.keep(question::WHO, &who, Box::default(), &ground),
                        Who::Nobody => self.keep(&nobody, &who, Box::default(), &ground),
                        Who::Wrong | Who::Unknown => {}
                    }
                    (who, ground)
                }
            };
            self.who = Some((who, ground));
        }
        self.who.clone().unwrap_or((Who::Unknown, Ground::none()))
    }

    async fn authenticate(&mut self, live: &mut Live, client: &auth::Client, accesses: &[Access]) -> (Who, Ground) {
        let mask = client::mask(client);
        let mut ground = Ground::firm();
        for policy in self.policies.auth.iter().filter(|policy| policy.knows_by.is_shown(client)) {
            if spend(&mut self.left).is_err() {
                return (Who::Unknown, Ground::none());
            }
            let asking = asking(&self.policies, &self.facts, &mask);
            match policy.authenticate(&asking, live, client, accesses).await {
                Ok((identity, more)) => {
                    ground = ground.and(&more);
                    match identity {
                        auth::Identity::Pass => {}
                        auth::Identity::Anonymous(_) => return (Who::Nobody, ground),
                        auth::Identity::Known(known) => return (Who::Somebody(Arc::new(known.principal)), ground),
                        auth::Identity::Challenge => return (Who::Wrong, Ground::none()),
                    }
                }
                Err(_) if policy.lenient => ground = Ground::none(),
                Err(_) => return (Who::Unknown, Ground::none()),
            }
        }
        match client.credential {
            auth::Credential::None => (Who::Nobody, ground),
            _ => (Who::Wrong, Ground::none()),
        }
    }

    /// From who it is to a verdict.
    async fn judge(
        &mut self,
        live: &mut Live,
        client: &auth::Client,
        who: &Who,
        ground: Ground,
        accesses: &[Access],
    ) -> (Verdict, Ground) {
        let principal = match who {
            Who::Somebody(principal) => Some(&**principal),
            Who::Nobody => None,
            Who::Wrong => return (self.challenge(live, client, accesses, false).await, Ground::none()),
            Who::Unknown => return (Verdict::Unavailable, Ground::none()),
        };
        let (outcome, more) = match self.hear(live, client, principal, accesses).await {
            Ok(heard) => heard,
            Err(_) => return (Verdict::Unavailable, Ground::none()),
        };
        let verdict = match outcome {
            auth::Outcome::Allow => Verdict::Allow,
            auth::Outcome::Hide => Verdict::Hide,
            auth::Outcome::Challenge => self.challenge(live, client, accesses, principal.is_some()).await,
            _ if principal.is_none() => self.challenge(live, client, accesses, false).await,
            auth::Outcome::Deny(reason) => Verdict::Deny(reason),
            auth::Outcome::Pass => Verdict::Deny(NOT_ALLOWED.to_owned()),
        };
        (verdict, ground.and(&more))
    }

    /// The first policy that is against it decides; else one at least must be
    /// for it, or nobody is.
    async fn hear(
        &mut self,
        live: &mut Live,
        client: &auth::Client,
        principal: Option<&Principal>,
        accesses: &[Access],
    ) -> Result<(auth::Outcome, Ground), Failed> {
        let mask = client::mask(client);
        let mut heard = (auth::Outcome::Pass, Ground::firm());
        for policy in &self.policies.auth {
            spend(&mut self.left)?;
            let asking = asking(&self.policies, &self.facts, &mask);
            match policy.authorize(&asking, live, principal, client, accesses).await {
                Ok((outcome, more)) => {
                    heard.1 = heard.1.and(&more);
                    match outcome {
                        auth::Outcome::Pass => {}
                        auth::Outcome::Allow => heard.0 = outcome,
                        against => return Ok((against, heard.1)),
                    }
                }
                Err(_) if policy.lenient => heard.1 = Ground::none(),
                Err(failed) => return Err(failed),
            }
        }
        Ok(heard)
    }

    /// 401 with what all policies ask for; 403 where that is nothing.
    async fn challenge(
        &mut self,
        live: &mut Live,
        client: &auth::Client,
        accesses: &[Access],
        insufficient: bool,
    ) -> Verdict {
        let mask = client::mask(client);
        let authority = self.called.as_ref().and_then(|called| client::authority(called, &self.facts));
        let mut values = Vec::new();
        for policy in &self.policies.auth {
            if spend(&mut self.left).is_err() {
                return Verdict::Unavailable;
            }
            let asking = asking(&self.policies, &self.facts, &mask);
            match policy.challenges(&asking, live, client, accesses, insufficient, authority).await {
                Ok(more) => values.extend(more),
                Err(_) if policy.lenient => {}
                Err(_) => return Verdict::Unavailable,
            }
        }
        match values.is_empty() {
            true => Verdict::Deny(NOT_ALLOWED.to_owned()),
            false => Verdict::Challenge(values),
        }
    }

    async fn each(
        &mut self,
        live: &mut Live,
        client: &auth::Client,
        who: &Who,
        mut ground: Ground,
        repositories: &[String],
    ) -> (Vec<bool>, Ground) {
        let principal = match who {
            Who::Somebody(principal) => Some(&**principal),
            Who::Nobody => None,
            Who::Wrong | Who::Unknown => return (vec![false; repositories.len()], Ground::none()),
        };
        let mut may = Vec::with_capacity(repositories.len());
        for name in repositories {
            let access = Access { repository: Some(name.clone()), action: Action::Pull, reference: None };
            // One line in the log is enough.
            let Ok((outcome, more)) = self.hear(live, client, principal, &[access]).await else {
                return (vec![false; repositories.len()], Ground::none());
            };
            ground = ground.and(&more);
            may.push(matches!(outcome, auth::Outcome::Allow));
        }
        (may, ground)
    }

    /// What was told already, or can be told without a policy.
    fn known(&mut self, asked: &[u8]) -> Option<Told> {
        match self.told.iter().find(|(known, _)| **known == *asked) {
            Some((_, told)) => Some(told.clone()),
            None => self.find(asked),
        }
    }

    /// Something that was decided before.
    fn find(&mut self, asked: &[u8]) -> Option<Told> {
        let fingerprint = self.fingerprint();
        let decided = self.policies.decisions.find(&fingerprint, asked)?;
        let who = decided.who.as_ref().map_or(Who::Nobody, |principal| Who::Somebody(Arc::clone(principal)));
        match &self.who {
            // It may have been decided when the client was somebody else.
            Some((known, _)) if !known.is(&who) => return None,
            Some(_) => {}
            None => self.who = Some((who, decided.ground.clone())),
        }
        let told = Told { verdict: Verdict::Allow, may: decided.may.clone(), ground: Some(decided.ground.clone()) };
        self.told.push((asked.into(), told.clone()));
        Some(told)
    }

    fn find_who(&mut self) {
        if self.who.is_none() {
            let fingerprint = self.fingerprint();
            let decided = self.policies.decisions.find(&fingerprint, question::WHO);
            self.who = decided
                .and_then(|decided| Some((Who::Somebody(Arc::clone(decided.who.as_ref()?)), decided.ground.clone())));
        }
    }

    fn tell_who(&self, part: &mut dyn FnMut(&[u8])) -> bool {
        match &self.who {
            Some((Who::Nobody, ground)) => ground.lasts(),
            Some((Who::Somebody(principal), ground)) if ground.lasts() => {
                part(principal.subject.as_bytes());
                part(&u64::try_from(principal.groups.len()).unwrap_or(u64::MAX).to_le_bytes());
                principal.groups.iter().for_each(|group| part(group.as_bytes()));
                for (name, value) in &principal.claims {
                    part(name.as_bytes());
                    part(value.as_bytes());
                }
                true
            }
            _ => false,
        }
    }

    fn keep(&mut self, asked: &[u8], who: &Who, may: Box<[bool]>, ground: &Ground) {
        let who = match who {
            Who::Somebody(principal) => Some(Arc::clone(principal)),
            Who::Nobody => None,
            Who::Wrong | Who::Unknown => return,
        };
        let fingerprint = self.fingerprint();
        self.policies.decisions.keep(&fingerprint, asked, Decided { who, may, ground: ground.clone() });
    }

    fn fingerprint(&mut self) -> Fingerprint {
        let secret = self.policies.decisions.secret();
        *self.fingerprint.get_or_insert_with(|| client::fingerprint(secret, &self.authorization, &self.facts))
    }
}

impl Who {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nobody, Self::Nobody) => true,
            (Self::Somebody(one), Self::Somebody(two)) => {
                (&one.subject, &one.groups, &one.claims) == (&two.subject, &two.groups, &two.claims)
            }
            _ => false,
        }
    }
}

impl Told {
    fn parts(&self, part: &mut dyn FnMut(&[u8])) {
        part(b"allow");
        let may: Vec<u8> = self.may.iter().map(|may| u8::from(*may)).collect();
        part(&may);
    }
}

fn asking<'a>(policies: &'a Policies, facts: &'a Facts, credentials: &'a Mask) -> Asking<'a> {
    Asking { common: &policies.common, request: &facts.request_id, credentials, stake: Stake::Request }
}

/// A request that asks without end is told that a policy failed.
pub fn spend(left: &mut u32) -> Result<(), Failed> {
    *left = left.checked_sub(1).ok_or(Failed)?;
    Ok(())
}
