//! The one fast pass over a text: its words, as hashes.
//!
//! Answerable for where words begin, how each is hashed, alone and with the word before it, and for telling
//! letters that are written one by one. Knows neither what a word means nor what is done with it.
//!
//! A word is a run of letters, digits and bytes beyond ASCII; one character of a script without spaces (kana,
//! Chinese characters, Hangul) is a word. Its key is its first eight bytes in lower case, so that
//! `instruction` and `instructions` are one. There is no branch on what a byte is: sixty-four bytes at a time
//! become a mask, and only words are looked at one by one. That keeps it under a nanosecond a byte.

use crate::bits::{WIDTH, blocks, mask, rest};

/// A word as the model and the triggers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its first byte, counted from the start of the text.
    pub at: usize,
    /// Its first eight bytes in lower case, first byte lowest.
    pub key: u64,
    /// The key of the word before it; 0 for the first.
    pub before: u64,
}

/// A hash: where it points in a table of 65,536, and a byte that tells most of what points to the same place
/// apart; always odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The index.
    pub index: u16,
    /// The byte.
    pub mark: u8,
}

/// The hash of a word.
#[inline]
pub(super) fn alone(key: u64) -> Place {
    place(key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The hash of two words in a row.
#[inline]
pub(super) fn pair(before: u64, key: u64) -> Place {
    let mixed = before.rotate_left(29).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ key;
    place(mixed.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
}

#[inline]
fn place(product: u64) -> Place {
    let [.., mark, _, _] = product.to_le_bytes();
    Place { index: u16::try_from(product >> 48).unwrap_or_default(), mark: mark | 1 }
}

/// The key of a word that is already in lower case.
pub(super) fn key_of(word: &str) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(word.bytes()) {
        *to = from | 0x20;
    }
    u64::from_le_bytes(bytes)
}

/// Calls `word` with every word in order, and `spelled` with the start of every block of 64 bytes that holds
/// many letters standing alone or next to digits.
#[inline]
pub(super) fn walk(text: &str, mut word: impl FnMut(Word), mut spelled: impl FnMut(usize)) {
    let bytes = text.as_bytes();
    let mut edges = Edges::default();
    let rest = rest(bytes);
    let beyond = Block { stops: u64::MAX, ..Block::default() };
    let mut all = blocks(bytes, &rest).map(|block| edges.of(block)).chain([beyond]);
    let mut now = all.next().unwrap_or_default();
    let mut base = 0;
    let mut before = 0;
    for next in all {
        if now.lonely.count_ones() >= 14 || now.mixed.count_ones() >= 6 {
            spelled(base);
        }
        let mut padded = [0; REACH];
        let here = reach(bytes, base, &mut padded);
        let mut starts = now.starts;
        while starts != 0 {
            let offset = starts.trailing_zeros();
            starts &= starts - 1;
            let stops = (now.stops >> offset >> 1) | (next.stops << (63 - offset));
            let longer = stops.trailing_zeros().min(7) as usize;
            let far = offset as usize;
            let eight = here.get(far..far + 8).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
            let kept = KEPT.get(longer).copied().unwrap_or_default();
            let key = (u64::from_le_bytes(eight) | 0x2020_2020_2020_2020) & kept;
            word(Word { at: base + far, key, before });
            before = key;
        }
        now = next;
        base += WIDTH;
    }
}

/// A block and what the last word in it may reach into.
const REACH: usize = WIDTH + 8;

/// The bytes from `at`, zeros beyond the end.
#[inline]
fn reach<'b>(bytes: &'b [u8], at: usize, padded: &'b mut [u8; REACH]) -> &'b [u8; REACH] {
    let here = bytes.get(at..).unwrap_or_default();
    if let Some(whole) = here.first_chunk() {
        return whole;
    }
    for (to, from) in padded.iter_mut().zip(here) {
        *to = *from;
    }
    padded
}

/// What a key keeps of eight bytes where the word is so much longer than one.
const KEPT: [u64; 8] = [
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Where words begin and end within 64 bytes, one bit a byte.
#[derive(Clone, Copy, Default)]
struct Block {
    starts: u64,
    /// Bytes that the word before them does not hold: separators, and starts of other words.
    stops: u64,
    /// Letters that are words of their own.
    lonely: u64,
    /// Letters after digits and digits after letters.
    mixed: u64,
}

/// What the blocks before leave over for the next.
#[derive(Default)]
struct Edges {
    word: u64,
    single: u64,
    hole: u64,
}

impl Edges {
    #[inline]
    fn of(&mut self, block: &[u8; WIDTH]) -> Block {
        let digit = mask(block, |byte| byte.is_ascii_digit());
        let mut word =
            mask(block, |byte| (byte | 0x20).is_ascii_lowercase() | byte.is_ascii_digit() | (byte > 0x7f));
        let mut single = 0;
        let follows = self.single;
        let hole = self.hole;
        (self.single, self.hole) = (0, 0);
        let wide = block.iter().fold(0, |all, byte| all | byte);
        if wide > 0x7f || follows | hole != 0 {
            (word, single) = self.beyond_ascii(block, word, hole);
        }
        let fresh = word & !((word << 1) | self.word);
        let starts = fresh | single | (((single << 3) | follows) & word);
        let lonely = fresh & !(word >> 1) & !(1 << 63) & !single;
        self.word = word >> 63;
        let letter = word & !digit;
        let mixed = (digit & (letter << 1)) | (letter & (digit << 1));
        Block { starts, stops: !word | starts, lonely, mixed }
    }

    /// Takes punctuation beyond ASCII (`C2 xx`, `E2 xx xx`) out of the words, and finds the characters that are
    /// words of their own: those that begin with `E3` to `ED`.
    #[cold]
    fn beyond_ascii(&mut self, block: &[u8; WIDTH], word: u64, hole: u64) -> (u64, u64) {
        let two = mask(block, |byte| byte == 0xc2);
        let three = mask(block, |byte| byte == 0xe2);
        let single = mask(block, |byte| (0xe3..=0xed).contains(&byte));
        let holes = two | (two << 1) | three | (three << 1) | (three << 2) | hole;
        self.hole = (two >> 63) | (three >> 63) | (three >> 62);
        self.single = single >> 61;
        (word & !holes, single)
    }
}

#[cfg(test)]
mod tests {
    use super::{Word, key_of, walk};

    fn words(text: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let each = |word: Word| {
            let bytes: Vec<u8> = word.key.to_le_bytes().into_iter().take_while(|byte| *byte != 0).collect();
            found.push((word.at, String::from_utf8_lossy(&bytes).into_owned()));
        };
        walk(text, each, |_| ());
        found
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_and_known_by_their_first_eight_bytes() {
        let found: Vec<String> =
            words("Ignore, the instructions of\n\n2024!").into_iter().map(|it| it.1).collect();
        assert_eq!(found, ["ignore", "the", "instruct", "of", "2024"]);
        assert_eq!(words(""), []);
        assert_eq!(words("  --  "), []);
    }

    #[test]
    fn a_word_is_the_same_wherever_it_stands() {
        for before in 0..200 {
            let text = format!("{}previously{}", "-".repeat(before), " ".repeat(before % 7));
            assert_eq!(words(&text), [(before, "previous".to_owned())], "after {before}");
        }
        let far: Vec<(usize, String)> = words(&"ab cd ".repeat(500));
        assert!(far.iter().enumerate().all(|(n, (at, word))| *at == 3 * n && word == ["ab", "cd"][n % 2]));
    }

    #[test]
    fn quotes_beyond_ascii_are_no_letters_and_every_chinese_character_is_a_word() {
        for before in 0..70 {
            let text = format!("{}\u{201c}ignore\u{201d} \u{a0}x", ".".repeat(before));
            let found: Vec<String> = words(&text).into_iter().map(|it| it.1).collect();
            assert_eq!(found, ["ignore", "x"], "after {before}");
            let text = format!("{}忽略abc", ".".repeat(before));
            let found: Vec<usize> = words(&text).into_iter().map(|it| it.0 - before).collect();
            assert_eq!(found, [0, 3, 6], "after {before}");
        }
    }

    #[test]
    fn letters_written_one_by_one_are_told() {
        let mut told = 0;
        walk(&"i g n o r e a l l ".repeat(8), |_| (), |_| told += 1);
        assert!(told > 0);
        walk(&"It is a good plan to ignore it. ".repeat(8), |_| (), |at| panic!("{at}"));
    }

    #[test]
    fn a_key_is_what_the_pass_makes_of_the_word() {
        walk("Ignoring", |word| assert_eq!(word.key, key_of("ignoring")), |_| ());
        walk("nicht", |word| assert_eq!(word.key, key_of("nicht")), |_| ());
    }
}
