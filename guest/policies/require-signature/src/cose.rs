//! The envelope `application/cose` of notation's signatures (RFC 9052).

use std::time::Duration;

use coset::{
    Algorithm, ContentType, CoseSign1, Label, RegisteredLabelWithPrivate as Name, TaggedCborSerializable,
    cbor::Value,
    iana::{Algorithm as Known, EnumI64, HeaderParameter},
};
use rustls_pki_types::CertificateDer;

use crate::{
    notation::{EXPIRY, SCHEME, Signature},
    trust::Trust,
};

/// An envelope that was read.
pub struct Envelope(CoseSign1);

impl Envelope {
    /// Reads one.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        CoseSign1::from_tagged_slice(bytes).map(Self).map_err(|error| format!("it cannot be read: {error}"))
    }

    fn field(&self, name: &str) -> Option<&Value> {
        let mut fields = self.0.protected.header.rest.iter();
        fields.find(|(label, _)| *label == Label::Text(name.to_owned())).map(|(_, value)| value)
    }

    fn algorithm(&self) -> Option<&'static str> {
        Some(match self.0.protected.header.alg.as_ref()? {
            Algorithm::Assigned(Known::PS256) => "PS256",
            Algorithm::Assigned(Known::PS384) => "PS384",
            Algorithm::Assigned(Known::PS512) => "PS512",
            Algorithm::Assigned(Known::ES256) => "ES256",
            Algorithm::Assigned(Known::ES384) => "ES384",
            Algorithm::Assigned(Known::ES512) => "ES512",
            _ => return None,
        })
    }

    /// When it ends: seconds since 1970, with the tag that says so.
    fn expiry(&self) -> Result<Option<Duration>, String> {
        let Some(value) = self.field(EXPIRY) else { return Ok(None) };
        let seconds = match value {
            Value::Tag(1, seconds) => seconds.as_integer().and_then(|seconds| u64::try_from(seconds).ok()),
            _ => None,
        };
        seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| "its time of expiry is none".to_owned())
    }

    /// The signer's chain (`x5chain`, RFC 9360).
    fn certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        let label = Label::Int(HeaderParameter::X5Chain.to_i64());
        let (_, value) = self.0.unprotected.rest.iter().find(|(name, _)| *name == label)?;
        let one = |value: &Value| value.as_bytes().map(|der| CertificateDer::from(der.clone()));
        match value {
            Value::Array(all) => all.iter().map(one).collect(),
            single => Some(vec![one(single)?]),
        }
    }
}

/// Whether somebody trusted signed this digest.
pub fn verify(envelope: &[u8], digest: &str, trust: &Trust, now: Duration) -> Result<(), String> {
    let envelope = Envelope::parse(envelope)?;
    let header = &envelope.0.protected.header;
    let critical = header.crit.iter().map(|name| match name {
        Name::Text(name) => name.as_str(),
        Name::Assigned(_) | Name::PrivateUse(_) => "a number",
    });
    Signature {
        algorithm: envelope.algorithm().unwrap_or_default(),
        critical: critical.collect(),
        content_type: match &header.content_type {
            Some(ContentType::Text(text)) => text,
            _ => "",
        },
        scheme: envelope.field(SCHEME).and_then(Value::as_text).unwrap_or_default(),
        expiry: envelope.expiry()?,
        certificates: envelope.certificates().ok_or("it has no certificates")?,
        payload: envelope.0.payload.as_deref().ok_or("it has no payload")?,
        signed: &envelope.0.tbs_data(&[]),
        signature: &envelope.0.signature,
    }
    .verify(digest, trust, now)
}
