//! Personal data in texts: addresses to write or call, numbers of cards, accounts and papers, and, where a
//! label says so, names and places.
//!
//! Answerable for one pass over a text that stops only where something may be: a digit, an `@`, a colon. What
//! stands there is asked of the modules below; the surest answer becomes a hit. Knows no policy: whether an
//! address may leave is not decided here.

mod account;
mod americas;
mod asia;
mod checksum;
mod clues;
mod dates;
mod email;
mod europe_east;
mod europe_west;
mod goods;
mod judge;
mod labelled;
mod network;
mod person;
mod phone;
mod phrases;
mod place;
mod plan;
mod shape;
mod spots;
mod strip;
mod wallet;

use std::borrow::Cow;

use verdict::Risk;

use crate::Hit;
use crate::bits::{WIDTH, blocks, mask, rest};
use crate::glance::{Places, glance};
use clues::{Classes, Clues};
use judge::{Found, surer};
use shape::SHORTEST;
pub(crate) use spots::TITLES;
use strip::Strip;

/// What is looked for, and how sure it must be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose national numbers are looked for.
    pub locales: Locales,
    /// How sure a finding must be, in hundredths: 50 leaves out what only might be one.
    pub least: u8,
    /// The name of the field that the text is the value of, if it is one: `ssn`, `phone_number`.
    pub field: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { locales: Locales::all(), least: 50, field: String::new() }
    }
}

/// The countries whose national numbers are looked for. What is the same everywhere is always looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locales(Option<Vec<String>>);

impl Locales {
    /// All of them.
    pub fn all() -> Self {
        Self(None)
    }

    /// These, by their two letters (`de`, `us`; `uk` and `gb` are the same).
    ///
    /// # Errors
    /// A sentence that names the first code for which there are no numbers.
    pub fn of(codes: &[&str]) -> Result<Self, String> {
        let mut kept = Vec::new();
        for code in codes {
            let small = code.trim().to_ascii_lowercase();
            let small = if small == "gb" { "uk".to_owned() } else { small };
            if !shape::tables().any(|row| row.land == small) {
                return Err(format!("no national numbers are known for `{code}`"));
            }
            kept.push(small);
        }
        Ok(Self(Some(kept)))
    }

    fn allows(&self, land: &str) -> bool {
        self.0.as_ref().is_none_or(|kept| land == "xx" || kept.iter().any(|it| it == land))
    }
}

/// Finds all personal data in `text`. Spans are in bytes of it; hits come in order and do not overlap.
pub fn find(text: &str, hits: &mut Vec<Hit>) {
    find_in(text, &Settings::default(), hits);
}

/// Finds personal data in `text`, as `settings` say.
pub fn find_in(text: &str, settings: &Settings, hits: &mut Vec<Hit>) {
    find_at(text, settings, &glance(text).titles, hits);
}

/// Finds personal data in `text`, where titles were seen at `titles`.
pub(crate) fn find_at(text: &str, settings: &Settings, titles: &Places, hits: &mut Vec<Hit>) {
    let field = if settings.field.is_empty() { Classes::default() } else { Clues::in_name(&settings.field) };
    let start = text.len() - text.trim_start().len();
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        settings,
        field,
        clues: Clues::of(text),
        floor: 0,
        whole: (start, start + text.trim().len()),
        hits,
    };
    let first = reader.hits.len();
    reader.read();
    reader.titles(titles);
    if let Some(new) = hits.get_mut(first..) {
        new.sort_by_key(|hit| hit.span.start);
    }
}

