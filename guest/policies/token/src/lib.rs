//! `token`: tokens of a Docker token server, as distribution's `auth.token`
//! takes them.
//!
//! A client that shows no token is told where to get one and for what
//! (`realm`, `service`, `scope`). The server's signature is checked with the
//! certificates and keys that the operator trusts; whoever else signed, in
//! whatever way, is refused. The token then says what its holder may do.
//!
//! ```yaml
//! policies:
//! - name: tokens
//!   module: token
//!   directory: /etc/skerry/token
//!   settings:
//!     realm: https://auth.example.com/token
//!     service: registry.example.com
//!     issuer: Example
//!     rootcertbundle: bundle.pem  # below `directory`; PEM certificates
//!     jwks: jwks.json             # below `directory`; one of the two, or both
//!     signingalgorithms: [ES256, EdDSA]  # of RS, PS, ES 256, 384, 512 and EdDSA; all where not set
//!     anonymous: false            # true: who shows no token is nobody in particular
//!     autoredirect: false         # true: see below
//!     autoredirectpath: /auth/token
//! ```
//!
//! The key of a token is named by its `x5c` (a chain to a certificate of the
//! bundle), by an embedded `jwk` (with such a chain, or equal to a trusted
//! key), or by its `kid`: the one in the JWKS, the thumbprint of RFC 7638, or
//! the fingerprint of libtrust (`ABCD:…`).
//!
//! A client whose token is not taken is told so (`error="invalid_token"`, RFC
//! 6750), and one whose token does not allow enough (`"insufficient_scope"`).
//!
//! With `autoredirect`, a client is sent to `autoredirectpath` of the host that
//! it called: where a proxy has the token server below the registry's own name.
//! That is the name in the request only if the host's certificate is for it;
//! else, and without TLS, it is `realm`. Otherwise whoever can have a client
//! send a name of his choice would get its password.
//!
//! Otherwise than there, `HS256` and its like are not taken, as who can check
//! such a token can make one, RSA keys have at least 2048 bits, and a token
//! with a wrong signature is an invalid one, too.

mod claims;
mod jwk;
mod jws;
mod trust;

use std::time::Duration;

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{
    Access, Action, AuthPolicy, Challenge, Client, Credential, Decision, Evidence, Failed, Host, Identity, Principal,
    Refusal,
};

use self::{
    claims::{Claims, Grant},
    jws::Algorithm,
    trust::Trust,
};

/// The answers follow from the question alone: the host forgets them with the
/// token, and when the configuration changes.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The claim that carries what a token grants.
const GRANTS: &str = "token.access";
/// The largest value of it, in bytes: the host takes 16 KiB in all.
const LARGEST_GRANTS: usize = 16 * 1024 - 256;
/// The longest subject, in bytes.
const LONGEST_SUBJECT: usize = 256;
/// Whose token names nobody, as token servers write them for everybody.
const NOBODY: &str = "anonymous";
/// Where the token server is on the same host.
const REDIRECT: &str = "/auth/token";

/// The policy.
#[derive(Debug)]
pub struct Token {
    settings: Settings,
    algorithms: Vec<Algorithm>,
    shared_secrets: bool,
}

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    realm: String,
    service: String,
    issuer: String,
    rootcertbundle: Option<String>,
    jwks: Option<String>,
    #[serde(default)]
    signingalgorithms: Vec<String>,
    #[serde(default)]
    autoredirect: bool,
    #[serde(default)]
    autoredirectpath: String,
    #[serde(default)]
    anonymous: bool,
}

