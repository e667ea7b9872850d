//! A stretch of text read as one number in parts: `078-05-1123`, `GB82 WEST 1234`, `AB123456C`.
//!
//! Answerable for where its words end and what they are. Bounded: a strip never reads further than the longest
//! number that anybody gives out, so each costs the same whatever the text.

use super::shape::parted_so;

/// How many characters without separators a strip holds at most.
pub(super) const LONGEST: usize = 40;
const WORDS: usize = 10;

/// Words from some start, joined by single separators.
pub(super) struct Strip {
    /// Where it starts in the text.
    pub start: usize,
    compact: [u8; LONGEST],
    length: usize,
    /// Bit n: a word ends after n characters.
    pub ends: u64,
    /// Bit n: character n is a digit.
    pub digits: u64,
    /// Bit n: character n is a letter.
    pub letters: u64,
    /// True if some letter is small.
    pub small: bool,
    // For each word: characters up to its end, its end in the text, the separator behind it (0: none).
    words: [(usize, usize, u8); WORDS],
    count: usize,
}

/// The separator at `at`, as the character that it stands for, and its length.
pub(super) fn separator(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match *bytes.get(at)? {
        byte @ (b' ' | b'-' | b'.' | b'/' | b'_' | b'+' | b'(') => Some((byte, 1)),
        // No-break space.
        0xC2 if bytes.get(at + 1) == Some(&0xA0) => Some((b' ', 2)),
        // Hyphens and dashes U+2010 to U+2015, narrow spaces U+2009 and U+202F.
        0xE2 if bytes.get(at + 1) == Some(&0x80) => match bytes.get(at + 2)? {
            0x90..=0x95 => Some((b'-', 3)),
            0x89 | 0xAF => Some((b' ', 3)),
            _ => None,
        },
        _ => None,
    }
}

impl Strip {
    /// Reads on from `start`, which is the first character of a word, for as long as some number is set apart so.
    pub(super) fn read(bytes: &[u8], start: usize) -> Self {
        let mut strip = Self {
            start,
            compact: [0; LONGEST],
            length: 0,
            ends: 0,
            digits: 0,
            letters: 0,
            small: false,
            words: [(0, 0, 0); WORDS],
            count: 0,
        };
        let mut at = start;
        while let Some(end) = strip.word(bytes, at) {
            let next = separator(bytes, end)
                .filter(|(_, length)| bytes.get(end + length).is_some_and(u8::is_ascii_alphanumeric));
            let Some(slot) = strip.words.get_mut(strip.count) else { break };
            *slot = (strip.length, end, next.map_or(0, |(byte, _)| byte));
            strip.count += 1;
            strip.ends |= 1 << strip.length;
            match next {
                Some((_, length)) if strip.is_account() || parted_so(strip.ends) => at = end + length,
                _ => break,
            }
        }
        strip
    }

    /// Whether it begins as an account number does, which people set apart as they like: two letters and two digits
    /// in one word.
    pub(super) fn is_account(&self) -> bool {
        self.letters & 0b1111 == 0b0011 && self.digits & 0b1100 == 0b1100 && self.ends & 0b1110 == 0
    }

    /// Takes in the word at `at`; nothing if it is too long to belong to a number.
    fn word(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let rest = bytes.get(at..)?;
        let (mut digits, mut letters, mut length) = (self.digits, self.letters, self.length);
        let mut taken = 0;
        for byte in rest {
            if !byte.is_ascii_alphanumeric() {
                break;
            }
            *self.compact.get_mut(length)? = byte.to_ascii_uppercase();
            let bit = 1_u64 << length;
            if byte.is_ascii_digit() {
                digits |= bit;
            } else {
                letters |= bit;
                self.small |= byte.is_ascii_lowercase();
            }
            length += 1;
            taken += 1;
            // Prose: a long word without digits ends what may be a number.
            if taken == 6 && self.count > 0 && digits == self.digits {
                return None;
            }
        }
        (self.digits, self.letters, self.length) = (digits, letters, length);
        (taken > 0).then_some(at + taken)
    }

    /// The first `length` characters without separators, in upper case.
    pub(super) fn compact(&self, length: usize) -> &[u8] {
        self.compact.get(..length.min(self.length)).unwrap_or_default()
    }

    /// The words: characters up to the end of each, its end in the text, the separator behind it or 0.
    pub(super) fn words(&self) -> &[(usize, usize, u8)] {
        self.words.get(..self.count).unwrap_or_default()
    }
}
