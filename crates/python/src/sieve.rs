//! Texts that none of many patterns can match, told apart from the rest without running one of them.
//!
//! Answerable for letting every text through that a pattern might match: a sieve answers `false` only where the
//! words that the patterns need are not there. It looks at every few bytes of a text and waits for nothing that it
//! has seen, so it costs a fraction of what an automaton does.

use crate::needed::{fold, needed};

/// The shortest word that is of use.
const SHORTEST: usize = 3;
/// How much of a word is compared: what fits into a number.
const LONGEST: usize = 8;
/// Words from here on are looked for in larger steps.
const LARGE: usize = 6;
const FOLD: u32 = 0x2020_2020;
/// The most slots of a table: one byte each, so that it stays near.
const SLOTS: usize = 1 << 16;

/// Words of one length.
struct Row {
    /// How much of each word is compared.
    length: usize,
    /// How many bytes are looked at together: 3 or 4.
    gram: usize,
    /// How far apart: every word that is there has a gram at a step.
    step: usize,
    /// For each gram, at which places of words it stands: one bit each.
    slots: Vec<u8>,
    words: Vec<u64>,
}

/// Words of which a text must have one.
pub struct Sieve {
    rows: Vec<Row>,
}

/// Which patterns a sieve speaks for, and the others: `(sieve, others)`. No sieve if it would speak for too few.
pub fn sieve(patterns: &[String]) -> Option<(Sieve, Vec<usize>)> {
    let (mut short, mut large, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (n, pattern) in patterns.iter().enumerate() {
        match needed(pattern, SHORTEST, LONGEST) {
            None => others.push(n),
            Some(words) if words.iter().all(|it| it.len() >= LARGE) => large.extend(words),
            Some(words) => short.extend(words),
        }
    }
    if others.len() > patterns.len() / 2 {
        return None;
    }
    let rows = [short, large].iter().filter(|it| !it.is_empty()).map(|it| Row::new(it)).collect();
    Some((Sieve { rows }, others))
}

impl Sieve {
    /// False if no pattern that it speaks for matches the text.
    pub fn lets_through(&self, text: &str) -> bool {
        self.rows.iter().any(|row| row.has_any(text.as_bytes()))
    }
}

/// The first bytes as a number, folded.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(LONGEST).rev().fold(0, |number, byte| (number << 8) | u64::from(fold(*byte)))
}

fn gram4(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes) | FOLD
}

fn gram3([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0]) | FOLD
}

/// How often a byte is met, roughly.
fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 70,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 35,
        b'f' | b'g' | b'y' | b'w' | b'b' | b'v' => 18,
        b' ' => 150,
        b'/' | b'.' | b'-' | b':' | b'"' => 15,
        _ => 5,
    }
}

/// The part of a word that is met least.
fn rarest(word: &[u8], length: usize) -> &[u8] {
    let cost = |part: &&[u8]| part.iter().map(|byte| commonness(*byte)).sum::<u32>();
    word.windows(length).min_by_key(cost).unwrap_or(word)
}

impl Row {
    fn new(needed: &[Vec<u8>]) -> Self {
        let length = needed.iter().map(Vec::len).min().unwrap_or(SHORTEST).min(LONGEST);
        let gram = if length >= LARGE { 4 } else { 3 };
        let mut parts: Vec<&[u8]> = needed.iter().map(|it| rarest(it, length)).collect();
        parts.sort_unstable();
        parts.dedup();
        let step = length.saturating_sub(gram).saturating_add(1);
        let size = parts.len().saturating_mul(step).saturating_mul(16);
        let slots = vec![0; size.next_power_of_two().clamp(1 << 10, SLOTS)];
        let mut row = Self { length, gram, step, slots, words: Vec::new() };
        for part in &parts {
            for (back, bytes) in part.windows(gram).enumerate() {
                let bytes = match bytes {
                    [a, b, c] => gram3([*a, *b, *c]),
                    [a, b, c, d] => gram4([*a, *b, *c, *d]),
                    _ => continue,
                };
                let at = row.slot(bytes);
                if let Some(slot) = row.slots.get_mut(at) {
                    *slot |= 1 << back;
                }
            }
        }
        row.words = parts.into_iter().map(number).collect();
        row.words.sort_unstable();
        row
    }

    #[inline]
    fn slot(&self, gram: u32) -> usize {
        let hash = gram.wrapping_mul(0x9E37_79B1) >> 16;
        hash as usize & self.slots.len().wrapping_sub(1)
    }

    fn has_any(&self, text: &[u8]) -> bool {
        if self.gram == 4 { self.looks(text, gram4) } else { self.looks(text, gram3) }
    }

    #[inline]
    fn looks<const N: usize>(&self, text: &[u8], gram: impl Fn([u8; N]) -> u32) -> bool {
        text.windows(N).step_by(self.step).enumerate().any(|(n, bytes)| {
            let Ok(bytes) = <[u8; N]>::try_from(bytes) else { return true };
            let places = self.slots.get(self.slot(gram(bytes))).copied().unwrap_or(u8::MAX);
            places != 0 && self.stands(text, n.saturating_mul(self.step), places)
        })
    }

    /// True if a word has the bytes at `at` in one of `places`.
    #[cold]
    fn stands(&self, text: &[u8], at: usize, places: u8) -> bool {
        (0..self.step).filter(|back| places >> back & 1 == 1).any(|back| {
            let word = at.checked_sub(back).and_then(|from| text.get(from..from.saturating_add(self.length)));
            word.is_some_and(|word| self.words.binary_search(&number(word)).is_ok())
        })
    }
}
