//! An authority of this machine's own, for a first run with nothing
//! configured.
//!
//! Four files in one private directory: `ca.pem`, `ca.key`, `leaf.pem`,
//! `leaf.key`. The authority is kept, because people trust it; it may speak
//! for this machine's names only, so that its key, if stolen, is worth little.
//! The leaf is made anew when it is missing, near its end, or for other names.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::{
    error::TlsError,
    files,
    load::{self, Loaded, TlsFiles},
    pem,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// Clients of some makers accept no more than 825 days.
const LEAF_LIFE: Duration = Duration::from_secs(820 * 24 * 60 * 60);
/// Made anew when less than this is left.
const LEAF_RENEWAL: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// 2026-01-01: no clock that shows an earlier time is right.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

/// The local authority and its leaf.
#[derive(Debug)]
pub struct Local {
    /// What clients must trust.
    pub ca: PathBuf,
    /// Whether it was made just now, and nobody trusts it yet.
    pub new: bool,
    /// The leaf, loaded.
    pub loaded: Loaded,
}

/// Finds or makes the local authority in `directory`, with a leaf for
/// `names`: host names and addresses.
pub fn local(directory: &Path, names: &[String], http2: bool, now: SystemTime) -> Result<Local, TlsError> {
    find(directory, names, http2, now, true)
}

/// The leaf of the authority that is there, made anew if need be. While it
/// runs, a server makes no other authority: nobody would trust that one, and
/// perhaps it is only the clock that is wrong.
pub(super) fn renew(directory: &Path, names: &[String], http2: bool, now: SystemTime) -> Result<Loaded, TlsError> {
    find(directory, names, http2, now, false).map(|local| local.loaded)
}

fn find(directory: &Path, names: &[String], http2: bool, now: SystemTime, make: bool) -> Result<Local, TlsError> {
    let now = now.max(SystemTime::UNIX_EPOCH + EARLIEST);
    let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).filter(|name| is_name(name)).collect();
    files::private_directory(directory)?;
    let _lock = files::lock(directory)?;

    let authority = Authority::find(directory, now);
    let new = authority.is_none();
    let authority = match authority {
        Some(authority) => authority,
        None if !make => return Err(TlsError::NoAuthority(directory.join("ca.pem"))),
        None => Authority::make(directory, &names, now)?,
    };
    // A host name that changed since the authority was made: it could not
    // vouch for it, and making another would undo people's trust.
    let names: Vec<String> = names.into_iter().filter(|name| authority.may_name(name)).collect();
    let files = pair(directory, http2);
    let mut loaded = match load::load(&files) {
        Ok(loaded) if !new && authority.vouches(&files.certificate) && still_good(&loaded, &names, now) => loaded,
        _ => {
            authority.issue(&files, &names, now)?;
            load::load(&files)?
        }
    };
    if names.is_empty() {
        loaded.warnings.push(format!(
            "{}: the local authority may not speak for any name of this machine; remove the file to make a new one",
            authority.path.display()
        ));
    }
    Ok(Local { ca: authority.path, new, loaded })
}

/// The leaf of the authority in a directory.
pub(super) fn pair(directory: &Path, http2: bool) -> TlsFiles {
    TlsFiles::pair(directory.join("leaf.pem"), directory.join("leaf.key"), http2)
}

fn still_good(leaf: &Loaded, names: &[String], now: SystemTime) -> bool {
    !is_due(leaf, now) && names.iter().all(|name| leaf.names(name))
}

/// Whether the leaf is near its end, or not valid yet.
pub(super) fn is_due(leaf: &Loaded, now: SystemTime) -> bool {
    let now = now.max(SystemTime::UNIX_EPOCH + EARLIEST);
    leaf.leaves.iter().any(|leaf| now < leaf.not_before || leaf.not_after <= now + LEAF_RENEWAL)
}

