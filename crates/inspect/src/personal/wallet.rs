//! Addresses of wallets: base58 with its digest, bech32, and Ethereum's with the checksum in its capitals.
//!
//! Answerable for the check that each kind has: without it nothing here counts.

use sha2::{Digest, Sha256};

use super::Reader;
use super::judge::Found;

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE: &[u8] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

impl Reader<'_, '_> {
    /// The wallet that the word at `start..end` is.
    pub(super) fn wallet(&self, start: usize, end: usize) -> Option<Found> {
        let word = self.bytes.get(start..end)?;
        let (name, verified) = match word.len() {
            42 if word.starts_with(b"0x") || word.starts_with(b"0X") => ethereum(word.get(2..)?)?,
            26..=36 => (base58(word)?, true),
            14..=90 => (bech32(word)?, true),
            _ => return None,
        };
        let clear = !matches!(self.before(start), b'_' | b'/' | b'-' | b'+' | b'.')
            && !matches!(self.byte(end), b'_' | b'+' | b'@')
            && (self.byte(end) != b'=' || self.byte(end + 1) == b'"');
        // Links to explorers are where such addresses mostly stand.
        let linked = self.before(start) == b'/';
        let confidence = if verified { 96 } else { 65 };
        (clear || linked).then_some(Found {
            name,
            start,
            end,
            confidence,
            verified: verified.then_some(true),
        })
    }
}

/// Capitals spell the digest of the address; an address without any, or of capitals only, has no checksum.
fn ethereum(hex: &[u8]) -> Option<(&'static str, bool)> {
    let first = hex.first()?;
    if !hex.iter().all(u8::is_ascii_hexdigit) || hex.iter().all(|byte| byte == first) {
        return None;
    }
    let mixed = hex.iter().any(u8::is_ascii_lowercase) && hex.iter().any(u8::is_ascii_uppercase);
    // Addresses that programs reserve begin with noughts.
    if hex.starts_with(b"00000000") {
        return None;
    }
    if !mixed {
        return Some(("ethereum_address", false));
    }
    let digest = keccak256(&hex.to_ascii_lowercase());
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let right = hex
        .iter()
        .zip(nibbles)
        .all(|(byte, nibble)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble > 7));
    right.then_some(("ethereum_address", true))
}

fn base58(word: &[u8]) -> Option<&'static str> {
    let bytes = match word.first()? {
        b'1' | b'3' | b'L' | b'M' | b'D' | b'X' | b'T' | b't' | b'm' | b'n' | b'2' | b'A' | b'9' => {
            decode58(word, BASE58)?
        }
        b'r' => decode58(word, RIPPLE)?,
        _ => return None,
    };
    let (version, name) = match (bytes.first()?, word.first()?) {
        (0, b'r') => (1, "ripple_address"),
        (0 | 5 | 111 | 196, _) => (1, "bitcoin_address"),
        (48 | 50, _) => (1, "litecoin_address"),
        (30 | 22, _) => (1, "dogecoin_address"),
        (76 | 16, _) => (1, "dash_address"),
        (65, _) => (1, "tron_address"),
        // Zcash's versions have two bytes, and one byte more in all.
        (28, b't') => (2, "zcash_address"),
        _ => return None,
    };
    let bytes = if version == 2 { bytes.as_slice() } else { bytes.get(..25)? };
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if body.len() != 20 + version {
        return None;
    }
    let digest = Sha256::digest(Sha256::digest(body));
    (digest.get(..4) == Some(sum)).then_some(name)
}

/// The bytes that a word of base 58 spells, 25 or 26 of them; nothing if it is no such word.
fn decode58(word: &[u8], alphabet: &[u8]) -> Option<Vec<u8>> {
    let mut limbs = [0_u32; 7];
    for byte in word {
        let mut carry = u64::try_from(alphabet.iter().position(|it| it == byte)?).ok()?;
        for limb in &mut limbs {
            let value = u64::from(*limb) * 58 + carry;
            *limb = u32::try_from(value & 0xFFFF_FFFF).ok()?;
            carry = value >> 32;
        }
        if carry > 0 {
            return None;
        }
    }
    let bytes: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    let zero = *alphabet.first()?;
    let noughts = word.iter().take_while(|byte| **byte == zero).count();
    let body: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let all: Vec<u8> = std::iter::repeat_n(0, noughts).chain(body).collect();
    matches!(all.len(), 25 | 26).then_some(all)
}

fn bech32(word: &[u8]) -> Option<&'static str> {
    let small = word.to_ascii_lowercase();
    if small != word && word.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    let (prefix, name): (&[u8], _) = match small.get(..4)? {
        [b'b', b'c', b'1', _] => (b"bc", "bitcoin_address"),
        [b't', b'b', b'1', _] => (b"tb", "bitcoin_address"),
        [b'l', b't', b'c', b'1'] => (b"ltc", "litecoin_address"),
        [b'a', b'd', b'd', b'r'] if small.get(4) == Some(&b'1') => (b"addr", "cardano_address"),
        _ => return None,
    };
    let data = small.get(prefix.len() + 1..)?;
    let mut values: Vec<u32> = prefix.iter().map(|byte| u32::from(byte >> 5)).collect();
    values.push(0);
    values.extend(prefix.iter().map(|byte| u32::from(byte & 31)));
    for byte in data {
        values.push(u32::try_from(BECH32.iter().position(|it| it == byte)?).ok()?);
    }
    let sum = values.iter().fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let turns = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let mixed = ((sum & 0x1ff_ffff) << 5) ^ value;
        turns
            .iter()
            .enumerate()
            .fold(mixed, |sum, (n, turn)| if top >> n & 1 == 1 { sum ^ turn } else { sum })
    });
    // The second is bech32m, of later versions.
    matches!(sum, 1 | 0x2bc8_30a3).then_some(name)
}

/// Keccak-256 as Ethereum has it, of less than 136 bytes.
fn keccak256(text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 136];
    for (to, from) in block.iter_mut().zip(text) {
        *to = *from;
    }
    if let Some(byte) = block.get_mut(text.len()) {
        *byte ^= 1;
    }
    if let Some(byte) = block.last_mut() {
        *byte ^= 0x80;
    }
    let mut state = [0_u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*bytes);
    }
    keccak::f1600(&mut state);
    state.iter().take(4).flat_map(|lane| lane.to_le_bytes()).collect()
}
