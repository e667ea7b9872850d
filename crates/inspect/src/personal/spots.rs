//! Where in a text something may be: digits, colons, signs of addresses, and titles of persons.
//!
//! Answerable for which bytes and which words these are. Knows nothing of what stands there.

use crate::glance::Places;

/// Whether something may stand here: a digit, a colon or an `@`. Digits and the colon stand next to each other.
#[inline(always)]
pub(super) fn is_spot(byte: u8) -> bool {
    (byte.wrapping_sub(b'0') < 11) | (byte == b'@')
}

/// What stands before a person's name.
pub(crate) const TITLES: &[&str] = &[
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

/// Where titles begin and end, in order and none within another; `places` are those that were seen.
pub(super) fn titles(places: &Places) -> Vec<(usize, usize)> {
    let mut free = 0;
    let mut titles = Vec::new();
    for (start, number) in places {
        let (Ok(start), Some(title)) = (usize::try_from(*start), TITLES.get(usize::from(*number))) else {
            continue;
        };
        if start < free {
            continue;
        }
        free = start + title.len();
        titles.push((start, free));
    }
    titles
}
