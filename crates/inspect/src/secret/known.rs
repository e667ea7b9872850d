//! Values that look like secrets and are published by whoever made them: in documentation, in emulators.
//!
//! Held as digests, so that the list itself holds none.

use std::sync::LazyLock;

const PUBLIC: &str = include_str!("../../data/secrets.public.txt");

static DIGESTS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let digest = |line: &str| u64::from_str_radix(line.split(' ').next()?, 16).ok();
    let mut digests: Vec<u64> = PUBLIC.lines().filter_map(digest).collect();
    digests.sort_unstable();
    digests
});

/// True if the value is known to be published.
pub fn is_public(value: &str) -> bool {
    DIGESTS.binary_search(&fnv(value.as_bytes())).is_ok()
}

/// FNV-1a over 64 bits: nobody gains anything by a collision here.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
