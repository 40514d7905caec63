//! Policies about who may do what.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Access, Failed, Host, Principal, host::settings};

/// A policy of the world `auth-policy`.
///
/// Each method has a default by which the policy has no opinion.
pub trait AuthPolicy: Sized {
    /// What the operator may set. `()` where there is nothing.
    type Settings: DeserializeOwned;

    /// Takes the settings.
    ///
    /// # Errors
    /// What is wrong with them, for the operator.
    fn new(settings: Self::Settings) -> Result<Self, Failed>;

    /// Whether it can work, once, when it is loaded: what the operator should
    /// be warned of, at most 64 lines.
    ///
    /// # Errors
    /// Why not. The host does not take the policy then.
    fn check(&self, host: &dyn Host) -> Result<Vec<String>, Failed> {
        let _ = host;
        Ok(Vec::new())
    }

    /// By what it may know who a client is. Where a client shows none of it, the
    /// policy is not asked, which counts as [`Identity::Pass`].
    fn knows_by(&self) -> Vec<Evidence> {
        vec![Evidence::Anything]
    }

    /// Who is this?
    ///
    /// # Errors
    /// The policy has no answer.
    fn authenticate(&self, host: &dyn Host, client: &Client, accesses: &[Access]) -> Result<Identity, Failed> {
        let _ = (host, client, accesses);
        Ok(Identity::Pass)
    }

    /// May they do all of this? With no accesses: are they let in at all?
    ///
    /// # Errors
    /// The policy has no answer.
    fn authorize(
        &self,
        host: &dyn Host,
        principal: Option<&Principal>,
        client: &Client,
        accesses: &[Access],
    ) -> Result<Decision, Failed> {
        let _ = (host, principal, client, accesses);
        Ok(Decision::pass())
    }

    /// What goes with a 401 to this client, at most 4.
    fn challenges(&self, client: &Client, refusal: &Refusal<'_>) -> Vec<Challenge> {
        let _ = (client, refusal);
        Vec::new()
    }
}

/// What the client showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The field `Authorization`.
    pub credential: Credential,
    /// The client's address, without a port.
    pub address: String,
    /// The certificate of the client, where an authority vouched for it.
    pub certificate: Option<Certificate>,
}

/// What a policy may know a client by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Whatever it shows.
    Anything,
    /// That it shows no credential.
    Nothing,
    /// [`Credential::Basic`].
    Basic,
    /// [`Credential::Bearer`].
    Bearer,
    /// [`Client::certificate`].
    Certificate,
}

impl Client {
    /// Whether it shows this.
    #[must_use]
    pub fn shows(&self, evidence: Evidence) -> bool {
        match evidence {
            Evidence::Anything => true,
            Evidence::Nothing => self.credential.is_nothing(),
            Evidence::Basic => matches!(self.credential, Credential::Basic(..)),
            Evidence::Bearer => matches!(self.credential, Credential::Bearer(_)),
            Evidence::Certificate => self.certificate.is_some(),
        }
    }
}

/// The field `Authorization`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credential {
    /// There is none.
    #[default]
    None,
    /// User and password.
    Basic(String, String),
    /// A token.
    Bearer(String),
    /// Another scheme, more than one field, or nonsense.
    Unknown,
}

impl Credential {
    /// Whether the client said nothing about itself. An empty user with an
    /// empty password is what podman and skopeo send where they have none.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::None => true,
            Self::Basic(user, password) => user.is_empty() && password.is_empty(),
            Self::Bearer(_) | Self::Unknown => false,
        }
    }
}

/// A verified certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The subject by RFC 4514, such as `CN=builder,O=Example`.
    pub subject: String,
    /// DNS names, in lower case.
    pub dns_names: Vec<String>,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// URIs, such as SPIFFE IDs.
    pub uris: Vec<String>,
    /// SHA-256 of the certificate: 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Not mine: the next policy is asked.
    Pass,
    /// Nobody in particular, and that is fine. For how long this may be relied
    /// on; nothing: not beyond this request.
    Anonymous(Option<Duration>),
    /// Somebody, and for how long this may be relied on.
    Known(Principal, Option<Duration>),
    /// What was shown is wrong, or something must be shown.
    Challenge,
}

