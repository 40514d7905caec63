//! `htpasswd`: users and passwords in a file, as `skerry htpasswd` and
//! Apache's `htpasswd -B` write them.
//!
//! The file is read at each question, so a changed line counts at once. Only
//! bcrypt is taken; a user with another kind of hash is never let in, and the
//! log names the user and the kind. A user that is not there costs as much
//! time as one whose password is wrong.
//!
//! ```yaml
//! policies:
//! - name: passwords
//!   module: htpasswd
//!   directory: /etc/skerry/auth
//!   settings:
//!     realm: Registry
//!     file: htpasswd       # below `directory`
//!     anonymous: false     # true: who shows no password is nobody in particular
//! ```
//!
//! distribution's `auth.htpasswd` is the same. With it alone, users may do
//! everything and others nothing; with `anonymous: true`, the policy `access`
//! says what everybody may do.

mod file;

use std::time::Duration;

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{
    Access, AuthPolicy, Challenge, Client, Credential, Decision, Evidence, Failed, Host, Identity, Principal, Refusal,
};

use self::file::{Entry, LARGEST, Users};

/// How long a password that was right is taken without a look at it: the host
/// forgets it when the file changes.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The longest name of a user, in bytes.
const LONGEST_USER: usize = 255;
/// What follows the cost in a hash that nobody's password has.
const NOBODY: &str = "L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";

/// The policy.
#[derive(Debug)]
pub struct Htpasswd(Settings);

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    realm: String,
    #[serde(alias = "path")]
    file: String,
    #[serde(default)]
    anonymous: bool,
}

impl AuthPolicy for Htpasswd {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        Ok(Self(settings))
    }

    fn check(&self, host: &dyn Host) -> Result<Vec<String>, Failed> {
        let text = self.read(host)?;
        Users::parse(&text).warnings(&self.0.file)
    }

    fn knows_by(&self) -> Vec<Evidence> {
        vec![Evidence::Nothing, Evidence::Basic]
    }

    fn authenticate(&self, host: &dyn Host, client: &Client, _: &[Access]) -> Result<Identity, Failed> {
        let (user, password) = match &client.credential {
            nothing if nothing.is_nothing() && self.0.anonymous => return Ok(Identity::Anonymous(Some(LIFETIME))),
            nothing if nothing.is_nothing() => return Ok(Identity::Challenge),
            Credential::Basic(user, password) => (user.as_str(), password.as_str()),
            Credential::None | Credential::Bearer(_) | Credential::Unknown => return Ok(Identity::Pass),
        };
        let text = self.read(host)?;
        let users = Users::parse(&text);
        let hash = match users.find(user) {
            Some(Entry::Bcrypt { hash, .. }) => Some(hash),
            Some(Entry::Other(kind)) => {
                host.log(&format!("{user:?} is not let in: the password is hashed by {kind}; bcrypt is taken"));
                None
            }
            None => None,
        };
        // As much work as for somebody who is there.
        let nobody = || format!("$2y${:02}${NOBODY}", users.cost_for(user));
        let known = hash.filter(|_| (1..=LONGEST_USER).contains(&user.len()) && !user.contains(char::is_control));
        let right = bcrypt::verify(password, &known.map_or_else(nobody, ToString::to_string)).unwrap_or(false);
        Ok(if right && known.is_some() {
            Identity::Known(Principal::named(user), Some(LIFETIME))
        } else {
            Identity::Challenge
        })
    }

    fn authorize(
        &self,
        _: &dyn Host,
        principal: Option<&Principal>,
        _: &Client,
        _: &[Access],
    ) -> Result<Decision, Failed> {
        Ok(if principal.is_some() { Decision::allow() } else { Decision::pass() }.lasting(LIFETIME))
    }

    fn challenges(&self, _: &Client, _: &Refusal<'_>) -> Vec<Challenge> {
        vec![Challenge { scheme: "Basic".to_owned(), parameters: vec![("realm".to_owned(), self.0.realm.clone())] }]
    }
}

impl Htpasswd {
    fn read(&self, host: &dyn Host) -> Result<String, Failed> {
        let bytes = host.read(&self.0.file, LARGEST)?;
        String::from_utf8(bytes).map_err(|_| format!("the file {:?} is not UTF-8 text", self.0.file).into())
    }
}

skerry_sdk::auth_policy!(Htpasswd);
