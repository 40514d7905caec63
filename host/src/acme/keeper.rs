//! Sees to it that every name has a certificate, as long as the process runs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use instant_acme::Account;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use super::{
    account,
    authority::Wire,
    cache::{Cache, CacheError},
    challenge::{Proofs, Way},
    name::{Name, chance},
    order::Wanted,
    problem::Failure,
    schedule::{self, Gravity},
};
use crate::{
    config::LetsEncrypt,
    metrics::{Counter, Metrics},
    tls::{Leaf, TlsError, shown},
};

/// For an order as a whole, however slow its steps.
const ORDER: Duration = Duration::from_secs(5 * 60);
/// Between two looks at all names: others may write the cache, and clocks are
/// set.
const LOOK: Duration = Duration::from_secs(60);
/// From an order that did not fail to the next for the same name, in first
/// waits after a failure.
const REST: u32 = 60;
/// Between two looks while another process has the lock.
const LOCKED: Duration = Duration::from_secs(5);
/// Between two looks, at the least.
const SHORTEST: Duration = Duration::from_millis(10);

/// Orders and renews.
pub struct Keeper {
    settings: LetsEncrypt,
    ways: Vec<Way>,
    cache: Cache,
    proofs: Arc<Proofs>,
    names: Vec<Name>,
    access: Option<(Account, Wire)>,
    /// Failures in a row that were no name's own, and how long they keep us
    /// from trying.
    outage: (usize, Option<Instant>),
    ordered: Arc<Counter>,
    failed: Arc<Counter>,
}

impl Keeper {
    /// For the names of the configuration.
    pub fn new(settings: LetsEncrypt, cache: Cache, proofs: Arc<Proofs>, metrics: &Metrics) -> Self {
        // Who opens port 80 for it wants it; the other way is always there.
        let ways = if settings.http.is_some() { vec![Way::Http, Way::Tls] } else { vec![Way::Tls] };
        let names = settings.hosts.iter().cloned().map(Name::new).collect();
        let counter = |result| {
            metrics.counter(
                "skerry_acme_orders_total",
                "Orders of certificates, by how they ended.",
                &[("result", result)],
            )
        };
        let (ordered, failed) = (counter("issued"), counter("failed"));
        Self { settings, ways, cache, proofs, names, access: None, outage: (0, None), ordered, failed }
    }

    /// Never ends; to be aborted. An order that is under way is then left as it
    /// is, which costs nothing.
    pub async fn run(mut self) {
        loop {
            let mut next = LOOK;
            for index in 0..self.names.len() {
                let Some(mut name) =
                    self.names.get_mut(index).map(|name| std::mem::replace(name, Name::new(String::new())))
                else {
                    continue;
                };
                next = next.min(self.turn(&mut name).await);
                if let Some(place) = self.names.get_mut(index) {
                    *place = name;
                }
            }
            sleep(next.max(SHORTEST)).await;
        }
    }

    /// Does what is to be done for a name now; says when to look again.
    async fn turn(&mut self, name: &mut Name) -> Duration {
        let waits = [name.pause, self.outage.1].into_iter().flatten().max();
        let wait = waits.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        // A disk that is out of order is no reason to order.
        let readable = self.look(name).await;
        let now = SystemTime::now();
        if !readable || name.is_early(now) {
            return LOOK;
        }
        if !wait.is_zero() {
            return wait;
        }
        if name.due() > now && name.wants_to_ask() {
            self.ask(name).await;
        }
        if name.due() > now {
            return name.next(now);
        }
        let cache = self.cache.clone();
        let lock = match spawn_blocking(move || cache.lock()).await {
            Ok(Ok(Some(lock))) => lock,
            Ok(Ok(None)) => return LOCKED.min(self.settings.retry),
            Ok(Err(error)) => return self.missed(name, None, &Failure::own(error)),
            Err(error) => return self.missed(name, None, &Failure::own(error)),
        };
        // Who had it before may have ordered this one.
        if !self.look(name).await {
            return LOOK;
        }
        if name.due() > SystemTime::now() {
            return Duration::ZERO;
        }
        let way = name.way(&self.ways);
        let done = timeout(ORDER, self.order(name, way)).await;
        drop(lock);
        match done.unwrap_or_else(|_| Err(Failure::own(format!("it took longer than {} s", ORDER.as_secs())))) {
            Ok(leaf) => {
                self.ordered.inc();
                self.outage = (0, None);
                let until = shown(leaf.not_after);
                tracing::info!(host = name.host, file = %leaf.file.display(), until, "a new certificate");
                self.look(name).await;
                if name.due() <= SystemTime::now() {
                    let failure = Failure::refused("the new certificate is to be renewed already");
                    return self.missed(name, None, &failure);
                }
                name.failures = 0;
                // Whatever the authority suggests.
                name.pause = Some(Instant::now() + self.settings.retry.saturating_mul(REST));
                Duration::ZERO
            }
            Err(failure) => self.missed(name, Some(way), &failure),
        }
    }

