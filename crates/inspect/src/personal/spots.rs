//! Where in a text something may be: the one loop that sees every byte.
//!
//! Answerable for finding the next digit, colon or `@`, and the next title of a person, as fast as memory is
//! read. Knows nothing of what stands there.

use std::sync::LazyLock;

use aho_corasick::packed::{Config, MatchKind, Searcher};

const BLOCK: usize = 32;

/// The next byte at or after `from` that is a digit, a colon or an `@`.
pub(super) fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    if rest.first().is_some_and(|byte| is_spot(*byte)) {
        return Some(from);
    }
    let mut at = from;
    let mut blocks = rest.chunks_exact(BLOCK);
    for block in &mut blocks {
        if block.iter().fold(false, |any, byte| any | is_spot(*byte)) {
            return Some(at + block.iter().position(|byte| is_spot(*byte)).unwrap_or(0));
        }
        at += BLOCK;
    }
    blocks.remainder().iter().position(|byte| is_spot(*byte)).map(|more| at + more)
}

/// Digits and the colon stand next to each other.
#[inline(always)]
fn is_spot(byte: u8) -> bool {
    (byte.wrapping_sub(b'0') < 11) | (byte == b'@')
}

/// What stands before a person's name. Few and long enough to be looked for all at once.
const TITLES: &[&str] = &[
    "Mr.",
    "Mr ",
    "Mrs",
    "Ms.",
    "Ms ",
    "Miss ",
    "Dr.",
    "Dr ",
    "Prof",
    "Dear ",
    "Herr ",
    "Herrn ",
    "Frau ",
    "Monsieur ",
    "Madame ",
    "Señor",
    "Signor",
    "Senhor",
    "name is ",
    "name's ",
    "Sincerely",
    "Regards",
    "regards",
    "Name is ",
];

static FINDER: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
    builder.extend(TITLES);
    builder.build()
});

/// Where titles stand, in order: start and end of each.
pub(super) fn titles(bytes: &[u8]) -> Vec<(usize, usize)> {
    let Some(finder) = FINDER.as_ref() else { return Vec::new() };
    finder.find_iter(bytes).map(|found| (found.start(), found.end())).collect()
}
