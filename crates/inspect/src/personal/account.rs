//! International bank account numbers, and the codes of banks.
//!
//! Answerable for the countries that have them, their lengths and structures, and the remainder of 97.

use std::sync::LazyLock;

use super::Reader;
use super::checksum::mod97;
use super::clues::class;
use super::judge::Found;
use super::strip::Strip;

const TABLE: &str = include_str!("../../data/personal_ibans.tsv");

/// Countries in order, each with what follows its two check digits.
static COUNTRIES: LazyLock<Vec<(&'static [u8], &'static [u8])>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut all: Vec<_> =
        lines.filter_map(|line| line.split_once('\t')).map(|(a, b)| (a.as_bytes(), b.as_bytes())).collect();
    all.sort_unstable();
    all
});

impl Reader<'_, '_> {
    /// The account number that a strip begins with.
    pub(super) fn account(&mut self, strip: &Strip) -> Option<Found> {
        if !strip.is_account() {
            return None;
        }
        let head = strip.compact(2);
        let at = COUNTRIES.binary_search_by(|(country, _)| (*country).cmp(head)).ok()?;
        let (_, structure) = COUNTRIES.get(at)?;
        let length = structure.len() + 4;
        let (_, end, _) = *strip.words().iter().find(|(chars, ..)| *chars == length)?;
        let body = strip.compact(length).get(4..)?;
        let fits = body.len() == structure.len()
            && body.iter().zip(*structure).all(|(byte, class)| match class {
                b'9' => byte.is_ascii_digit(),
                b'A' => byte.is_ascii_alphabetic(),
                _ => true,
            });
        if !fits || self.joined(strip.start, end) {
            return None;
        }
        let whole = body.iter().chain(strip.compact(4));
        if mod97(whole) == 1 {
            let confidence = if body.iter().all(|byte| *byte == b'0') { 20 } else { 96 };
            return Some(Found { name: "iban", start: strip.start, end, confidence, verified: Some(true) });
        }
        let field = self.field;
        let told = self.clues.around(strip.start, end).in_field(field);
        let labelled = told.label.meets(class("iban"));
        labelled.then_some(Found {
            name: "iban",
            start: strip.start,
            end,
            confidence: 60,
            verified: Some(false),
        })
    }
}
