//! Where a word may stand: every four bytes of a text against a table of four bytes of each word.
//!
//! Answerable for finding some hundreds of words, whatever their case, in one pass that costs about a
//! nanosecond per byte, because nothing in it waits for what came before. Knows nothing of what the words mean.

use crate::secret::{Set, has};

/// How many slots the first table has: one byte each, so that it stays near.
const SLOTS: usize = 1 << 16;
/// The mark of a slot that several grams share.
const MANY: u8 = 2;
const HEADS: usize = 16_384;
/// Folds letters to lower case, four at once. Some signs fall together; the words themselves are compared again.
const FOLD: u32 = 0x2020_2020;
/// No further entry.
const NONE: u16 = u16::MAX;

/// One way in which four bytes of a word may look.
#[derive(Clone, Debug)]
struct Gram {
    bytes: u32,
    word: u16,
    /// How far into the word they are.
    back: u8,
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
    let [_, mark, ..] = hash.to_le_bytes();
    ((hash >> 16) as usize, mark | 1)
}

fn head(bytes: u32) -> usize {
    (bytes.wrapping_mul(0x85EB_CA6B) >> 18) as usize & (HEADS - 1)
}

/// How often a byte is met, roughly, per thousand.
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
        self.words.push(word.to_vec());
        let rarest = word
            .windows(4)
            .enumerate()
            .min_by_key(|(_, four)| four.iter().map(|byte| commonness(*byte)).sum::<u32>());
        if let Some((back, four)) = rarest {
            self.insert(four, number, back);
            return;
        }
        let mut ways = vec![word.to_vec()];
        for missing in 0..4usize.saturating_sub(word.len()) {
            let fits = |byte: &u8| match follows.get(missing) {
                Some(set) => [*byte, byte.to_ascii_uppercase(), *byte & 0x5F]
                    .iter()
                    .any(|other| byte.is_ascii() && has(*set, *other)),
                None => true,
            };
            // What folding can leave: signs, digits, lower letters, and bytes beyond ASCII.
            let bytes: Vec<u8> = (0x20..=0xFF).filter(|byte| byte & 0x20 != 0).filter(fits).collect();
            ways = ways
                .iter()
                .flat_map(|way| bytes.iter().map(|byte| [way.as_slice(), &[*byte]].concat()))
                .collect();
        }
        for way in ways {
            self.insert(&way, number, 0);
        }
    }

    fn insert(&mut self, four: &[u8], word: u16, back: usize) {
        let Ok(four) = <[u8; 4]>::try_from(four) else { return };
        let bytes = u32::from_le_bytes(four) | FOLD;
        let (slot, mark) = place(bytes);
        if let Some(seen) = self.marks.get_mut(slot) {
            *seen = if [0, mark].contains(seen) { mark } else { MANY };
        }
        let number = u16::try_from(self.grams.len()).unwrap_or(NONE);
        if let Some(first) = self.heads.get_mut(head(bytes)) {
            let back = u8::try_from(back).unwrap_or(u8::MAX);
            self.grams.push(Gram { bytes, word, back, next: *first });
            *first = number;
        }
    }

    /// Every place of every word, in the order of the four bytes they were found by.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(usize, u16)) {
        let Ok(marks) = <&[u8; SLOTS]>::try_from(self.marks.as_slice()) else { return };
        for (at, four) in text.array_windows::<4>().enumerate() {
            let bytes = u32::from_le_bytes(*four) | FOLD;
            let (slot, mark) = place(bytes);
            #[expect(clippy::indexing_slicing, reason = "a slot is a number of sixteen bits")]
            let seen = marks[slot];
            if seen == mark || seen == MANY {
                self.look(text, at, bytes, &mut found);
            }
        }
    }

    #[inline(never)]
    fn look(&self, text: &[u8], at: usize, bytes: u32, found: &mut impl FnMut(usize, u16)) {
        let mut next = self.heads.get(head(bytes)).copied().unwrap_or(NONE);
        while let Some(gram) = self.grams.get(usize::from(next)) {
            next = gram.next;
            if gram.bytes != bytes {
                continue;
            }
            let Some(start) = at.checked_sub(usize::from(gram.back)) else { continue };
            let Some(word) = self.words.get(usize::from(gram.word)) else { continue };
            let here = text.get(start..start.saturating_add(word.len()));
            if here.is_some_and(|here| here.eq_ignore_ascii_case(word)) {
                found(start, gram.word);
            }
        }
    }
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
    fn words_are_found_wherever_they_stand_and_whatever_follows() {
        let mut grams = Grams::default();
        grams.add(b"key", &[]);
        for before in 0..40 {
            for after in ["é", "…", "=", "\n"] {
                let text = format!("{}KEY{after}", ".".repeat(before));
                let mut seen = Vec::new();
                grams.each(text.as_bytes(), |at, word| seen.push((at, word)));
                assert_eq!(seen, [(before, 0)], "{text}");
            }
        }
    }
}
