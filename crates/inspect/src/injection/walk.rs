//! The one fast pass over a text: its words, as hashes.
//!
//! Answerable for where words begin, how each is hashed, alone and with the word before it, and for telling
//! letters that are written one by one. Knows neither what a word means nor what is done with it.
//!
//! A word is a run of letters, digits and bytes beyond ASCII; one character of a script without spaces (kana,
//! Chinese characters, Hangul) is a word. Its key is its first eight bytes in lower case, so that
//! `instruction` and `instructions` are one. There is no branch on what a byte is: sixty-four bytes at a time
//! become a mask, and only words are looked at one by one. That keeps it under a nanosecond a byte.

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
/// apart; never 0 or 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The index.
    pub index: u16,
    /// The byte.
    pub mark: u8,
}

/// The hash of a word.
#[inline]
pub(super) const fn alone(key: u64) -> Place {
    place(key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The hash of two words in a row.
#[inline]
pub(super) const fn pair(before: u64, key: u64) -> Place {
    let mixed = before.rotate_left(29).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ key;
    place(mixed.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
}

#[inline]
const fn place(product: u64) -> Place {
    let [.., mark, low, high] = product.to_le_bytes();
    Place { index: u16::from_le_bytes([low, high]), mark: (mark & 0x7f) + 1 }
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
    let (blocks, rest) = bytes.as_chunks::<64>();
    let mut last = [0; 64];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let mut edges = Edges::default();
    let mut all = blocks.iter().chain([&last, &[0; 64]]).map(|block| edges.of(block));
    let mut now = all.next().unwrap_or_default();
    let mut base = 0;
    let mut before = 0;
    for next in all {
        if now.lonely.count_ones() >= 14 || now.mixed.count_ones() >= 6 {
            spelled(base);
        }
        let stops = u128::from(now.stops) | (u128::from(next.stops) << 64);
        let mut starts = now.starts;
        while starts != 0 {
            let offset = starts.trailing_zeros();
            starts &= starts - 1;
            let length = (stops >> (offset + 1)).trailing_zeros().min(7) + 1;
            let at = base + offset as usize;
            let key = (eight(bytes, at) | 0x2020_2020_2020_2020) & (u64::MAX >> (64 - 8 * length));
            word(Word { at, key, before });
            before = key;
        }
        now = next;
        base += 64;
    }
}

/// The eight bytes from `at`; zeros beyond the end.
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    }
}

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

const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The same byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

impl Edges {
    #[inline]
    fn of(&mut self, block: &[u8; 64]) -> Block {
        let (words, _) = block.as_chunks::<8>();
        let (mut word, mut digit) = (0, 0);
        let mut wide = 0;
        for (index, eight) in words.iter().enumerate() {
            let eight = u64::from_le_bytes(*eight);
            wide |= eight;
            let low = eight & !HIGHS;
            let letter = low | each(0x20);
            let is_letter = (letter + each(0x80 - b'a')) & !(letter + each(0x80 - b'z' - 1));
            let is_digit = (low + each(0x80 - b'0')) & !(low + each(0x80 - b'9' - 1));
            digit |= gather(is_digit & !eight & HIGHS) << (8 * index);
            word |= gather((is_letter | is_digit | eight) & HIGHS) << (8 * index);
        }
        let mut single = 0;
        let follows = self.single;
        let hole = self.hole;
        (self.single, self.hole) = (0, 0);
        if wide & HIGHS != 0 || follows | hole != 0 {
            (word, single) = self.beyond_ascii(words, word, hole);
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
    fn beyond_ascii(&mut self, words: &[[u8; 8]], word: u64, hole: u64) -> (u64, u64) {
        let (mut two, mut three, mut single) = (0, 0, 0);
        for (index, eight) in words.iter().enumerate() {
            let eight = u64::from_le_bytes(*eight);
            let low = eight & !HIGHS;
            let is = |byte: u8| !((((eight ^ each(byte)) & !HIGHS) + !HIGHS) | (eight ^ each(byte))) & HIGHS;
            let is_single = eight & (low + each(0x80 - 0x63)) & !(low + each(0x80 - 0x6e)) & HIGHS;
            two |= gather(is(0xc2)) << (8 * index);
            three |= gather(is(0xe2)) << (8 * index);
            single |= gather(is_single) << (8 * index);
        }
        let holes = two | (two << 1) | three | (three << 1) | (three << 2) | hole;
        self.hole = (two >> 63) | (three >> 63) | (three >> 62);
        self.single = single >> 61;
        (word & !holes, single)
    }
}

/// The highest bit of each of eight bytes, as eight bits, first byte lowest.
#[inline]
const fn gather(highs: u64) -> u64 {
    (highs >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
