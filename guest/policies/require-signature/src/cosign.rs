//! What cosign signs with a key: its own payload, and bundles of sigstore.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::trust::Trust;

/// What a statement says that is a signature. Others say what is known of an
/// image, whatever that is.
const SIGNS: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const WRONG: &str = "it was not made by a trusted key";
const IN_TOTO: &str = "application/vnd.in-toto+json";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// A payload, signed beside it.
pub fn payload(
    bytes: &[u8],
    signature: Option<&str>,
    digest: &str,
    trust: &Trust,
    now: Duration,
) -> Result<(), String> {
    let payload: Payload =
        serde_json::from_slice(bytes).map_err(|error| format!("its payload cannot be read: {error}"))?;
    if payload.critical.image.digest != digest {
        return Err("it is of another digest".to_owned());
    }
    // An attestation of older versions was another kind.
    if payload.critical.kind != "cosign container image signature" && !payload.critical.kind.is_empty() {
        return Err("its payload is of another kind".to_owned());
    }
    let signature = signature.ok_or("its payload has no signature")?;
    signed(bytes, signature, trust, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    sha256: Option<String>,
    sha512: Option<String>,
}

impl Digests {
    fn is(&self, digest: &str) -> bool {
        let named = |name: &str, hex: &Option<String>| {
            hex.as_ref().is_some_and(|hex| digest.strip_prefix(name).is_some_and(|rest| rest == hex))
        };
        named("sha256:", &self.sha256) || named("sha512:", &self.sha512)
    }
}

/// A bundle with a statement in an envelope (DSSE).
pub fn bundle(bytes: &[u8], digest: &str, trust: &Trust, now: Duration) -> Result<(), String> {
    let bundle: Bundle =
        serde_json::from_slice(bytes).map_err(|error| format!("the bundle cannot be read: {error}"))?;
    let envelope = bundle.dsse_envelope.ok_or("the bundle has no statement: signed blobs are not taken")?;
    if envelope.payload_type != IN_TOTO {
        return Err("its statement is of another kind".to_owned());
    }
    let payload = BASE64_STANDARD.decode(&envelope.payload).map_err(|_| "its statement is not base64")?;
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|error| format!("its statement cannot be read: {error}"))?;
    if !STATEMENTS.contains(&statement.kind.as_str()) || statement.predicate_type != SIGNS {
        return Err("it is an attestation and no signature".to_owned());
    }
    if !statement.subject.iter().any(|subject| subject.digest.is(digest)) {
        return Err("it is of another digest".to_owned());
    }
    let [signature] = envelope.signatures.as_slice() else {
        return Err("its statement does not have one signature".to_owned());
    };
    signed(&encoded(&envelope.payload_type, &payload), &signature.sig, trust, now)
}

/// What is signed of an envelope (DSSE, "PAE").
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn signed(message: &[u8], signature: &str, trust: &Trust, now: Duration) -> Result<(), String> {
    let signature = BASE64_STANDARD.decode(signature).map_err(|_| "its signature is not base64")?;
    match trust.signed(message, &signature, now) {
        true => Ok(()),
        // That is another algorithm than Ed25519 itself.
        false if trust.has_ed25519() => Err(format!("{WRONG} (cosign 3 makes Ed25519ph, which is not taken)")),
        false => Err(WRONG.to_owned()),
    }
}