    /// Takes note of what the cache holds now; whether that can be told.
    async fn look(&self, name: &mut Name) -> bool {
        let (cache, host) = (self.cache.clone(), name.host.clone());
        match spawn_blocking(move || cache.certificate(&host)).await {
            Ok(Ok(found)) => name.see(found),
            Ok(Err(CacheError::File(TlsError::Unreadable(..)))) | Err(_) => return false,
            // The store said what is wrong with it.
            Ok(Err(_)) => name.see(None),
        }
        true
    }

    async fn order(&mut self, name: &mut Name, way: Way) -> Result<Leaf, Failure> {
        let host = name.host.clone();
        let (directory, challenge) = (&self.settings.directory, way.name());
        match name.has_one() {
            true => tracing::info!(host, directory, challenge, "a certificate is ordered"),
            false => tracing::info!(
                host,
                directory,
                challenge,
                "a certificate is ordered; until it is there, handshakes for this name fail"
            ),
        }
        let (account, wire) = self.access().await?;
        let replaces = name.replaced();
        let wanted = Wanted { account: &account, wire: &wire, proofs: &self.proofs, host: &host, way, replaces };
        let issued = wanted.order().await?;
        let cache = self.cache.clone();
        let kept = spawn_blocking(move || cache.keep_certificate(&host, &issued.key, &issued.chain)).await;
        kept.map_err(Failure::own)?.map_err(Failure::own)
    }

    /// The account, and the way to it.
    async fn access(&mut self) -> Result<(Account, Wire), Failure> {
        if let Some(access) = &self.access {
            return Ok(access.clone());
        }
        let wire = Wire::new(self.settings.authority.as_deref()).await.map_err(Failure::own)?;
        let account = account::open(&self.settings, &self.cache, &wire).await?;
        Ok(self.access.insert((account, wire)).clone())
    }

    /// Asks when to renew. It says nothing of failures: the renewal will.
    async fn ask(&mut self, name: &mut Name) {
        if self.access.is_none() {
            let cache = self.cache.clone();
            // Not to make two accounts at once; and none for a question.
            let lock = spawn_blocking(move || match cache.account() {
                Ok(Some(_)) => cache.lock().ok().flatten(),
                _ => None,
            });
            let Ok(Some(_lock)) = lock.await else { return name.put_off_question() };
            if !matches!(timeout(ORDER, self.access()).await, Ok(Ok(_))) {
                for name in &mut self.names {
                    name.put_off_question();
                }
                return name.put_off_question();
            }
        }
        if let Some((account, _)) = self.access.clone() {
            name.ask(&account).await;
        }
    }

    /// An order failed: says so once, with what to do, and waits.
    fn missed(&mut self, name: &mut Name, way: Option<Way>, failure: &Failure) -> Duration {
        self.failed.inc();
        if failure.is_of_account() {
            self.access = None;
        }
        let failures = if failure.common { &mut self.outage.0 } else { &mut name.failures };
        *failures = failures.saturating_add(1);
        let pause = schedule::pause(failure.gravity, *failures, self.settings.retry, failure.after, chance());
        let until = Some(Instant::now() + pause);
        if failure.common {
            self.outage.1 = until;
        } else {
            name.pause = until;
        }
        let advice = failure.advice(&name.host, way.unwrap_or(Way::Tls));
        if failure.gravity == Gravity::Refused {
            name.another_way();
        }
        let again = format!("{} s", pause.as_secs_f64().ceil());
        let host = &name.host;
        tracing::error!(host, again, "the certificate could not be ordered: {failure}; {advice}");
        pause
    }
}
