//! One glance at a text: where the words stand that detectors stop at.
//!
//! Answerable for looking for the words of all detectors in one pass, and for handing each its own. What stands
//! at a word is for the detector to find out.

mod grams;

use std::sync::LazyLock;

pub(crate) use grams::Grams;

use crate::personal::TITLES;
use crate::secret;
use crate::trace::ANCHORS;

/// Where words of one detector stand: the place and the word's number. Small, for there may be one at every byte.
pub(crate) type Places = Vec<(u32, u16)>;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Glance {
    /// Words of secrets, in the order in which they are met.
    pub secrets: Places,
    /// Titles of persons, by where they begin; of those at one place the first of the list first.
    pub titles: Places,
    /// Anchors of traces, likewise.
    pub anchors: Places,
}

struct Words {
    grams: Grams,
    /// How many words are secrets'; then come titles, then anchors.
    secrets: usize,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut grams = Grams::default();
    let secrets = secret::anchors();
    for (word, follows) in &secrets {
        grams.add(word, follows);
    }
    for word in TITLES.iter().chain(ANCHORS) {
        grams.add(word.to_ascii_lowercase().as_bytes(), &[]);
    }
    Words { grams, secrets: secrets.len() }
});

/// Looks for all words, in any case where secrets' and in the case that they are written in where the others'.
pub(crate) fn glance(text: &str) -> Glance {
    let mut glance = Glance::default();
    let words = &*WORDS;
    let bytes = text.as_bytes();
    words.grams.each(bytes, |at, word| {
        let Some(other) = usize::from(word).checked_sub(words.secrets) else {
            return glance.secrets.push((at, word));
        };
        let (list, places, number) = match other.checked_sub(TITLES.len()) {
            None => (TITLES, &mut glance.titles, other),
            Some(number) => (ANCHORS, &mut glance.anchors, number),
        };
        let here = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        if list.get(number).is_some_and(|word| here.starts_with(word.as_bytes())) {
            places.push((at, u16::try_from(number).unwrap_or(u16::MAX)));
        }
    });
    glance.titles.sort_unstable();
    glance.anchors.sort_unstable();
    glance
}
