//! The chain as it was served: what belongs to it, what is too much, what is
//! missing, and who vouches for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::{
    CertificateError, Error,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{error::X509Error, prelude::X509Certificate};

use super::{
    authorities::Authorities,
    link::{self, date},
    report::{Check, Finding, Role},
    text::plain,
};
use crate::tls::client::distinguished;

/// Certificates of a chain that are looked at.
const MOST: usize = 16;
/// Days left at which a certificate should long have been renewed.
const SOON: i64 = 30 * 24 * 60 * 60;

/// What a chain is judged by.
pub(super) struct Judge<'a> {
    pub(super) name: &'a ServerName<'static>,
    /// The same, as it was asked for.
    pub(super) host: &'a str,
    pub(super) authorities: &'a Authorities,
    pub(super) now: SystemTime,
}

/// The certificates that lead from the leaf upwards, as places in the chain.
struct Path<'a> {
    served: Vec<X509Certificate<'a>>,
    places: Vec<usize>,
    /// Whether the last was signed by itself.
    ends_in_root: bool,
}

impl Judge<'_> {
    /// Writes into a check what is to say of a chain.
    pub(super) fn judge(&self, chain: &[CertificateDer<'_>], check: &mut Check) {
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if chain.len() > MOST {
            let sentence = format!(
                "{} certificates were sent, and only the first {MOST} are looked at: serve the leaf and its intermediates alone",
                chain.len()
            );
            check.findings.push(Finding::warning("long-chain", sentence));
        }
        let mut served = Vec::new();
        for (index, der) in chain.iter().take(MOST).enumerate() {
            let Some(parsed) = link::parse(der) else {
                let sentence = format!("certificate {} of the chain is broken: make the chain's file anew", index + 1);
                check.findings.push(Finding::error("broken-certificate", sentence));
                return;
            };
            served.push(parsed);
        }
        let path = Path::of(served);
        check.chain = path
            .served
            .iter()
            .zip(chain)
            .enumerate()
            .map(|(index, (parsed, der))| link::link(der, parsed, path.role(index), now))
            .collect();
        let Some(leaf) = path.served.first() else { return };
        let Some(der) = chain.first() else { return };
        for place in &path.places {
            let Some(parsed) = path.served.get(*place) else { continue };
            dates(parsed, *place, path.role(*place), now, &mut check.findings);
            strength(parsed, *place, path.role(*place), &mut check.findings);
        }
        purpose(leaf, &mut check.findings);
        check.name_matches = self.name(der, leaf, &mut check.findings);
        check.trusted = self.trust(chain, &path, now, &mut check.findings);
        path.order(check.trusted == Some(true), &mut check.findings);
    }

    fn name(&self, der: &CertificateDer<'_>, leaf: &X509Certificate<'_>, findings: &mut Vec<Finding>) -> Option<bool> {
        let parsed = ParsedCertificate::try_from(der).ok()?;
        let matches = verify_server_name(&parsed, self.name).is_ok();
        if !matches {
            let names = crate::tls::load::names(leaf);
            let host = plain(self.host);
            findings.push(if names.is_empty() {
                let sentence = format!(
                    "the certificate names no host (no subjectAltName; a common name does not count): have it issued for {host}"
                );
                Finding::error("no-names", sentence)
            } else {
                let listed: Vec<String> = names.iter().take(5).map(|name| plain(name)).collect();
                let more = if names.len() > listed.len() { ", …" } else { "" };
                let sentence = format!(
                    "the certificate is for {}{more} and not for {host}: connect by one of its names, or have one issued that names {host}",
                    listed.join(", ")
                );
                Finding::error("wrong-name", sentence)
            });
        }
        Some(matches)
    }

    /// Whether somebody trusted vouches for the leaf, at a time at which all
    /// that is sent is valid: dates have findings of their own.
    fn trust(
        &self,
        chain: &[CertificateDer<'_>],
        path: &Path<'_>,
        now: i64,
        findings: &mut Vec<Finding>,
    ) -> Option<bool> {
        let (leaf, leaf_der) = (path.served.first()?, chain.first()?);
        let source = &self.authorities.source;
        let own = path.places.len() == 1 && path.ends_in_root;
        if own && self.authorities.holds(leaf_der) {
            if leaf.is_ca() {
                findings.push(Finding::warning(
                    "authority-as-server",
                    "the certificate is its own authority: docker, podman and curl take it, clients in Rust and some others do not; make an authority and have it sign a certificate for the server",
                ));
            }
            return Some(true);
        }
        if own {
            findings.push(Finding::error(
                "self-signed",
                format!("the certificate is signed by itself, and {source} does not hold it: let clients trust it (docker: as ca.crt in /etc/docker/certs.d/HOST:PORT), or use one from an authority that they know"),
            ));
            return Some(false);
        }
        let at = path.valid_at(now);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or_default()));
        let parsed = ParsedCertificate::try_from(leaf_der);
        let intermediates = chain.get(1..).unwrap_or_default();
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        let verified = parsed.and_then(|parsed| {
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.authorities.roots, intermediates, at, algorithms)
        });
        let Err(error) = verified else { return Some(true) };
        let top = path.places.last().and_then(|place| path.served.get(*place))?;
        let issuer = plain(&distinguished(top.issuer()));
        findings.push(match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) if path.ends_in_root => Finding::error(
                "unknown-authority",
                format!("the chain ends in {issuer}, which {source} does not hold: let clients trust it (docker: as ca.crt in /etc/docker/certs.d/HOST:PORT), or use a certificate from an authority that they know"),
            ),
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Finding::error(
                "issuer-missing",
                format!("what was signed by {issuer} is sent, but not its certificate, and {source} does not hold it: if it is an intermediate, serve it after the leaf (certbot: fullchain.pem, not cert.pem); if it is an authority of your own, let clients trust it"),
            ),
            other => Finding::error(
                "untrusted",
                format!("the chain does not hold: {}; have the certificate issued again", plain(&other.to_string())),
            ),
        });
        Some(false)
    }
}

