//! Numbers that are asked for when somebody looks.

use std::sync::Arc;

use crate::{
    metrics::Metrics,
    sandbox::Sandbox,
    storage::{Directory, Durability},
};

/// Registers what the sandbox and the storage can say of themselves.
#[expect(clippy::cast_precision_loss, reason = "counts of things that are few")]
pub fn register(metrics: &Metrics, sandbox: &Arc<Sandbox>, storage: &Arc<Directory>) {
    let from = Arc::clone(sandbox);
    let free = move || from.load().0 as f64;
    metrics.gauge_fn("skerry_sandbox_instances_free", "Instances that could begin now.", &[], free);
    let from = Arc::clone(sandbox);
    let waiting = move || from.load().1 as f64;
    metrics.gauge_fn("skerry_sandbox_queue", "Requests that wait for an instance.", &[], waiting);
    let from = Arc::clone(sandbox);
    let parked = move || from.parked() as f64;
    metrics.gauge_fn("skerry_sandbox_instances_waiting", "Instances that wait for a client's body.", &[], parked);
    let from = Arc::clone(sandbox);
    let failed = move || from.counts().failed as f64;
    metrics.counter_fn("skerry_sandbox_failures_total", "Requests whose guest trapped or met a guard.", &[], failed);
    let from = Arc::clone(sandbox);
    let refused = move || from.counts().refused as f64;
    metrics.counter_fn("skerry_sandbox_refused_total", "Requests that found no instance.", &[], refused);
    let from = Arc::clone(sandbox);
    let time = move || from.counts().guest_time.as_secs_f64();
    metrics.counter_fn("skerry_sandbox_guest_seconds_total", "Time spent in guests themselves.", &[], time);
    let from = Arc::clone(storage);
    let used = move || from.open_uploads().0 as f64;
    metrics.gauge_fn("skerry_uploads_in_use", "Uploads that a request uses just now.", &[], used);
    let from = Arc::clone(storage);
    let idle = move || from.open_uploads().1 as f64;
    metrics.gauge_fn("skerry_uploads_idle", "Uploads kept open between two requests.", &[], idle);
    let from = Arc::clone(storage);
    let weak = move || f64::from(u8::from(from.durability() == Durability::Weak));
    metrics.gauge_fn("skerry_storage_weak", "1 where a power cut may undo what was acknowledged.", &[], weak);
    let from = Arc::clone(storage);
    let folds = move || f64::from(u8::from(from.folds_names()));
    metrics.gauge_fn("skerry_storage_folds_names", "1 where names that differ by case alone are one.", &[], folds);
}