struct Authority {
    path: PathBuf,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// The one in the directory, if it is whole, and lives longer than a leaf
    /// that may be near its renewal.
    fn find(directory: &Path, now: SystemTime) -> Option<Self> {
        let (path, key_path) = (directory.join("ca.pem"), directory.join("ca.key"));
        let certificate = pem::certificates(&path, &files::read(&path).ok()?).ok()?.into_iter().next()?;
        let key = KeyPair::from_pem(std::str::from_utf8(&files::read(&key_path).ok()?).ok()?).ok()?;
        let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
        let until = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
        let lives = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(until))? > now + LEAF_RENEWAL;
        let own = parsed.public_key().subject_public_key.data.as_ref() == key.public_key_raw();
        (lives && own && parsed.is_ca()).then_some(Self { path, certificate, key })
    }

    fn make(directory: &Path, names: &[String], now: SystemTime) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let host = names.iter().find(|name| *name != "localhost" && name.parse::<IpAddr>().is_err());
        let of = host.map_or("this machine", String::as_str);
        // 64 characters are the most that a common name may have.
        let name: String = format!("Skerry local authority of {of}").chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - DAY).into();
        params.not_after = (now + AUTHORITY_LIFE).into();
        let addresses = GeneralSubtree::IpAddress;
        let permitted_subtrees = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) if address.is_loopback() => {
                    addresses(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8))
                }
                Ok(IpAddr::V4(address)) => addresses(CidrSubnet::from_v4_prefix(address.octets(), 32)),
                Ok(IpAddr::V6(address)) => addresses(CidrSubnet::from_v6_prefix(address.octets(), 128)),
                Err(_) => GeneralSubtree::DnsName(name.clone()),
            })
            .collect();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        let certificate = params.self_signed(&key)?;
        let path = directory.join("ca.pem");
        // The key first: a certificate that is there has its key.
        files::write(&directory.join("ca.key"), 0o600, key.serialize_pem().as_bytes())?;
        files::write(&path, 0o644, certificate.pem().as_bytes())?;
        Ok(Self { path, certificate: certificate.der().clone(), key })
    }

    /// Whether its constraints allow a name.
    fn may_name(&self, name: &str) -> bool {
        let Ok((_, parsed)) = X509Certificate::from_der(&self.certificate) else { return false };
        let Ok(Some(constraints)) = parsed.name_constraints() else { return true };
        let Some(permitted) = &constraints.value.permitted_subtrees else { return true };
        permitted.iter().any(|subtree| match (&subtree.base, name.parse::<IpAddr>()) {
            (GeneralName::IPAddress(range), Ok(IpAddr::V4(address))) => within(range, &address.octets()),
            (GeneralName::IPAddress(range), Ok(IpAddr::V6(address))) => within(range, &address.octets()),
            (GeneralName::DNSName(base), Err(_)) => {
                name.strip_suffix(base).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        })
    }

    /// Whether it signed the leaf in a file.
    fn vouches(&self, leaf: &Path) -> bool {
        let check = || {
            let leaf = pem::certificates(leaf, &files::read(leaf).ok()?).ok()?.into_iter().next()?;
            let (_, leaf) = X509Certificate::from_der(&leaf).ok()?;
            let (_, own) = X509Certificate::from_der(&self.certificate).ok()?;
            leaf.verify_signature(Some(own.public_key())).ok()
        };
        check().is_some()
    }

    fn issue(&self, to: &TlsFiles, names: &[String], now: SystemTime) -> Result<(), TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Skerry on this machine");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - DAY).into();
        params.not_after = (now + LEAF_LIFE).into();
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key)?;
        let leaf = params.signed_by(&key, &issuer)?;
        files::write(&to.key, 0o600, key.serialize_pem().as_bytes())?;
        files::write(&to.certificate, 0o644, leaf.pem().as_bytes())
    }
}

/// Whether an address is in a range that is written as address and mask.
fn within(range: &[u8], address: &[u8]) -> bool {
    let Some((base, mask)) = range.split_at_checked(address.len()) else { return false };
    mask.len() == address.len()
        && base.iter().zip(mask).zip(address).all(|((base, mask), byte)| base & mask == byte & mask)
}

/// An address, or a host name that a certificate can have.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}
