//! Which certificate a client gets, by the name that it asks for; and what that
//! certificate is for.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The certificates of a configuration, by their names.
#[derive(Debug, Default)]
pub struct Names {
    /// The main one, for names that none has.
    default: Option<Arc<CertifiedKey>>,
    /// For clients that name none: those that connect to an address.
    nameless: Option<Arc<CertifiedKey>>,
    /// What that one is for.
    addresses: Vec<IpAddr>,
    /// By name; for `*.example.com` by `.example.com`. A name can have
    /// certificates with keys of several kinds.
    named: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Names {
    /// Of certificates and their names, the main one first. Where it is
    /// strict, a client that asks for a name of none of them is refused, and
    /// one that asks for no name gets one that is for an address, if any is.
    pub(super) fn new(certificates: Vec<(Vec<String>, Arc<CertifiedKey>)>, strict: bool) -> Self {
        let addresses =
            |names: &[String]| -> Vec<IpAddr> { names.iter().filter_map(|name| name.parse().ok()).collect() };
        let main = certificates.first().map(|(_, certified)| Arc::clone(certified));
        let nameless = certificates.iter().find(|(names, _)| !strict || !addresses(names).is_empty());
        let (nameless, addresses) = match nameless {
            Some((names, certified)) => (Some(Arc::clone(certified)), addresses(names)),
            None => (None, Vec::new()),
        };
        let mut named: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for (names, certified) in certificates {
            for name in names.iter().filter(|name| name.parse::<IpAddr>().is_err()) {
                let name = name.strip_prefix('*').unwrap_or(name).to_owned();
                named.entry(name).or_default().push(Arc::clone(&certified));
            }
        }
        Self { default: main.filter(|_| !strict), nameless, addresses, named }
    }

    /// Whether the certificate of a client that asked for this name, or for
    /// none, is for this host: a name, or an address as URLs have it.
    ///
    /// A certificate may be for more names. Clients ask for the one that they
    /// mean, so that none of the others is taken.
    pub(crate) fn vouch(&self, asked: Option<&str>, host: &str) -> bool {
        let Some(asked) = asked else {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            return bare.parse().is_ok_and(|address| self.addresses.contains(&address));
        };
        let asked = canonical(asked);
        // No label at all, and a label that is a pattern, are no names.
        !asked.starts_with(['.', '*']) && asked == canonical(host) && self.of(&asked).is_some()
    }

    /// The certificates of a name.
    fn of(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        // A wildcard stands for one label, as clients see it.
        let wildcard = name.find('.').and_then(|at| name.get(at..));
        self.named.get(name).or_else(|| self.named.get(wildcard?))
    }
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else { return self.nameless.clone() };
        let Some(candidates) = self.of(&canonical(name)) else { return self.default.clone() };
        let usable = candidates.iter().find(|one| one.key.choose_scheme(hello.signature_schemes()).is_some());
        usable.or(candidates.first()).cloned()
    }
}
