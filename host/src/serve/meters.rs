//! Numbers that are asked for when somebody looks.

use std::sync::Arc;

use crate::{
    metrics::Metrics,
    remember::{Counts, Reason},
    sandbox::{PolicyCounts, Sandbox},
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
    let parked = move || from.parked().0 as f64;
    metrics.gauge_fn("skerry_sandbox_instances_waiting", "Instances that wait for a client's body.", &[], parked);
    let from = Arc::clone(sandbox);
    let asking = move || from.parked().1 as f64;
    metrics.gauge_fn("skerry_sandbox_instances_asking", "Instances that wait for a policy.", &[], asking);
    let from = Arc::clone(sandbox);
    let crowded = move || from.crowded() as f64;
    let help = "Instances that were not to wait for a body or a policy, as too many did already.";
    metrics.counter_fn("skerry_sandbox_crowded_total", help, &[], crowded);
    let from = Arc::clone(sandbox);
    let failed = move || from.counts().failed as f64;
    metrics.counter_fn("skerry_sandbox_failures_total", "Requests whose guest trapped or met a guard.", &[], failed);
    let from = Arc::clone(sandbox);
    let refused = move || from.counts().refused as f64;
    metrics.counter_fn("skerry_sandbox_refused_total", "Requests that found no instance.", &[], refused);
    let from = Arc::clone(sandbox);
    let time = move || from.counts().guest_time.as_secs_f64();
    metrics.counter_fn("skerry_sandbox_guest_seconds_total", "Time spent in guests themselves.", &[], time);
    remembered(metrics, sandbox);
    policies(metrics, sandbox);
    let from = Arc::clone(storage);
    let used = move || from.open_uploads().0 as f64;
    metrics.gauge_fn("skerry_uploads_in_use", "Uploads that a request uses just now.", &[], used);
    let from = Arc::clone(storage);
    let idle = move || from.open_uploads().1 as f64;
    metrics.gauge_fn("skerry_uploads_idle", "Uploads kept open between two requests.", &[], idle);
    let from = Arc::clone(storage);
    let staged = move || from.staged().0 as f64;
    metrics.gauge_fn("skerry_uploads_staged_bytes", "Bytes received in uploads that are not finished.", &[], staged);
    let from = Arc::clone(storage);
    let over = move || from.staged().1 as f64;
    let help = "Bodies that were refused because their client had as much in unfinished uploads as it may.";
    metrics.counter_fn("skerry_uploads_over_share_total", help, &[], over);
    let from = Arc::clone(storage);
    let room = move || from.room().map_or(f64::NAN, |bytes| bytes as f64);
    metrics.gauge_fn("skerry_storage_room_bytes", "What pushes may take before the disk counts as full.", &[], room);
    let from = Arc::clone(storage);
    let weak = move || f64::from(u8::from(from.durability() == Durability::Weak));
    metrics.gauge_fn("skerry_storage_weak", "1 where a power cut may undo what was acknowledged.", &[], weak);
    let from = Arc::clone(storage);
    let folds = move || f64::from(u8::from(from.folds_names()));
    metrics.gauge_fn("skerry_storage_folds_names", "1 where names that differ by case alone are one.", &[], folds);
}

/// What policies are asked: those that there are when somebody looks.
#[expect(clippy::cast_precision_loss, reason = "counts of things that are few")]
fn policies(metrics: &Metrics, sandbox: &Arc<Sandbox>) {
    let each = |pick: fn(&PolicyCounts) -> u64| {
        let from = Arc::clone(sandbox);
        move || from.policies().into_iter().map(|counts| (counts.name.clone(), pick(&counts) as f64)).collect()
    };
    let help = "Questions that were put to a policy.";
    metrics.counters_fn("skerry_policy_questions_total", help, "policy", each(|counts| counts.asked));
    let help = "Questions that a policy failed to answer.";
    metrics.counters_fn("skerry_policy_failures_total", help, "policy", each(|counts| counts.failed));
    let from = Arc::clone(sandbox);
    let help = "Decisions of policies that were there already.";
    metrics.counter_fn("skerry_policy_decisions_kept_total", help, &[], move || from.decisions().0 as f64);
}

/// What is remembered; nothing where nothing is.
#[expect(clippy::cast_precision_loss, reason = "counts of things that are few")]
fn remembered(metrics: &Metrics, sandbox: &Arc<Sandbox>) {
    if sandbox.remembered().is_none() {
        return;
    }
    let number = |pick: fn(&Counts) -> f64| {
        let from = Arc::clone(sandbox);
        move || from.remembered().as_ref().map_or(0.0, pick)
    };
    let help = "Answers that were given again without the module.";
    metrics.counter_fn("skerry_remember_hits_total", help, &[], number(|counts| counts.hits as f64));
    let help = "Requests to read that no answer was remembered for.";
    metrics.counter_fn("skerry_remember_misses_total", help, &[], number(|counts| counts.misses as f64));
    let help = "Answers that were remembered and no longer right when they were asked for.";
    metrics.counter_fn("skerry_remember_stale_total", help, &[], number(|counts| counts.stale as f64));
    let help = "Answers that are remembered.";
    metrics.gauge_fn("skerry_remember_entries", help, &[], number(|counts| counts.entries as f64));
    let help = "Bytes of the answers that are remembered, with what belongs to them.";
    metrics.gauge_fn("skerry_remember_bytes", help, &[], number(|counts| counts.bytes as f64));
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        let from = Arc::clone(sandbox);
        let count =
            move || from.remembered().and_then(|counts| counts.not_kept.get(index).copied()).unwrap_or(0) as f64;
        let help = "Answers to reads that could not be remembered, by why.";
        metrics.counter_fn("skerry_remember_not_kept_total", help, &[("reason", reason.name())], count);
    }
}
