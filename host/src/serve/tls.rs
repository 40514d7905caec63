//! Certificates that are renewed while they are served.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{AbortHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use super::notify::Manager;
use crate::{
    cli::Plan,
    metrics::{Counter, Metrics},
    server::{Challenges, TlsSetup, TlsSource},
    tls::{Gravity, Leaf, Loaded, Look, Notices, Origin, Store, Watch},
};

/// In seconds.
const DAY: f64 = 86_400.0;
/// How often files are looked at: what is changed is served within two seconds.
const PERIOD: Duration = Duration::from_secs(1);

/// Says when somebody asks for a look at the files: on SIGHUP.
pub struct Reloads {
    signal: Option<Signal>,
    manager: Manager,
}

impl Reloads {
    /// From now on, SIGHUP ends this process only where a person began it with
    /// nothing configured and closes the terminal.
    pub fn new(first_run: bool, manager: Manager) -> io::Result<Self> {
        let signal = if first_run { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { signal, manager })
    }

    async fn asked(&mut self) {
        let signalled = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if signalled.is_none() {
            std::future::pending::<()>().await;
        }
        self.manager.reloading();
    }

    /// What was asked for is done.
    fn done(&self) {
        self.manager.ready();
    }
}

/// What handshakes are made with, and who keeps it up to date. `challenges`
/// answers authorities.
pub fn renewed(
    plan: &Plan,
    mut reloads: Reloads,
    challenges: Option<Arc<dyn Challenges>>,
    metrics: &Metrics,
) -> (Option<TlsSource>, AbortHandle) {
    let Some(tls) = &plan.tls else {
        let idle = tokio::spawn(async move {
            loop {
                reloads.asked().await;
                tracing::info!("SIGHUP: there is no certificate to read again");
                reloads.done();
            }
        });
        return (None, idle.abort_handle());
    };
    let store = Arc::new(Store::new(tls.loaded.clone()));
    meters(metrics, &tls.origin, &store);
    let from = Arc::clone(&store);
    let source = Arc::new(move || {
        let current = from.current();
        TlsSetup {
            config: Arc::clone(&current.config),
            names: Arc::clone(&current.served),
            verifies_clients: current.verifies_clients,
            challenges: challenges.clone(),
        }
    });
    let mut renewal = Renewal {
        watch: Watch::new(tls.origin.clone(), Arc::clone(&store)),
        store,
        notices: match &tls.origin {
            Origin::Cached(_) => Notices::of_ordered(),
            Origin::Files(_) | Origin::Local { .. } => Notices::default(),
        },
        taken: reload_counter(metrics, "taken"),
        refused: reload_counter(metrics, "refused"),
    };
    renewal.say();
    (Some(source), tokio::spawn(keep(renewal, reloads)).abort_handle())
}

fn reload_counter(metrics: &Metrics, result: &str) -> Arc<Counter> {
    metrics.counter(
        "skerry_tls_reloads_total",
        "Changed certificates that were taken, and those that could not be used.",
        &[("result", result)],
    )
}

/// The times of each leaf, by its file; 1970 where there is none.
fn meters(metrics: &Metrics, origin: &Origin, store: &Arc<Store>) {
    let files: Vec<PathBuf> = match origin {
        Origin::Cached(cached) => cached.hosts.iter().map(|host| cached.file(host)).collect(),
        Origin::Files(_) | Origin::Local { .. } => {
            store.current().leaves.iter().map(|leaf| leaf.file.clone()).collect()
        }
    };
    for file in files {
        let text = file.display().to_string();
        let labels = [("certificate", text.as_str())];
        let time = |of: fn(&Leaf) -> SystemTime| {
            let (from, file) = (Arc::clone(store), file.clone());
            move || from.current().leaves.iter().find(|leaf| leaf.file == file).map_or(0.0, |leaf| seconds(of(leaf)))
        };
        let help = "When a certificate expires, in seconds since 1970.";
        metrics.gauge_fn("skerry_tls_certificate_not_after_seconds", help, &labels, time(|leaf| leaf.not_after));
        let help = "Days until a certificate expires; below 0, since it did.";
        let left = time(|leaf| leaf.not_after);
        metrics.gauge_fn("skerry_tls_certificate_days_left", help, &labels, move || {
            ((left() - seconds(SystemTime::now())) / DAY).floor()
        });
        let help = "When a certificate begins to be valid, in seconds since 1970.";
        metrics.gauge_fn("skerry_tls_certificate_not_before_seconds", help, &labels, time(|leaf| leaf.not_before));
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

async fn keep(mut renewal: Renewal, mut reloads: Reloads) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            () = reloads.asked() => true,
        };
        // A disk or a network behind the files may be slow.
        let looked = spawn_blocking(move || {
            renewal.look(asked);
            renewal
        });
        match looked.await {
            Ok(back) => {
                renewal = back;
                if asked {
                    reloads.done();
                }
            }
            Err(error) => {
                tracing::error!(%error, "certificates are no longer renewed; restart to go on");
                return;
            }
        }
    }
}

struct Renewal {
    watch: Watch,
    store: Arc<Store>,
    notices: Notices,
    taken: Arc<Counter>,
    refused: Arc<Counter>,
}

impl Renewal {
    fn look(&mut self, asked: bool) {
        match self.watch.look(SystemTime::now(), asked) {
            Look::Same if asked => tracing::info!("SIGHUP: the certificates are what they were"),
            Look::Same => {}
            Look::Taken(loaded) => {
                self.taken.inc();
                taken(&loaded);
            }
            Look::Refused(error) => {
                self.refused.inc();
                tracing::error!("the changed certificates cannot be used, the ones before are served: {error}");
            }
        }
        self.say();
    }

    /// What there is to say of the time that is left.
    fn say(&mut self) {
        for notice in self.notices.take(&self.store.current().leaves, SystemTime::now()) {
            match notice.gravity {
                Gravity::Warning => tracing::warn!("{}", notice.sentence),
                Gravity::Error => tracing::error!("{}", notice.sentence),
            }
        }
    }
}

fn taken(loaded: &Loaded) {
    for leaf in &loaded.leaves {
        tracing::info!(certificate = %leaf.file.display(), names = leaf.names.join(" "), "changed certificates are served");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}
