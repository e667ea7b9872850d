//! Answerable for the four hashes of the ledger and for nothing else: leaf, node and chain link (one prefix byte
//! each, so that none can pass for another) and the commitment to a payload. Knows neither storage nor trees.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The chain head of an empty ledger.
pub const FIRST_LINK: Hash = [0; 32];

/// The tree root of an empty ledger: SHA-256 of nothing (RFC 9162 2.1.1).
pub fn empty_root() -> Hash {
    Sha256::digest(b"").into()
}

/// The leaf hash of a record: SHA-256 of 0x00 and the leaf data, which is the body alone, or body, 0x0A and the
/// commitment. A body holds no 0x0A, so the two forms cannot be confused.
pub fn leaf(body: &[u8], commitment: Option<&Hash>) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(body);
    if let Some(commitment) = commitment {
        hasher.update([0x0A]);
        hasher.update(commitment);
    }
    hasher.finalize().into()
}

/// An inner node: SHA-256 of 0x01, left and right.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut block = [0_u8; 65];
    let (prefix, rest) = block.split_at_mut(1);
    prefix.fill(1);
    let (first, second) = rest.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    Sha256::digest(block).into()
}

/// The next chain head: SHA-256 of 0x02, the head before, and the leaf hash.
pub fn link(before: &Hash, leaf: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([2]);
    hasher.update(before);
    hasher.update(leaf);
    hasher.finalize().into()
}

/// What a record keeps of its payload. The salt goes when the payload is erased, so that a short or guessable
/// payload cannot be found again by trying.
pub fn commitment(salt: &[u8; 16], payload: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(payload);
    hasher.finalize().into()
}

/// Plain SHA-256.
pub fn plain(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// Reads exactly `N` bytes of lower-case hex; anything else is `None`.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N.checked_mul(2)? || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut out = [0_u8; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let nibble = u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
            *byte = byte.wrapping_shl(4) | nibble;
        }
    }
    Some(out)
}
