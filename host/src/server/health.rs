//! What is wrong with this host, if anything.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// The checks that fail now. While one does, every request is answered 503,
/// so that a load balancer goes elsewhere.
#[derive(Debug, Default)]
pub struct Health {
    failing: RwLock<BTreeMap<String, String>>,
    /// Whether `failing` is not empty: asked for each request.
    sick: AtomicBool,
}

impl Health {
    /// Nothing is wrong.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The result of a check: what is wrong, or nothing.
    pub fn set(&self, name: &str, wrong: Option<String>) {
        let mut failing = self.failing.write().unwrap_or_else(PoisonError::into_inner);
        let before = match &wrong {
            Some(wrong) => failing.insert(name.to_owned(), wrong.clone()),
            None => failing.remove(name),
        };
        // Before it is said: who reads that may ask at once.
        self.sick.store(!failing.is_empty(), Relaxed);
        match (&before, &wrong) {
            (None, Some(wrong)) => tracing::error!(check = name, wrong, "health check fails"),
            (Some(_), None) => tracing::info!(check = name, "health check is well again"),
            _ => {}
        }
    }

    /// Whether no check fails.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.sick.load(Relaxed)
    }

    /// The names of the checks that fail, and why.
    #[must_use]
    pub fn failing(&self) -> BTreeMap<String, String> {
        self.failing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks every `interval`, for ever: spawn it. `threshold` failures in a
    /// row make it fail (0 counts as 1), one success makes it well again. A
    /// check that takes longer than an interval, or 10 s, has failed.
    pub async fn watch<C, F>(self: Arc<Self>, name: String, interval: Duration, threshold: u32, check: C)
    where
        C: Fn() -> F + Send,
        F: Future<Output = Result<(), String>> + Send,
    {
        let interval = interval.max(Duration::from_millis(10));
        let patience = interval.max(Duration::from_secs(10));
        let mut failures = 0u32;
        loop {
            let result = match tokio::time::timeout(patience, check()).await {
                Ok(result) => result,
                Err(_) => Err("no result in time".to_owned()),
            };
            match result {
                Ok(()) => {
                    failures = 0;
                    self.set(&name, None);
                }
                Err(wrong) => {
                    failures = failures.saturating_add(1);
                    if failures >= threshold {
                        self.set(&name, Some(wrong));
                    }
                }
            }
            tokio::time::sleep(interval).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tokio::sync::{Semaphore, mpsc};

    use super::Health;

    #[tokio::test]
    async fn threshold() {
        let health = Health::new();
        let (begins, mut begun) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let opened = gate.clone();
        // Fails from the second to the fourth time.
        let mut runs = 0..;
        let runs = move || {
            let (n, begins, gate) = (runs.next().unwrap(), begins.clone(), gate.clone());
            async move {
                begins.send(n).unwrap();
                gate.acquire().await.unwrap().forget();
                if (1..4).contains(&n) { Err(format!("broken {n}")) } else { Ok(()) }
            }
        };
        let runs = Mutex::new(runs);
        let check = move || (runs.lock().unwrap())();
        let task = tokio::spawn(health.clone().watch("disk".into(), Duration::from_millis(10), 3, check));
        begun.recv().await.unwrap();
        let mut seen = Vec::new();
        for n in 0..5 {
            opened.add_permits(1);
            // With the next one's beginning the result of this one is in.
            assert_eq!(begun.recv().await, Some(n + 1));
            seen.push(health.is_ok());
            if n == 3 {
                assert_eq!(health.failing().get("disk").unwrap(), "broken 3");
            }
        }
        assert_eq!(seen, [true, true, true, false, true]);
        task.abort();
    }
}