/// Whether somebody may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is decided.
    pub outcome: Outcome,
    /// How long this may be relied on; nothing: not beyond this request.
    pub lifetime: Option<Duration>,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No opinion.
    Pass,
    /// They may.
    Allow,
    /// They may not, for this reason, at most 1 KiB, which the client reads.
    Deny(String),
    /// It takes more than was shown.
    Challenge,
    /// As if nothing of that name were there.
    Hide,
}

impl Decision {
    /// No opinion.
    #[must_use]
    pub const fn pass() -> Self {
        Self { outcome: Outcome::Pass, lifetime: None }
    }

    /// They may.
    #[must_use]
    pub const fn allow() -> Self {
        Self { outcome: Outcome::Allow, lifetime: None }
    }

    /// They may not, for this reason.
    #[must_use]
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Deny(reason.into()), lifetime: None }
    }

    /// It takes more than was shown.
    #[must_use]
    pub const fn challenge() -> Self {
        Self { outcome: Outcome::Challenge, lifetime: None }
    }

    /// As if nothing of that name were there.
    #[must_use]
    pub const fn hide() -> Self {
        Self { outcome: Outcome::Hide, lifetime: None }
    }

    /// The same, to be relied on for so long.
    #[must_use]
    pub const fn lasting(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

/// What a 401 is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// What was asked for.
    pub accesses: &'a [Access],
    /// Whether what the client showed is right and not enough; else it showed
    /// nothing, or nothing that was taken.
    pub insufficient: bool,
    /// The host, with a port where one was named, by which the client calls
    /// this registry; only where it was shown a certificate that is for it.
    pub authority: Option<&'a str>,
}

/// One scheme by which a client may say who it is. The host writes it as a
/// field, quoted and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Such as `Basic` or `Bearer`.
    pub scheme: String,
    /// Names and values, in order; at most 16.
    pub parameters: Vec<(String, String)>,
}

/// [`AuthPolicy::check`] on a new policy, as the host calls it.
///
/// # Errors
/// What the policy says against its settings or files.
pub fn check_auth<P: AuthPolicy>(host: &dyn Host) -> Result<Vec<String>, Failed> {
    P::new(settings(host)?)?.check(host)
}

/// [`AuthPolicy::knows_by`] of a new policy, as the host calls it.
///
/// # Errors
/// What the policy says against its settings.
pub fn knows_by<P: AuthPolicy>(host: &dyn Host) -> Result<Vec<Evidence>, Failed> {
    Ok(P::new(settings(host)?)?.knows_by())
}

/// [`AuthPolicy::authenticate`] on a new policy, as the host calls it: not
/// where the client shows nothing that it may know it by.
///
/// # Errors
/// The policy has no answer.
pub fn authenticate<P: AuthPolicy>(host: &dyn Host, client: &Client, accesses: &[Access]) -> Result<Identity, Failed> {
    let policy = P::new(settings(host)?)?;
    if !policy.knows_by().into_iter().any(|evidence| client.shows(evidence)) {
        return Ok(Identity::Pass);
    }
    policy.authenticate(host, client, accesses)
}

/// [`AuthPolicy::authorize`] on a new policy, as the host calls it.
///
/// # Errors
/// The policy has no answer.
pub fn authorize<P: AuthPolicy>(
    host: &dyn Host,
    principal: Option<&Principal>,
    client: &Client,
    accesses: &[Access],
) -> Result<Decision, Failed> {
    P::new(settings(host)?)?.authorize(host, principal, client, accesses)
}

/// [`AuthPolicy::challenges`] on a new policy, as the host calls it.
///
/// # Errors
/// The policy has no answer.
pub fn challenges<P: AuthPolicy>(
    host: &dyn Host,
    client: &Client,
    refusal: &Refusal<'_>,
) -> Result<Vec<Challenge>, Failed> {
    Ok(P::new(settings(host)?)?.challenges(client, refusal))
}