impl<'a> Path<'a> {
    fn of(served: Vec<X509Certificate<'a>>) -> Self {
        let mut places: Vec<usize> = Vec::new();
        let mut ends_in_root = false;
        let mut next = served.first().map(|_| 0);
        while let Some(place) = next {
            places.push(place);
            let Some(child) = served.get(place) else { break };
            ends_in_root = signed(child, child);
            if ends_in_root {
                break;
            }
            let mut parents = served.iter().enumerate();
            next = parents.find(|(at, parent)| !places.contains(at) && signed(parent, child)).map(|(at, _)| at);
        }
        Self { served, places, ends_in_root }
    }

    fn role(&self, place: usize) -> Role {
        let last = self.places.last() == Some(&place);
        match self.places.iter().position(|known| *known == place) {
            None => Role::Needless,
            Some(0) => Role::Leaf,
            Some(_) if last && self.ends_in_root => Role::Root,
            Some(_) => Role::Intermediate,
        }
    }

    /// Now, if all links are valid now; else a time at which most are.
    fn valid_at(&self, now: i64) -> i64 {
        let links = || self.places.iter().filter_map(|place| self.served.get(*place)).map(|link| link.validity());
        let begin = links().map(|validity| validity.not_before.timestamp()).max().unwrap_or(now);
        let end = links().map(|validity| validity.not_after.timestamp()).min().unwrap_or(now);
        now.min(end).max(begin)
    }

    /// What is sent for nothing, and what is not sent in its place.
    fn order(&self, trusted: bool, findings: &mut Vec<Finding>) {
        // In order, though something that is needless may be between.
        if !self.places.is_sorted() {
            let sentence = "the chain is not in its order: write the leaf first, then what signed it, and so on upwards; many clients sort it, some stop";
            findings.push(Finding::warning("wrong-order", sentence));
        }
        for (place, parsed) in self.served.iter().enumerate() {
            let subject = plain(&distinguished(parsed.subject()));
            match self.role(place) {
                Role::Root if trusted => findings.push(Finding::warning(
                    "needless-root",
                    format!("the root {subject} is sent along: leave it out, clients use the one that they have"),
                )),
                Role::Needless => findings.push(Finding::warning(
                    "needless-certificate",
                    format!("certificate {} ({subject}) vouches for nothing that is sent: leave it out", place + 1),
                )),
                _ => {}
            }
        }
    }
}

/// Whether one certificate signed the other, as far as that can be told.
fn signed(parent: &X509Certificate<'_>, child: &X509Certificate<'_>) -> bool {
    child.issuer().as_raw() == parent.subject().as_raw()
        && matches!(
            child.verify_signature(Some(parent.public_key())),
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm)
        )
}

/// How findings call a certificate.
fn called(parsed: &X509Certificate<'_>, place: usize, role: Role) -> String {
    match role {
        Role::Leaf => "the certificate".to_owned(),
        _ => format!("certificate {} of the chain ({})", place + 1, plain(&distinguished(parsed.subject()))),
    }
}

fn dates(parsed: &X509Certificate<'_>, place: usize, role: Role, now: i64, findings: &mut Vec<Finding>) {
    let (begin, end) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    let which = called(parsed, place, role);
    let what = if role == Role::Leaf { "renew it" } else { "serve the authority's present chain" };
    if now > end {
        findings.push(Finding::error(
            "expired",
            format!("{which} expired at {}: {what}, and let the server load it", date(end)),
        ));
    } else if now < begin {
        findings.push(Finding::error(
            "not-yet-valid",
            format!(
                "{which} is valid only from {}: look at the clocks here and where it was made, or wait",
                date(begin)
            ),
        ));
    } else if end - now < SOON.min((end - begin) / 3) {
        // One that lives for a few days only is renewed within them.
        let left = (end - now) / 3600;
        let left = if left < 48 { format!("{left} hours") } else { format!("{} days", left / 24) };
        findings.push(Finding::warning(
            "expires-soon",
            format!("{which} expires in {left}, at {}: {what}; what renews it should have done so", date(end)),
        ));
    }
}

fn strength(parsed: &X509Certificate<'_>, place: usize, role: Role, findings: &mut Vec<Finding>) {
    let which = called(parsed, place, role);
    let key = link::key(parsed.public_key());
    if key.weak {
        let sentence = format!(
            "{which} has a key that clients refuse, {}: make one of ECDSA P-256 or RSA 2048 and have it signed",
            key.text
        );
        findings.push(Finding::error("weak-key", sentence));
    }
    let (signature, weak) = link::signature(parsed);
    // A root is not trusted for its signature.
    if weak && role != Role::Root {
        let sentence = format!("{which} is signed by {signature}, which clients refuse: have it issued again");
        findings.push(Finding::error("weak-signature", sentence));
    }
}

/// Whether the leaf may be a server's.
fn purpose(leaf: &X509Certificate<'_>, findings: &mut Vec<Finding>) {
    let Ok(Some(usage)) = leaf.extended_key_usage() else { return };
    if !usage.value.server_auth && !usage.value.any {
        findings.push(Finding::error(
            "wrong-purpose",
            "the certificate is not for servers (its extendedKeyUsage lacks serverAuth): have one issued that is",
        ));
    }
}
