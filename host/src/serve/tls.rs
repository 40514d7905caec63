//! Certificates that are renewed while they are served.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{AbortHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use crate::{
    cli::Plan,
    metrics::{Counter, Metrics},
    server::{TlsSetup, TlsSource},
    tls::{Gravity, Loaded, Look, Notices, Store, Watch},
};

/// How often files are looked at: what is changed is served within two seconds.
const PERIOD: Duration = Duration::from_secs(1);

/// Says when somebody asks for a look at the files: on SIGHUP.
pub struct Reloads(Option<Signal>);

impl Reloads {
    /// From now on, SIGHUP ends this process only where a person began it with
    /// nothing configured and closes the terminal.
    pub fn new(first_run: bool) -> io::Result<Self> {
        Ok(Self(if first_run { None } else { Some(signal(SignalKind::hangup())?) }))
    }

    async fn asked(&mut self) {
        let signalled = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if signalled.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// What handshakes are made with, and who keeps it up to date.
pub fn renewed(plan: &Plan, mut reloads: Reloads, metrics: &Metrics) -> (Option<TlsSource>, AbortHandle) {
    let Some(tls) = &plan.tls else {
        let idle = tokio::spawn(async move {
            loop {
                reloads.asked().await;
                tracing::info!("SIGHUP: there is no certificate to read again");
            }
        });
        return (None, idle.abort_handle());
    };
    let store = Arc::new(Store::new(tls.loaded.clone()));
    meters(metrics, &store);
    let from = Arc::clone(&store);
    let source = Arc::new(move || {
        let current = from.current();
        TlsSetup { config: Arc::clone(&current.config), verifies_clients: current.verifies_clients }
    });
    let mut renewal = Renewal {
        watch: Watch::new(tls.origin.clone(), Arc::clone(&store)),
        store,
        notices: Notices::default(),
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

/// The times of each leaf, by its file.
fn meters(metrics: &Metrics, store: &Arc<Store>) {
    for (index, leaf) in store.current().leaves.iter().enumerate() {
        let file = leaf.file.display().to_string();
        let labels = [("certificate", file.as_str())];
        let from = Arc::clone(store);
        let end = move || from.current().leaves.get(index).map_or(0.0, |leaf| seconds(leaf.not_after));
        let help = "When a certificate expires, in seconds since 1970.";
        metrics.gauge_fn("skerry_tls_certificate_not_after_seconds", help, &labels, end);
        let from = Arc::clone(store);
        let begin = move || from.current().leaves.get(index).map_or(0.0, |leaf| seconds(leaf.not_before));
        let help = "When a certificate begins to be valid, in seconds since 1970.";
        metrics.gauge_fn("skerry_tls_certificate_not_before_seconds", help, &labels, begin);
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
            Ok(back) => renewal = back,
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
