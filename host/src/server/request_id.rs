//! Names for requests in logs.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Sixteen hexadecimal digits, no two alike in the life of a process and not
/// likely so in another. They are names, not secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// The next one.
    #[must_use]
    pub fn next() -> Self {
        static SEED: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Without random numbers, ids of two processes may be alike; nothing
        // else depends on them.
        let seed = *SEED.get_or_init(|| getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())));
        // A bijection (splitmix64's finish), so different counts stay different.
        let mut id = seed.wrapping_add(COUNT.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(id ^ (id >> 31))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [b'0'; 16];
        for (digit, place) in digits.iter_mut().rev().zip((0..u64::BITS).step_by(4)) {
            let value = (self.0 >> place) as usize & 0xf;
            *digit = b"0123456789abcdef".get(value).copied().unwrap_or(b'0');
        }
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| RequestId::next()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.to_string() == format!("{:016x}", id.0)));
    }
}
