//! Numbers that have no form of their own, and are what their label says: a driving licence, an account.
//!
//! Answerable for a closed list of labels and for what may stand behind one: a word with digits in it. A label
//! must stand right before; a word somewhere near is not enough.

use std::sync::LazyLock;

use super::Reader;
use super::clues::{Classes, class};
use super::judge::Found;

/// What labels call a thing, and how many characters it has.
const LABELS: &[(&str, usize, usize)] = &[
    ("driver_license", 6, 20),
    ("passport", 6, 12),
    ("vehicle_plate", 4, 9),
    ("medical_record", 5, 14),
    ("health_insurance", 7, 16),
    ("national_id", 7, 18),
    ("tax_id", 7, 18),
    ("bank_account", 6, 20),
    ("company_id", 4, 14),
    ("bic", 8, 11),
];

static CLASSES: LazyLock<Vec<Classes>> =
    LazyLock::new(|| LABELS.iter().map(|(name, ..)| class(name)).collect());

static ANY: LazyLock<Classes> =
    LazyLock::new(|| CLASSES.iter().fold(Classes::default(), |all, classes| all | *classes));

impl Reader<'_, '_> {
    /// What the label before the word at `start..end` says that it is.
    pub(super) fn labelled(&mut self, start: usize, end: usize) -> Option<Found> {
        let field = self.field;
        if !self.clues.around(start, end).in_field(field).label.meets(*ANY) {
            return None;
        }
        let (start, end) = self.value(start, end)?;
        let word = self.bytes.get(start..end)?;
        let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
        let length = word.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
        let enough = digits > 4 || (digits > 1 && length > 3 && digits < length);
        if !enough || self.joined(start, end) {
            return None;
        }
        let told = self.clues.around(start, end).in_field(field);
        for ((name, least, most), classes) in LABELS.iter().zip(CLASSES.iter()) {
            let enough = digits
                >= match *name {
                    "vehicle_plate" => 2,
                    "company_id" => 5,
                    _ => 4,
                };
            if enough && (*least..=*most).contains(&length) && told.label.meets(*classes) {
                // Figures alone are less of a number than letters and figures together.
                let confidence = if told.nearest.meets(*classes) { 66 } else { 54 };
                return Some(Found { name, start, end, confidence, verified: None });
            }
        }
        None
    }

    /// The whole value: words of figures and capitals, joined by single hyphens or blanks.
    fn value(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let mut end = end;
        for _ in 0..4 {
            let next = end + 1;
            let stop = self.word_end(next);
            let Some(word) = self.bytes.get(next..stop) else { break };
            let figures =
                !word.is_empty() && word.iter().all(|it| it.is_ascii_digit() || it.is_ascii_uppercase());
            let known = word.iter().any(u8::is_ascii_digit) || word.len() <= 3;
            if !matches!(self.byte(end), b'-' | b' ' | b'.' | b'/') || !figures || !known || stop - start > 24
            {
                break;
            }
            end = stop;
        }
        // A first part of capitals: `B AB 1234`, `HRB 12345`.
        let mut start = start;
        for _ in 0..2 {
            let Some(gap) = start.checked_sub(1).filter(|at| matches!(self.byte(*at), b' ' | b'-')) else {
                break;
            };
            let before = self.bytes.get(self.floor..gap)?;
            let count = before.iter().rev().take(5).take_while(|it| it.is_ascii_uppercase()).count();
            let alone = !self.before(gap - count).is_ascii_alphanumeric();
            if !(1..=3).contains(&count) || !alone {
                break;
            }
            start = gap - count;
        }
        Some((start, end))
    }
}
