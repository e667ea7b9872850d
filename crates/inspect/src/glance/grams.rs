//! Where a word may stand: every second four bytes of a text against a table of fours of each word.
//!
//! Answerable for finding some hundreds of words, whatever their case, in one pass that costs about half a
//! nanosecond per byte, because nothing in it waits for what came before. A word is known by two of its fours, one for
//! words that begin at an even byte and one for the others. Knows nothing of what the words mean.

use std::cmp::Reverse;

use crate::secret::{Set, has};

/// How many slots the first table has: one byte each, so that it stays near.
const SLOTS: usize = 1 << 18;
/// The mark of a slot that several grams share.
const MANY: u8 = 2;
const HEADS: usize = 1 << 16;
/// Folds letters to lower case, four at once. Some signs fall together; the words themselves are compared again.
const FOLD: u32 = 0x2020_2020;
/// No further entry.
const NONE: u16 = u16::MAX;

/// One way in which four bytes of a word may look.
#[derive(Clone, Debug)]
struct Gram {
    bytes: u32,
    word: u16,
    /// How far into the word they are; before it where a word is short.
    back: i8,
    next: u16,
}

/// The words and the tables.
#[derive(Clone, Debug)]
pub struct Grams {
    /// For each slot the mark of its gram, 0 if it has none.
    marks: Vec<u8>,
    heads: Vec<u16>,
    grams: Vec<Gram>,
    words: Vec<Vec<u8>>,
}

fn hash(bytes: u32) -> u32 {
    bytes.wrapping_mul(0x9E37_79B1)
}

/// A slot of the first table, and the mark by which what shares it is told apart: an odd number.
#[inline]
fn place(bytes: u32) -> (usize, u8) {
    let hash = hash(bytes);
    let [mark, ..] = (hash >> 7).to_le_bytes();
    ((hash >> 14) as usize, mark | 1)
}

fn head(bytes: u32) -> usize {
    (bytes.wrapping_mul(0x85EB_CA6B) >> 16) as usize
}

/// How often a byte is met in English and in programs: sixteen times as often is forty more.
fn commonness(byte: u8) -> u32 {
    match byte {
        b' ' => 75,
        b'e' => 70,
        b't' | b'a' | b'o' => 64,
        b'i' | b'n' | b's' | b'h' | b'r' => 60,
        b'd' | b'l' => 54,
        b'c' | b'u' | b'm' | b'w' | b'f' => 47,
        b'g' | b'y' | b'p' | b'b' => 42,
        b'v' | b'.' | b'/' | b'-' | b':' | b'"' | b'_' => 35,
        b'k' | b'0'..=b'9' => 30,
        _ => 15,
    }
}

impl Default for Grams {
    fn default() -> Self {
        Self { marks: vec![0; SLOTS], heads: vec![NONE; HEADS], grams: Vec::new(), words: Vec::new() }
    }
}

impl Grams {
    /// Adds a word of two bytes or more, in lower case; `follows` says what may stand behind it, one set for each place.
    /// Words are numbered as they are added.
    pub fn add(&mut self, word: &[u8], follows: &[Set]) {
        let number = u16::try_from(self.words.len()).unwrap_or(NONE);
        let rarest = |parity: usize| {
            let fours = word.windows(4).enumerate().skip(parity).step_by(2);
            fours.min_by_key(|(_, four)| four.iter().map(|byte| commonness(*byte)).sum::<u32>())
        };
        self.words.push(word.to_vec());
        for parity in [0, 1] {
            match rarest(parity) {
                Some((back, four)) => self.insert(four, number, i8::try_from(back).unwrap_or(i8::MAX)),
                None => self.insert_short(word, follows, number, parity),
            }
        }
    }

    /// Adds every four that a short word can be part of: with what is behind it, or with the byte before it.
    fn insert_short(&mut self, word: &[u8], follows: &[Set], number: u16, parity: usize) {
        let behind = |from: usize| {
            let known = word.get(from..).unwrap_or_default().iter().map(|byte| vec![*byte]);
            let sets = (0..4).map(|missing| any(follows.get(missing).copied()));
            known.chain(sets).take(4).collect::<Vec<_>>()
        };
        let (back, places) = match parity {
            0 => (0, behind(0)),
            _ => {
                let before: Vec<_> = std::iter::once(any(None)).chain(behind(0)).take(4).collect();
                let inside = behind(1);
                let ways = |places: &[Vec<u8>]| places.iter().map(Vec::len).product::<usize>();
                if ways(&before) <= ways(&inside) { (-1, before) } else { (1, inside) }
            }
        };
        let mut fours = vec![Vec::new()];
        for place in places {
            let longer = |four: &Vec<u8>| {
                place.iter().map(|byte| [four.as_slice(), &[*byte]].concat()).collect::<Vec<_>>()
            };
            fours = fours.iter().flat_map(longer).collect();
        }
        for four in fours {
            self.insert(&four, number, back);
        }
    }

