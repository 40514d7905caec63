//! The checks of `health` in the configuration.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use crate::{
    config::Config,
    server::Health,
    storage::{Directory, Storage},
};

/// Starts what is configured; each runs as long as the process.
pub fn watch(config: &Config, health: &Arc<Health>, storage: &Arc<Directory>) {
    let checks = &config.health;
    if let Some(period) = &checks.storage {
        let storage = Arc::clone(storage);
        let check = move || {
            let storage = Arc::clone(&storage);
            async move { storage.check().await.map_err(|failure| failure.to_string()) }
        };
        spawn(health, "storagedriver_filesystem".into(), period.interval, period.threshold, check);
    }
    for check in &checks.files {
        let file = Arc::new(check.file.clone());
        let name = file.display().to_string();
        let look = move || {
            let file = Arc::clone(&file);
            async move { absent(&file) }
        };
        spawn(health, name, check.period.interval, check.period.threshold, look);
    }
    for check in &checks.tcp {
        let (address, patience) = (check.addr.clone(), check.timeout);
        let connect = move || reachable(address.clone(), patience);
        spawn(health, check.addr.clone(), check.period.interval, check.period.threshold, connect);
    }
}

fn spawn<C, F>(health: &Arc<Health>, name: String, interval: Duration, threshold: u32, check: C)
where
    C: Fn() -> F + Send + 'static,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    tokio::spawn(Arc::clone(health).watch(name, interval, threshold, check));
}

/// As in distribution: that the file is there means "take no traffic".
fn absent(file: &Path) -> Result<(), String> {
    match file.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err("file exists".into()),
        Err(cause) => Err(cause.to_string()),
    }
}

async fn reachable(address: String, patience: Duration) -> Result<(), String> {
    match timeout(patience, TcpStream::connect(&address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(cause)) => Err(format!("connection to {address} failed: {cause}")),
        Err(_) => Err(format!("connection to {address} timed out")),
    }
}
