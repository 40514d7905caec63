//! Certificates that are ordered while the registry runs.

use std::sync::Arc;

use tokio::{net::TcpListener, task::JoinSet};

use super::ServeError;
use crate::{
    acme::{Cache, Keeper, Proofs, answer},
    config::{Certificates, Config, LetsEncrypt},
    metrics::Metrics,
    server::Challenges,
};

/// What orders, and what authorities find here.
pub struct Ordering {
    settings: LetsEncrypt,
    cache: Cache,
    proofs: Arc<Proofs>,
    listeners: Vec<TcpListener>,
}

impl Ordering {
    /// Looks whether it can be done; nothing if it is not configured.
    ///
    /// # Errors
    /// A cache that cannot be used, an address that cannot be listened on.
    pub fn prepare(config: &Config) -> Result<Option<Self>, ServeError> {
        let Some(Certificates::Ordered(settings)) = config.http.tls.as_ref().map(|tls| &tls.certificates) else {
            return Ok(None);
        };
        let listeners = settings.http.as_ref().map(super::bind).transpose()?.unwrap_or_default();
        let cache = Cache::open(&settings.cache)?;
        let proofs = Proofs::new(cache.clone(), settings.hosts.clone());
        Ok(Some(Self { settings: settings.clone(), cache, proofs, listeners }))
    }

    /// Who answers authorities by TLS.
    pub fn challenges(&self) -> Arc<dyn Challenges> {
        Arc::clone(&self.proofs) as _
    }

    /// Begins. It ends with what is returned; no order is waited for.
    pub fn start(self, metrics: &Metrics) -> JoinSet<()> {
        let mut running = JoinSet::new();
        for listener in self.listeners {
            if let Ok(address) = listener.local_addr() {
                tracing::info!(challenge_address = %address, "answers HTTP-01 challenges");
            }
            running.spawn(answer(listener, Arc::clone(&self.proofs)));
        }
        running.spawn(Keeper::new(self.settings, self.cache, self.proofs, metrics).run());
        running
    }
}
