//! The exports of the world `auth-policy`.

use std::{any::Any, cell::Cell, marker::PhantomData};

use self::wit::exports::skerry::registry::auth as exported;
use super::{Factless, answered, milliseconds};
use crate::{
    Failed,
    auth::{AuthPolicy, Certificate, Client, Credential, Evidence, Identity, Outcome, Refusal},
    host::settings,
};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "auth-policy",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_auth_policy",
    });
}

/// A policy as a component.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

thread_local! {
    /// The policy: made when it is first asked, and asked again about the same
    /// request, if about anything.
    static POLICY: Cell<Option<&'static dyn Any>> = const { Cell::new(None) };
}

/// The policy with its settings. It stays for as long as the instance does.
fn policy<P: AuthPolicy + 'static>() -> Result<&'static P, Failed> {
    if let Some(made) = POLICY.get().and_then(<dyn Any>::downcast_ref) {
        return Ok(made);
    }
    let made: &'static P = Box::leak(Box::new(P::new(settings(&Factless)?)?));
    POLICY.set(Some(made));
    Ok(made)
}

impl<P: AuthPolicy + 'static> exported::Guest for Component<P> {
    fn check() -> Result<Vec<String>, String> {
        policy::<P>().and_then(|policy| policy.check(&Factless)).map_err(|failed| failed.to_string())
    }

    fn knows_by() -> Vec<exported::Evidence> {
        let one = |evidence| match evidence {
            Evidence::Anything => exported::Evidence::Anything,
            Evidence::Nothing => exported::Evidence::Nothing,
            Evidence::Basic => exported::Evidence::Basic,
            Evidence::Bearer => exported::Evidence::Bearer,
            Evidence::Certificate => exported::Evidence::Certificate,
        };
        answered(policy::<P>()).knows_by().into_iter().map(one).collect()
    }

    fn authenticate(client: exported::Client, accesses: Vec<exported::Access>) -> exported::Identity {
        match answered(policy::<P>().and_then(|policy| policy.authenticate(&Factless, &client.into(), &all(accesses))))
        {
            Identity::Pass => exported::Identity::Pass,
            Identity::Anonymous(lifetime) => exported::Identity::Anonymous(milliseconds(lifetime)),
            Identity::Known(principal, lifetime) => exported::Identity::Known(exported::Known {
                principal: exported::Principal {
                    subject: principal.subject,
                    groups: principal.groups,
                    claims: principal.claims,
                },
                lifetime: milliseconds(lifetime),
            }),
            Identity::Challenge => exported::Identity::Challenge,
        }
    }

    fn authorize(
        principal: Option<exported::Principal>,
        client: exported::Client,
        accesses: Vec<exported::Access>,
    ) -> exported::Decision {
        let principal = principal.map(crate::Principal::from);
        let decision = policy::<P>()
            .and_then(|policy| policy.authorize(&Factless, principal.as_ref(), &client.into(), &all(accesses)));
        let decision = answered(decision);
        exported::Decision {
            outcome: match decision.outcome {
                Outcome::Pass => exported::Outcome::Pass,
                Outcome::Allow => exported::Outcome::Allow,
                Outcome::Deny(reason) => exported::Outcome::Deny(reason),
                Outcome::Challenge => exported::Outcome::Challenge,
                Outcome::Hide => exported::Outcome::Hide,
            },
            lifetime: milliseconds(decision.lifetime),
        }
    }

    fn challenges(
        client: exported::Client,
        accesses: Vec<exported::Access>,
        insufficient: bool,
        authority: Option<String>,
    ) -> Vec<exported::Challenge> {
        let refusal = Refusal { accesses: &all(accesses), insufficient, authority: authority.as_deref() };
        let challenges = answered(policy::<P>()).challenges(&client.into(), &refusal);
        let one = |challenge: crate::Challenge| exported::Challenge {
            scheme: challenge.scheme,
            parameters: challenge.parameters,
        };
        challenges.into_iter().map(one).collect()
    }
}

fn all(accesses: Vec<exported::Access>) -> Vec<crate::Access> {
    use self::wit::skerry::registry::identity::Action;

    let one = |access: exported::Access| crate::Access {
        repository: access.repository,
        action: match access.action {
            Action::Pull => crate::Action::Pull,
            Action::Push => crate::Action::Push,
            Action::Delete => crate::Action::Delete,
            Action::Catalog => crate::Action::Catalog,
        },
        reference: access.reference,
    };
    accesses.into_iter().map(one).collect()
}

impl From<exported::Principal> for crate::Principal {
    fn from(principal: exported::Principal) -> Self {
        Self { subject: principal.subject, groups: principal.groups, claims: principal.claims }
    }
}

impl From<exported::Client> for Client {
    fn from(client: exported::Client) -> Self {
        Self {
            credential: match client.credential {
                exported::Credential::None => Credential::None,
                exported::Credential::Basic((user, password)) => Credential::Basic(user, password),
                exported::Credential::Bearer(token) => Credential::Bearer(token),
                exported::Credential::Unknown => Credential::Unknown,
            },
            address: client.address,
            certificate: client.certificate.map(|certificate| Certificate {
                subject: certificate.subject,
                dns_names: certificate.dns_names,
                emails: certificate.emails,
                uris: certificate.uris,
                sha256: certificate.sha256,
            }),
        }
    }
}
