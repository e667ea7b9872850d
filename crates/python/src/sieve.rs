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
const FOLD_ALL: u64 = 0x2020_2020_2020_2020;
/// The most slots of a table: one byte each, so that it stays near.
const SLOTS: usize = 1 << 16;
/// The mark of a slot that several grams share.
const MANY: u8 = 2;

/// Words of one length.
struct Row {
    /// How much of each word is compared.
    length: usize,
    /// Which of four bytes are looked at together: three or all.
    gram: u32,
    /// How far apart: every word that is there has a gram at a step.
    step: usize,
    /// For each slot the mark of its gram, 0 if it has none.
    marks: Vec<u8>,
    /// The words as numbers, each at or behind its place; 0 where none is.
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
    /// True if a word that it looks for has such a byte, [`fold`]ed.
    pub fn has(&self, is: impl Fn(u8) -> bool) -> bool {
        let mut words = self.rows.iter().flat_map(|row| row.words.iter().map(|word| (row.length, *word)));
        words.any(|(length, word)| word != 0 && word.to_le_bytes().iter().take(length).any(|byte| is(*byte)))
    }

    /// False if no pattern that it speaks for matches the text.
    pub fn lets_through(&self, text: &str) -> bool {
        self.rows.iter().any(|row| row.has_any(text.as_bytes()))
    }
}

/// Up to eight bytes as a number, folded.
fn number(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.first_chunk::<LONGEST>() {
        return u64::from_le_bytes(*eight) | FOLD_ALL;
    }
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(fold(*byte)))
}

/// The first four bytes.
fn four(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |number, byte| (number << 8) | u32::from(*byte))
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
        let (gram, size) = if length >= LARGE { (u32::MAX, 4) } else { (u32::MAX >> 8, 3) };
        let mut parts: Vec<&[u8]> = needed.iter().map(|it| rarest(it, length)).collect();
        parts.sort_unstable();
        parts.dedup();
        let step = length.saturating_sub(size).saturating_add(1);
        let slots = parts.len().saturating_mul(step).saturating_mul(16);
        let marks = vec![0; slots.next_power_of_two().clamp(1 << 10, SLOTS)];
        let mut row = Self { length, gram, step, marks, words: Vec::new() };
        for bytes in parts.iter().flat_map(|part| part.windows(size)) {
            let (slot, mark) = row.place(four(bytes));
            if let Some(seen) = row.marks.get_mut(slot) {
                *seen = if [0, mark].contains(seen) { mark } else { MANY };
            }
        }
        // No more than every fourth place is taken, so that a search is short.
        row.words = vec![0; parts.len().saturating_mul(4).next_power_of_two()];
        for word in parts.into_iter().map(number) {
            let free = row.seats(word).find(|at| row.words.get(*at) == Some(&0));
            if let Some(seat) = free.and_then(|at| row.words.get_mut(at)) {
                *seat = word;
            }
        }
        row
    }

    /// The slot of the gram that four bytes begin with, and the mark by which what shares it is told apart: odd.
    #[inline]
    fn place(&self, four: u32) -> (usize, u8) {
        let hash = ((four & self.gram) | FOLD).wrapping_mul(0x9E37_79B1);
        let [_, mark, ..] = hash.to_le_bytes();
        ((hash >> 16) as usize & self.marks.len().wrapping_sub(1), mark | 1)
    }

    fn has_any(&self, text: &[u8]) -> bool {
        let mut rest = text;
        while let Some(bytes) = rest.first_chunk() {
            if self.may_stand(u32::from_le_bytes(*bytes)) && self.stands(text, rest) {
                return true;
            }
            rest = rest.get(self.step..).unwrap_or_default();
        }
        self.may_stand(four(rest)) && self.stands(text, rest)
    }

    #[inline]
    fn may_stand(&self, four: u32) -> bool {
        let (slot, mark) = self.place(four);
        self.marks.get(slot).is_none_or(|seen| *seen == mark || *seen == MANY)
    }

    /// True if a word has a gram where `rest` begins.
    #[cold]
    fn stands(&self, text: &[u8], rest: &[u8]) -> bool {
        let at = text.len().saturating_sub(rest.len());
        (0..self.step).any(|back| {
            let word = at.checked_sub(back).and_then(|from| text.get(from..from.saturating_add(self.length)));
            word.map(number).is_some_and(|word| self.has(word))
        })
    }

    fn has(&self, word: u64) -> bool {
        let met = self.seats(word).filter_map(|at| self.words.get(at)).find(|it| **it == word || **it == 0);
        met.is_none_or(|it| *it == word)
    }

    /// Where a word may be, in the order in which that is tried.
    fn seats(&self, word: u64) -> impl Iterator<Item = usize> + use<> {
        let size = self.words.len();
        let hash = word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let first = usize::try_from(hash).unwrap_or_default();
        (0..size).map(move |n| first.wrapping_add(n) & size.wrapping_sub(1))
    }
}