impl AuthPolicy for Token {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        // What has to be escaped in a URL, or would end its path.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
        if !settings.autoredirectpath.bytes().all(plain) {
            return Err("settings: `autoredirectpath` is to be the path of a URL, such as /auth/token".into());
        }
        let (shared, others): (Vec<&String>, Vec<&String>) =
            settings.signingalgorithms.iter().partition(|name| matches!(name.as_str(), "HS256" | "HS384" | "HS512"));
        let parse = |name: &String| {
            Algorithm::parse(name)
                .ok_or_else(|| Failed::from(format!("settings: `signingalgorithms`: {name:?} is not known")))
        };
        let mut algorithms: Vec<Algorithm> = others.into_iter().map(parse).collect::<Result<_, _>>()?;
        if algorithms.is_empty() && !shared.is_empty() {
            return Err(
                "settings: `signingalgorithms`: of these, none is taken: who can check an HS256 can make one".into()
            );
        }
        if algorithms.is_empty() {
            algorithms = Algorithm::ALL.to_vec();
        }
        let shared_secrets = !shared.is_empty();
        Ok(Self { settings, algorithms, shared_secrets })
    }

    fn check(&self, host: &dyn Host) -> Result<Vec<String>, Failed> {
        let mut warnings = self.trust(host)?.warnings;
        if self.shared_secrets {
            warnings
                .push("signingalgorithms: HS256, HS384 and HS512 are left out: who can check one can make one".into());
        }
        if !self.settings.realm.starts_with("https://") && !self.settings.realm.starts_with("http://") {
            warnings.push(format!("realm: {:?} is no URL, where clients get tokens", self.settings.realm));
        }
        Ok(warnings)
    }

    fn knows_by(&self) -> Vec<Evidence> {
        vec![Evidence::Nothing, Evidence::Bearer]
    }

    fn authenticate(&self, host: &dyn Host, client: &Client, _: &[Access]) -> Result<Identity, Failed> {
        let token = match &client.credential {
            nothing if nothing.is_nothing() && self.settings.anonymous => {
                return Ok(Identity::Anonymous(Some(LIFETIME)));
            }
            nothing if nothing.is_nothing() => return Ok(Identity::Challenge),
            Credential::Bearer(token) => token,
            Credential::None | Credential::Basic(..) | Credential::Unknown => return Ok(Identity::Pass),
        };
        let known = jws::verify(token, &self.algorithms, &self.trust(host)?, host.now())
            .and_then(|payload| Claims::parse(&payload))
            .and_then(|claims| {
                let rest = claims.check(&self.settings.issuer, &self.settings.service, host.now())?;
                Ok(Identity::Known(principal(claims)?, Some(rest)))
            });
        known.or_else(|refused| {
            host.log(&format!("a token was refused: {refused}"));
            Ok(Identity::Challenge)
        })
    }

    fn authorize(
        &self,
        _: &dyn Host,
        principal: Option<&Principal>,
        _: &Client,
        accesses: &[Access],
    ) -> Result<Decision, Failed> {
        // Whoever another policy knows is its business.
        let Some(text) = principal.and_then(|principal| principal.claim(GRANTS)) else {
            return Ok(Decision::pass().lasting(LIFETIME));
        };
        let grants = Grant::list(text).ok_or("the claim of a principal is not what this policy wrote")?;
        let granted = |access: &Access| {
            let (kind, name, action) = resource(access)?;
            grants.iter().any(|grant| grant.allows(kind, name, action)).then_some(())
        };
        let all = accesses.iter().all(|access| granted(access).is_some());
        Ok(if all { Decision::allow() } else { Decision::challenge() }.lasting(LIFETIME))
    }

    fn challenges(&self, client: &Client, refusal: &Refusal<'_>) -> Vec<Challenge> {
        let scope = scope(refusal.accesses);
        let error = match (refusal.insufficient, &client.credential) {
            (true, _) => Some("insufficient_scope"),
            (false, Credential::Bearer(_)) => Some("invalid_token"),
            (false, _) => None,
        };
        let parameters = [
            ("realm", Some(self.realm(refusal.authority))),
            ("service", Some(self.settings.service.clone())),
            ("scope", (!scope.is_empty()).then_some(scope)),
            ("error", error.map(str::to_owned)),
        ];
        let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        vec![Challenge { scheme: "Bearer".to_owned(), parameters }]
    }
}

impl Token {
    /// Where tokens are to be had; `authority` is a name that this host has.
    fn realm(&self, authority: Option<&str>) -> String {
        let Some(authority) = authority.filter(|_| self.settings.autoredirect) else {
            return self.settings.realm.clone();
        };
        let path = match self.settings.autoredirectpath.as_str() {
            "" => REDIRECT,
            path => path,
        };
        format!("https://{authority}/{}", path.trim_start_matches('/'))
    }

    fn trust(&self, host: &dyn Host) -> Result<Trust, Failed> {
        Trust::load(host, self.settings.rootcertbundle.as_deref(), self.settings.jwks.as_deref())
    }
}

fn principal(claims: Claims) -> Result<Principal, String> {
    let subject = match claims.subject() {
        "" => NOBODY,
        subject if subject.len() > LONGEST_SUBJECT => return Err("its subject is too long".into()),
        subject if subject.contains(char::is_control) => return Err("its subject has control characters".into()),
        subject => subject,
    };
    let grants = claims.grants()?;
    if grants.len() > LARGEST_GRANTS {
        return Err(format!("what it grants takes {} bytes, and {LARGEST_GRANTS} are taken", grants.len()));
    }
    Ok(Principal { claims: vec![(GRANTS.to_owned(), grants)], ..Principal::named(subject) })
}

/// What tokens call it: type, name and action.
fn resource(access: &Access) -> Option<(&str, &str, &str)> {
    match (access.action, access.repository.as_deref()) {
        (Action::Catalog, None) => Some(("registry", "catalog", "*")),
        (Action::Catalog, Some(_)) | (_, None) => None,
        (action, Some(repository)) => Some(("repository", repository, action.name())),
    }
}

/// What to ask the token server for, such as `repository:a/b:pull,push`. Who
/// is to push has to pull as well: clients look whether a blob is there.
fn scope(accesses: &[Access]) -> String {
    let mut resources: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for (kind, name, action) in accesses.iter().filter_map(resource) {
        let pull = (action == "push").then_some("pull");
        let wanted = pull.into_iter().chain([action]);
        match resources.iter_mut().find(|known| (known.0, known.1) == (kind, name)) {
            Some((_, _, actions)) => actions.extend(wanted),
            None => resources.push((kind, name, wanted.collect())),
        }
    }
    let one = |(kind, name, actions): (&str, &str, Vec<&str>)| {
        let ordered: Vec<&str> =
            ["pull", "push", "delete", "*"].into_iter().filter(|action| actions.contains(action)).collect();
        format!("{kind}:{name}:{}", ordered.join(","))
    };
    resources.into_iter().map(one).collect::<Vec<_>>().join(" ")
}

skerry_sdk::auth_policy!(Token);
