//! Which certificate a client gets, by the name that it asks for.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The certificates of a configuration, by their names.
#[derive(Debug)]
pub(super) struct Resolver {
    /// The main one, for names that none has.
    default: Option<Arc<CertifiedKey>>,
    /// For clients that name none: those that connect to an address.
    nameless: Option<Arc<CertifiedKey>>,
    /// By name; for `*.example.com` by `.example.com`. A name can have
    /// certificates with keys of several kinds.
    named: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Resolver {
    /// Of certificates and their names, the main one first. Where it is
    /// strict, a client that asks for a name of none of them is refused, and
    /// one that asks for no name gets one that is for an address, if any is.
    pub fn new(certificates: Vec<(Vec<String>, Arc<CertifiedKey>)>, strict: bool) -> Self {
        let main = certificates.first().map(|(_, certified)| Arc::clone(certified));
        let mut by_address = None;
        let mut named: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for (names, certified) in certificates {
            for name in names {
                if name.parse::<IpAddr>().is_ok() {
                    by_address.get_or_insert_with(|| Arc::clone(&certified));
                    continue;
                }
                let name = name.strip_prefix('*').map_or(name.clone(), str::to_owned);
                named.entry(name).or_default().push(Arc::clone(&certified));
            }
        }
        match strict {
            false => Self { default: main.clone(), nameless: main, named },
            true => Self { default: None, nameless: by_address, named },
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else { return self.nameless.clone() };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        // A wildcard stands for one label, as clients see it.
        let wildcard = name.find('.').and_then(|at| name.get(at..));
        let exact = self.named.get(&name);
        let candidates = exact.or_else(|| self.named.get(wildcard?));
        let Some(candidates) = candidates else { return self.default.clone() };
        let usable = candidates.iter().find(|one| one.key.choose_scheme(hello.signature_schemes()).is_some());
        usable.or(candidates.first()).cloned()
    }
}
