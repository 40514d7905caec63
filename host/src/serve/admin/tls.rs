//! Certificates of both sides, for those who come from elsewhere.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use super::ServeError;
use crate::{
    config::{ClientAuth, Remote},
    server::{TlsSetup, TlsSource},
    tls::{Look, Origin, Policy, Store, TlsFiles, Watch},
};

/// How often files are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// What handshakes are made with; it is renewed by a task.
pub fn source(remote: &Remote, tasks: &mut JoinSet<()>) -> Result<TlsSource, ServeError> {
    let origin = Origin::Files(TlsFiles {
        certificate: remote.certificate.clone(),
        key: remote.key.clone(),
        others: Vec::new(),
        policy: Policy {
            // Never less, whatever is configured.
            client_auth: ClientAuth::RequireAndVerify,
            client_cas: remote.client_cas.clone(),
            ..Policy::new(false)
        },
    });
    let loaded = origin.load(SystemTime::now()).map_err(|cause| ServeError::AdminTls(cause.to_string()))?;
    let store = Arc::new(Store::new(loaded));
    tasks.spawn(renew(Watch::new(origin, Arc::clone(&store))));
    Ok(Arc::new(move || {
        let current = store.current();
        let config = Arc::clone(&current.config);
        TlsSetup {
            config,
            names: Arc::clone(&current.served),
            verifies_clients: current.verifies_clients,
            challenges: None,
        }
    }))
}

async fn renew(mut watch: Watch) {
    loop {
        sleep(PERIOD).await;
        // A disk or a network behind the files may be slow.
        let looked = spawn_blocking(move || (watch.look(SystemTime::now(), false), watch));
        let Ok((look, back)) = looked.await else { return };
        watch = back;
        match look {
            Look::Same => {}
            Look::Taken(_) => tracing::info!("changed certificates are served at the admin endpoint"),
            Look::Refused(error) => {
                tracing::error!("the changed certificates of the admin endpoint cannot be used: {error}")
            }
        }
    }
}
