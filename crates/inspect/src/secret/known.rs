//! Values that look like secrets and are published by whoever made them: in documentation, in emulators.
//!
//! Held as digests, so that the list itself holds none.

const PUBLIC: &str = include_str!("../../data/secrets.public.txt");

/// True if the value is known to be published.
pub fn is_public(value: &str) -> bool {
    let digest = format!("{:016x}", fnv(value.as_bytes()));
    PUBLIC.lines().any(|line| line.split(' ').next() == Some(digest.as_str()))
}

/// FNV-1a over 64 bits: nobody gains anything by a collision here.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
