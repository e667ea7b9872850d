//! Phrases of a table at the places where words begin, whatever their capitals.
//!
//! Answerable for telling in a few instructions that none begins at a place, which is so at most. Knows neither
//! what a phrase means nor where a word begins.

const BUCKETS: usize = 1 << 14;
/// Four bits for each bucket, so that most places are told by them alone.
const BITS: usize = 1 << 16;

/// The phrases, by their first bytes.
pub(super) struct Phrases {
    /// By the first byte: the length of the shortest key of a phrase that begins with it; 0: there is none.
    first: [u8; 256],
    /// By a longer hash of the same bytes: whether there is a phrase.
    known: Vec<u64>,
    /// By a hash of three bytes, or of as many as there are: the numbers of phrases.
    buckets: Vec<Vec<usize>>,
    phrases: Vec<String>,
}

impl Phrases {
    /// Phrases are numbered as they come. Letters of ASCII count in either case.
    pub(super) fn of(phrases: Vec<String>) -> Self {
        let mut all = Self {
            first: [0; 256],
            known: vec![0; BITS / 64],
            buckets: std::iter::repeat_n(Vec::new(), BUCKETS).collect(),
            phrases: Vec::new(),
        };
        for (number, phrase) in phrases.iter().enumerate() {
            let length = phrase.len().min(3);
            let Some((key, first)) = key(phrase.as_bytes(), length).zip(phrase.bytes().next()) else {
                continue;
            };
            let (bucket, word, bit) = place(key);
            if let Some((bucket, word)) = all.buckets.get_mut(bucket).zip(all.known.get_mut(word)) {
                bucket.push(number);
                *word |= bit;
            }
            for first in [first.to_ascii_lowercase(), first.to_ascii_uppercase()] {
                if let Some(shortest) = all.first.get_mut(usize::from(first)) {
                    let length = u8::try_from(length).unwrap_or(3);
                    *shortest = if *shortest == 0 { length } else { length.min(*shortest) };
                }
            }
        }
        all.phrases = phrases;
        all
    }

    /// Whether a phrase may begin with the byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        self.first.get(usize::from(byte)).is_some_and(|shortest| *shortest > 0)
    }

    /// Calls `found` with every phrase that `text` begins with: its number and its length.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let first = text.first().map_or(0, |first| usize::from(*first));
        let shortest = self.first.get(first).copied().filter(|shortest| *shortest > 0).unwrap_or(4);
        for length in usize::from(shortest)..4 {
            let Some(key) = key(text, length) else { break };
            let (bucket, word, bit) = place(key);
            if self.known.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            for number in self.buckets.get(bucket).into_iter().flatten() {
                let Some(phrase) = self.phrases.get(*number).map(String::as_bytes) else { continue };
                // A phrase of one or two bytes is in no bucket but its own.
                let own = phrase.len() == length || (phrase.len() > 3 && length == 3);
                if own && text.get(..phrase.len()).is_some_and(|here| here.eq_ignore_ascii_case(phrase)) {
                    found(*number, phrase.len());
                }
            }
        }
    }
}

/// The first bytes in lower case, with how many they are; absent if there are not so many.
fn key(text: &[u8], length: usize) -> Option<u32> {
    let mut key = [0; 4];
    for (to, from) in key.iter_mut().zip(text.get(..length)?) {
        *to = from.to_ascii_lowercase();
    }
    let [a, b, c, _] = key;
    Some(u32::from_le_bytes([a, b, c, u8::try_from(length).ok()?]))
}

/// A bucket, and where its bit is: a word and a mask.
fn place(key: u32) -> (usize, usize, u64) {
    let hash = usize::try_from(key.wrapping_mul(0x9E37_79B1) >> 16).unwrap_or_default() % BITS;
    (hash / (BITS / BUCKETS), hash / 64, 1 << (hash % 64))
}

#[cfg(test)]
mod tests {
    use super::Phrases;

    #[test]
    fn every_phrase_that_a_text_begins_with_is_told() {
        let phrases = ["v", "ID", "id no", "ssn", "né le", "idaho"].map(str::to_owned).to_vec();
        let phrases = Phrases::of(phrases);
        let told = |text: &str| {
            let mut told = Vec::new();
            phrases.each(text.as_bytes(), |number, length| told.push((number, length)));
            told.sort_unstable();
            told
        };
        assert_eq!(told("Id No 3"), [(1, 2), (2, 5)]);
        assert_eq!(told("V"), [(0, 1)]);
        assert_eq!(told("vid"), [(0, 1)]);
        assert_eq!(told("SSN"), [(3, 3)]);
        assert_eq!(told("né le 3."), [(4, 6)]);
        assert_eq!(told("né"), []);
        assert_eq!(told(""), []);
        assert!(phrases.may_begin(b'S') && phrases.may_begin(b's') && !phrases.may_begin(b'x'));
    }
}
