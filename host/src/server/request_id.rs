//! Names for requests in logs.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Sixteen hexadecimal digits, no two alike in the life of a process and not
/// likely so in another. They are names, not secrets.
pub(super) fn next() -> String {
    static SEED: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Without random numbers, ids of two processes may be alike; nothing else
    // depends on them.
    let seed = *SEED.get_or_init(|| getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())));
    // A bijection (splitmix64's finish), so different counts stay different.
    let mut id = seed.wrapping_add(COUNT.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", id ^ (id >> 31))
}

#[cfg(test)]
mod tests {
    #[test]
    fn differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| super::next()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
