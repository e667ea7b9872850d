//! The small linear model: a weight for every hash of a word or of two words in a row, and sums over windows.
//!
//! Answerable for reading the weights that the training wrote, for sums over the last sixteen words and
//! for turning a sum into hundredths. Knows no word.

use std::collections::BTreeSet;

use super::grammar::Trigger;
use super::marks;
use super::walk::{Place, Word, alone, key_of, pair};

/// How many words a window holds.
pub const WINDOW: usize = 16;

/// Written by `make train`: the sum from which on a text has a score of 1, 2, ... 100 as little-endian `i16`,
/// then 65,536 weights as `i8`.
static WRITTEN: &[u8] = include_bytes!("../../data/injection.model");

const SCORES: usize = 100;

/// Weights and triggers in one table, so that a word costs two look-ups.
pub(super) struct Table {
    entries: Box<[Entry; 65_536]>,
    words: BTreeSet<u64>,
    pairs: BTreeSet<(u64, u64)>,
    marks: BTreeSet<u64>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    weight: i8,
    /// The [`Place::mark`] of the trigger that points here; 0 if there is none, [`MANY`] if there are several.
    trigger: u8,
}

/// No mark is even.
const MANY: u8 = 2;

impl Table {
    /// The weights, and what wakes the search.
    pub fn new(triggers: &[Trigger]) -> Self {
        let mut table = Self {
            entries: Box::new([Entry::default(); 65_536]),
            words: BTreeSet::new(),
            pairs: BTreeSet::new(),
            marks: marks::WORDS.iter().map(|word| key_of(word)).collect(),
        };
        let weights = WRITTEN.get(2 * SCORES..).unwrap_or_default();
        for (entry, weight) in table.entries.iter_mut().zip(weights) {
            entry.weight = i8::from_le_bytes([*weight]);
        }
        for (before, word) in triggers {
            for (before, word) in cases(*before, word) {
                match before {
                    None => _ = table.words.insert(word),
                    Some(before) => _ = table.pairs.insert((before, word)),
                }
            }
        }
        let words = table.words.iter().chain(&table.marks).map(|key| alone(*key));
        let pairs = table.pairs.iter().map(|(before, key)| pair(*before, *key));
        for place in words.chain(pairs).collect::<Vec<Place>>() {
            if let Some(entry) = table.entries.get_mut(usize::from(place.index)) {
                entry.trigger = if [0, place.mark].contains(&entry.trigger) { place.mark } else { MANY };
            }
        }
        table
    }

    /// A word's weight, and whether it may be a trigger.
    #[inline]
    pub fn weigh(&self, word: Word) -> (i32, bool) {
        let (one, two) = (alone(word.key), pair(word.before, word.key));
        let entry = |place: Place| self.entries.get(usize::from(place.index)).copied().unwrap_or_default();
        let wakes = |entry: Entry, place: Place| (entry.trigger == place.mark) | (entry.trigger == MANY);
        let (alone, pair) = (entry(one), entry(two));
        (i32::from(alone.weight) + i32::from(pair.weight), wakes(alone, one) | wakes(pair, two))
    }

    /// Whether it is one: some words share a place and a mark.
    #[cold]
    pub fn triggers(&self, word: Word) -> bool {
        self.words.contains(&word.key) || self.pairs.contains(&(word.before, word.key))
    }

    /// Whether it may be part of a mark.
    #[cold]
    pub fn marks(&self, text: &str, word: Word) -> bool {
        marks::worth(text, word.at) && self.marks.contains(&word.key)
    }
}

/// The keys of a trigger in lower case, with a capital, and in capitals. Keys fold the case of ASCII; beyond it
/// a word is written as it is.
fn cases(before: Option<&str>, word: &str) -> Vec<(Option<u64>, u64)> {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    let lower = (before.map(key_of), key_of(word));
    if word.is_ascii() && before.is_none_or(str::is_ascii) {
        return vec![lower];
    }
    let first = match before {
        None => (None, key_of(&capital(word))),
        Some(before) => (Some(key_of(&capital(before))), key_of(word)),
    };
    let titled = (before.map(|it| key_of(&capital(it))), key_of(&capital(word)));
    let upper = (before.map(|it| key_of(&it.to_uppercase())), key_of(&word.to_uppercase()));
    vec![lower, first, titled, upper]
}

/// The sum of the last words' weights.
#[derive(Default)]
pub(super) struct Sum {
    weights: [i32; WINDOW],
    places: [usize; WINDOW],
    words: usize,
    now: i32,
}

impl Sum {
    /// Takes a word in; the sum of the window, once it is full.
    #[inline]
    pub fn add(&mut self, weight: i32, at: usize) -> Option<i32> {
        let slot = self.words % WINDOW;
        self.words = self.words.wrapping_add(1);
        // Sums of thirty-two bytes at most: nothing wraps.
        if let Some(oldest) = self.weights.get_mut(slot) {
            self.now = self.now.wrapping_add(weight).wrapping_sub(*oldest);
            *oldest = weight;
        }
        if let Some(place) = self.places.get_mut(slot) {
            *place = at;
        }
        (self.words >= WINDOW).then_some(self.now)
    }

    /// What a text that fills no window comes to; absent if it filled one.
    pub fn short(&self) -> Option<i32> {
        (self.words < WINDOW).then(|| self.now * i32::from(share(self.words)) / 64)
    }

    /// From the first byte of the oldest word to the first byte of the newest, which is at `at`.
    pub fn window(&self, at: usize) -> std::ops::Range<usize> {
        self.places.get(self.words % WINDOW).copied().unwrap_or_default()..at
    }
}

/// What a word counts in a text of so many, in sixty-fourths: the square root of how many there might be for
/// each there is, at most two and a half.
pub(super) fn share(words: usize) -> u8 {
    const SHARES: [u8; WINDOW] = [128, 128, 128, 128, 128, 114, 104, 96, 90, 85, 80, 77, 73, 71, 68, 66];
    SHARES.get(words).copied().unwrap_or(64)
}

/// The sums for each score, from 1 on.
fn steps() -> impl Iterator<Item = i32> {
    let (pairs, _) = WRITTEN.as_chunks::<2>();
    pairs.iter().take(SCORES).map(|pair| i32::from(i16::from_le_bytes(*pair)))
}

/// The sum from which on a text has a score.
pub(super) fn threshold(score: u8) -> i32 {
    steps().nth(usize::from(score).saturating_sub(1)).unwrap_or(i32::MAX)
}

/// A sum as a score from 0 to 100.
pub(super) fn calibrated(sum: i32) -> u8 {
    steps().take_while(|step| sum >= *step).fold(0, |score, _| score + 1)
}