/// One text while it is read.
struct Reader<'t, 'h> {
    text: &'t str,
    bytes: &'t [u8],
    settings: &'t Settings,
    /// What the field's name tells.
    field: Classes,
    clues: Clues<'t>,
    /// Nothing before this is looked at again.
    floor: usize,
    /// The text without the white space around it.
    whole: (usize, usize),
    hits: &'h mut Vec<Hit>,
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        let mut at = 0;
        let rest = rest(self.bytes);
        for (number, block) in blocks(self.bytes, &rest).enumerate() {
            let mut spots = mask(block, spots::is_spot);
            while spots != 0 {
                let spot = number * WIDTH + spots.trailing_zeros() as usize;
                spots &= spots - 1;
                if spot >= at {
                    at = self.spot(spot, at).max(spot + 1);
                }
            }
        }
    }

    /// Asks what stands at `spot`; nothing from `from` on was before it. Returns where to read on.
    fn spot(&mut self, spot: usize, from: usize) -> usize {
        match self.byte(spot) {
            b'@' => self.at_sign(spot),
            b':' => self.colon(spot),
            _ => self.digit(spot, from),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    fn take(&mut self, found: Option<Found>) -> Option<usize> {
        let found = found.filter(|it| it.confidence >= self.settings.least && it.start >= self.floor)?;
        self.floor = found.end;
        self.hits.push(Hit {
            kind: "personal_data",
            name: Cow::Borrowed(found.name),
            span: found.start..found.end,
            severity: severity(found.name),
            confidence: found.confidence,
            verified: found.verified,
        });
        Some(found.end)
    }

    fn at_sign(&mut self, spot: usize) -> usize {
        let found = self.email(spot);
        self.take(found).unwrap_or(spot + 1)
    }

    fn colon(&mut self, spot: usize) -> usize {
        let found = self.colons(spot);
        if let Some(end) = self.take(found) {
            return end;
        }
        let found = self.field_value(spot);
        self.take(found).unwrap_or(spot + 1)
    }

    /// People by how they are addressed. What was found by figures stays.
    fn titles(&mut self, places: &Places) {
        let titles = spots::titles(places);
        if titles.is_empty() {
            return;
        }
        // What was found by the places where it begins, each with how far anything before it reaches.
        let mut taken: Vec<(usize, usize)> =
            self.hits.iter().map(|hit| (hit.span.start, hit.span.end)).collect();
        taken.sort_unstable();
        let mut far = 0;
        for (_, end) in &mut taken {
            far = far.max(*end);
            *end = far;
        }
        let mut last = 0;
        for (start, end) in titles {
            if let Some(found) = self.titled_name(start, end).filter(|it| it.start >= last) {
                last = found.end;
                let before = taken.partition_point(|(start, _)| *start < found.end);
                let reaches = before.checked_sub(1).and_then(|at| taken.get(at));
                if reaches.is_none_or(|(_, end)| *end <= found.start) {
                    self.floor = 0;
                    self.take(Some(found));
                }
            }
        }
    }

    /// A word with a digit in it at `spot`; none before `from` is. Returns where to read on.
    fn digit(&mut self, spot: usize, from: usize) -> usize {
        let start = self.word_start(spot, from.max(self.floor));
        let end = self.word_end(spot);
        if end - start > 128 {
            return end;
        }
        if let Some(skip) = self.no_number(start, end) {
            return skip;
        }
        let mut best = self.address_of_machine(start, end);
        if best.as_ref().is_none_or(|it| it.confidence < 80) {
            best = surer(best, self.wallet(start, end));
            // No number of the tables is shorter.
            if end - start >= SHORTEST || self.leads_on(end) {
                let strip = Strip::read(self.bytes, start);
                best = surer(best, self.account(&strip));
                best = surer(best, self.numbers(&strip));
            }
            best = surer(best, self.led(start, end));
            // A number that is called has seven digits, and a part of it that stands alone is followed by more.
            if end - start > 6 || self.goes_on(end) {
                best = surer(best, self.phone(start));
            }
            if end - start < 5 {
                best = surer(best, self.birthday(start));
            }
            if best.as_ref().is_none_or(|it| it.confidence < 70) {
                if end - start > 4 || self.goes_on(end) || self.holds_letter(start, end) {
                    best = surer(best, self.labelled(start, end));
                }
                best = surer(best, self.place(start, end));
            }
        }
        self.take(best).unwrap_or(end)
    }

    /// Whether more digits follow what ends at `end`, separators between.
    fn goes_on(&self, end: usize) -> bool {
        let next = self.bytes.get(end..end + 4).or_else(|| self.bytes.get(end..)).unwrap_or_default();
        let mut more = next.iter().skip_while(|byte| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')'));
        more.next().is_some_and(|byte| byte.is_ascii_digit() || *byte > 0x7F)
    }

    /// Whether the word that ends at `end` may be the first of a number in parts.
    fn leads_on(&self, end: usize) -> bool {
        strip::separator(self.bytes, end)
            .is_some_and(|(_, length)| self.byte(end + length).is_ascii_alphanumeric())
    }

    /// Whether the word at `start..end` has letters, or capitals right before it.
    fn holds_letter(&self, start: usize, end: usize) -> bool {
        let word = self.bytes.get(start.saturating_sub(2)..end).unwrap_or_default();
        word.iter().any(u8::is_ascii_uppercase) && end - start > 1
    }

    /// A number whose first part is letters, which stand before the first digit.
    fn led(&mut self, start: usize, end: usize) -> Option<Found> {
        let gap = start.checked_sub(1).filter(|at| matches!(self.byte(*at), b' ' | b'-' | b'.'))?;
        let letters = self.bytes.get(self.floor..gap)?.iter().rev().take_while(|it| it.is_ascii_alphabetic());
        let count = letters.take(5).count();
        let short = count + (end - start) < SHORTEST && !self.leads_on(end);
        if count == 0 || count > 4 || short {
            return None;
        }
        let strip = Strip::read(self.bytes, gap - count);
        let found = self.numbers(&strip).filter(|it| it.end > start);
        surer(found, self.account(&strip).filter(|it| it.end > start))
    }

    /// What is certainly no number: a UUID, a word that goes on in an address.
    fn no_number(&self, start: usize, end: usize) -> Option<usize> {
        if end - start == 8 && self.byte(end) == b'-' {
            let uuid = self.bytes.get(start..start + 36)?;
            let dashes = [8, 13, 18, 23].iter().all(|at| uuid.get(*at) == Some(&b'-'));
            let rest = uuid.iter().filter(|byte| byte.is_ascii_hexdigit()).count() == 32;
            return (dashes && rest).then_some(start + 36);
        }
        None
    }

    fn word_start(&self, spot: usize, floor: usize) -> usize {
        let before = self.bytes.get(floor..spot).unwrap_or_default();
        spot - before.iter().rev().take(128).take_while(|byte| byte.is_ascii_alphanumeric()).count()
    }

    fn word_end(&self, spot: usize) -> usize {
        let rest = self.bytes.get(spot..).unwrap_or_default();
        spot + rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()
    }

    /// Whether the text is this and nothing else.
    fn alone(&self, start: usize, end: usize) -> bool {
        (start, end) == self.whole
    }

    /// Whether it is only a part of something longer: a path, a version, an amount, a decimal.
    fn joined(&self, start: usize, end: usize) -> bool {
        let (before, after) = (self.before(start), self.byte(end));
        let far = start.checked_sub(1).map_or(0, |at| self.before(at));
        let next = self.byte(end + 1);
        let left = match before {
            b'-' | b'_' => far.is_ascii_alphanumeric(),
            b'.' => far.is_ascii_digit() || far == b'.',
            b',' => far.is_ascii_digit() && start != self.floor + 1,
            b'/' | b'\\' | b'@' | b'$' | b'%' | b'~' | b'^' => true,
            _ => before.is_ascii_alphanumeric(),
        };
        let right = match after {
            b'-' | b'_' | b'.' | b'/' | b'\\' => next.is_ascii_alphanumeric(),
            b':' => next.is_ascii_digit(),
            b'@' | b'%' => true,
            _ => after.is_ascii_alphanumeric(),
        };
        left || right
    }

    /// Whether more digits stand on either side, a blank apart: a row of figures.
    fn in_a_row(&self, start: usize, end: usize) -> bool {
        let far = start.checked_sub(1).map_or(0, |at| self.before(at));
        (self.before(start) == b' ' && far.is_ascii_digit() && start != self.floor + 1)
            || (self.byte(end) == b' ' && self.byte(end + 1).is_ascii_digit())
    }
}

/// How bad it is where such data gets out and nobody says otherwise.
fn severity(name: &str) -> Risk {
    match name {
        "ip_address" | "mac_address" | "person_name" | "vehicle_plate" | "vin" | "imei" => Risk::Low,
        "email" | "phone" | "postal_address" | "date_of_birth" => Risk::Medium,
        name if name.ends_with("_address") => Risk::Medium,
        name if name.contains("vat") || name.contains("siren") || name.contains("uen") => Risk::Low,
        _ => Risk::High,
    }
}