    fn insert(&mut self, four: &[u8], word: u16, back: i8) {
        let Ok(four) = <[u8; 4]>::try_from(four) else { return };
        let bytes = u32::from_le_bytes(four) | FOLD;
        let (slot, mark) = place(bytes);
        if let Some(seen) = self.marks.get_mut(slot) {
            *seen = if [0, mark].contains(seen) { mark } else { MANY };
        }
        let number = u16::try_from(self.grams.len()).unwrap_or(NONE);
        if let Some(first) = self.heads.get_mut(head(bytes)) {
            self.grams.push(Gram { bytes, word, back, next: *first });
            *first = number;
        }
    }

    /// Every place of every word, in order; of those at one place the word that was added last comes first. Looks at
    /// four gigabytes of a text at most.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(u32, u16)) {
        let Ok(marks) = <&[u8; SLOTS]>::try_from(self.marks.as_slice()) else { return };
        let mut places = Vec::new();
        let (pairs, _) = text.as_chunks::<2>();
        for (number, [[a, b], [c, d]]) in pairs.array_windows::<2>().enumerate() {
            let bytes = u32::from_le_bytes([*a, *b, *c, *d]) | FOLD;
            let (slot, mark) = place(bytes);
            #[expect(clippy::indexing_slicing, reason = "a slot is a number of eighteen bits")]
            let seen = marks[slot];
            if seen == mark || seen == MANY {
                self.look(text, 2 * number, bytes, &mut places);
            }
        }
        for (start, Reverse(word)) in places {
            found(start, word);
        }
    }

    #[inline(never)]
    fn look(&self, text: &[u8], at: usize, bytes: u32, places: &mut Vec<(u32, Reverse<u16>)>) {
        let mut next = self.heads.get(head(bytes)).copied().unwrap_or(NONE);
        while let Some(gram) = self.grams.get(usize::from(next)) {
            next = gram.next;
            if gram.bytes != bytes {
                continue;
            }
            let Some(start) = at.checked_add_signed(-isize::from(gram.back)) else { continue };
            let Some(word) = self.words.get(usize::from(gram.word)) else { continue };
            let here = text.get(start..start.saturating_add(word.len()));
            if here.is_some_and(|here| here.eq_ignore_ascii_case(word))
                && let Ok(start) = u32::try_from(start)
            {
                // What comes out of order does so by less than a word's length: sorting all of it took longer.
                let new = (start, Reverse(gram.word));
                let later = places.iter().rev().take_while(|seen| **seen > new).count();
                places.insert(places.len() - later, new);
            }
        }
    }
}

/// What folding can leave of a byte that is in the set, or of any: signs, digits, lower letters, and bytes beyond ASCII.
fn any(set: Option<Set>) -> Vec<u8> {
    let fits = |byte: &u8| match set {
        Some(set) => [*byte, byte.to_ascii_uppercase(), *byte & 0x5F]
            .iter()
            .any(|other| byte.is_ascii() && has(set, *other)),
        None => true,
    };
    (0x20..=0xFF).filter(|byte| byte & 0x20 != 0).filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::Grams;

    #[test]
    fn words_are_found_in_any_case() {
        let mut grams = Grams::default();
        grams.add(b"secret", &[]);
        let set = |bytes: &[u8]| bytes.iter().fold(0, |set: u128, byte| set | 1 << byte);
        grams.add(b"hf_", &[set(b"ABCDEF")]);
        grams.add(b"sk", &[set(b"0123456789"), set(b"0123456789")]);
        let mut seen = Vec::new();
        grams.each(b"A SeCRet hf_A and hf_1, SK12 and skip", |at, word| seen.push((at, word)));
        assert_eq!(seen, [(2, 0), (9, 1), (24, 2)]);
    }

    #[test]
    fn few_fours_share_a_slot() {
        let words = crate::secret::anchors();
        let mut grams = Grams::default();
        for (word, follows) in &words {
            grams.add(word, follows);
        }
        let shared = grams.marks.iter().filter(|mark| **mark == super::MANY).count();
        assert!(grams.grams.len() < 60_000, "{}", grams.grams.len());
        assert!(shared * 100 < super::SLOTS, "{shared}");
    }

    #[test]
    fn words_are_found_wherever_they_stand_and_whatever_follows() {
        let mut grams = Grams::default();
        grams.add(b"key", &[]);
        for before in 0..40_u32 {
            for after in ["é", "…", "=", "\n"] {
                let text = format!("{}KEY{after}", ".".repeat(before as usize));
                let mut seen = Vec::new();
                grams.each(text.as_bytes(), |at, word| seen.push((at, word)));
                assert_eq!(seen, [(before, 0)], "{text}");
            }
        }
    }
}
