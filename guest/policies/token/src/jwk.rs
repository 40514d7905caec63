//! Keys as JSON (RFC 7517, RFC 7518, 6, and RFC 8037).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use skerry_keys::{Key, Kind};

/// A public key.
#[derive(Debug, Deserialize)]
pub struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    /// The one algorithm that it is for.
    pub alg: Option<String>,
    /// Its name.
    pub kid: Option<String>,
    /// Its certificate, and those that vouch for it.
    pub x5c: Option<Vec<String>>,
}

/// Several.
#[derive(Debug, Deserialize)]
pub struct Jwks {
    /// All of them.
    pub keys: Vec<serde_json::Value>,
}

impl Jwk {
    /// The key; nothing where it is of a kind that is not known, malformed, or
    /// not meant for signatures.
    pub fn key(&self) -> Option<Key> {
        let signs = self.purpose.as_ref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|list| list.iter().any(|operation| operation == "verify"));
        if !signs {
            return None;
        }
        let bytes = |field: &Option<String>| BASE64_URL_SAFE_NO_PAD.decode(field.as_ref()?).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Key::rsa(&bytes(&self.n)?, &bytes(&self.e)?),
            ("EC", Some(curve)) => {
                let kind = [Kind::P256, Kind::P384, Kind::P521].into_iter().find(|kind| kind.curve() == curve)?;
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                // Of full length, each.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                (x.len() == y.len()).then(|| Key::parse(kind, &point))?
            }
            ("OKP", Some("Ed25519")) => Key::parse(Kind::Ed25519, &bytes(&self.x)?),
            _ => None,
        }
    }

    /// Whether it is a secret that signs and checks alike.
    pub fn is_shared(&self) -> bool {
        self.kty == "oct"
    }
}
