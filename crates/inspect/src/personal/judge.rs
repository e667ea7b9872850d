//! How sure a number makes us: its form, its check digit, how it is set apart, and what is said around it.
//!
//! Answerable for the one number between 0 and 100 that a finding gets, for everything in the tables.

use super::Reader;
use super::checksum::Held;
use super::clues::{Classes, Told};
use super::shape::{self, Form, below};
use super::strip::Strip;

/// Something found, before it is a hit.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: &'static str,
    pub start: usize,
    pub end: usize,
    pub confidence: u8,
    pub verified: Option<bool>,
}

impl Found {
    /// The surer of two; of equals the longer.
    pub(super) fn or(self, other: Self) -> Self {
        let better = (other.confidence, other.end - other.start) > (self.confidence, self.end - self.start);
        if better { other } else { self }
    }
}

/// The surer of what there is.
pub(super) fn surer(one: Option<Found>, other: Option<Found>) -> Option<Found> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.or(other)),
        (one, other) => one.or(other),
    }
}

/// How the parts of a number are set apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// Not at all.
    Solid,
    /// As usual.
    Usual,
    /// Where they usually are, by another separator.
    Alike,
    /// Somehow.
    Odd,
}

/// What is the same for all forms of one length at one place.
struct Place {
    end: usize,
    joined: bool,
    in_a_row: bool,
    /// Whether the text is this and nothing else.
    alone: bool,
    /// Whether it looks like a point in time.
    clock: bool,
}

impl Reader<'_, '_> {
    /// The surest number of the tables that begins where `strip` does.
    pub(super) fn numbers(&mut self, strip: &Strip) -> Option<Found> {
        let mut best: Option<Found> = None;
        let shelves = shape::shelves(strip.digits & 1 == 1);
        let mut told: Option<Told> = None;
        for (length, end, _) in strip.words() {
            let inner = strip.ends & below(u32::try_from(*length).unwrap_or(64));
            let Some(shelf) = shelves.get(*length).filter(|shelf| shelf.may(inner)) else { continue };
            let place = Place {
                end: *end,
                joined: self.joined(strip.start, *end),
                in_a_row: self.in_a_row(strip.start, *end),
                alone: self.alone(strip.start, *end),
                clock: is_clock(strip.compact(*length)),
            };
            for form in &shelf.forms {
                if !form.fits(strip.compact(*length), strip.digits, strip.letters, inner)
                    || !self.settings.locales.allows(form.row.land)
                {
                    continue;
                }
                let found = self.judge(form, strip, &place, &mut told);
                best = surer(best, found);
            }
        }
        best
    }

    fn judge(&mut self, form: &Form, strip: &Strip, place: &Place, told: &mut Option<Told>) -> Option<Found> {
        let &Place { end, joined, .. } = place;
        let parts = parts(form, strip);
        let mut bare = bare(form, strip, parts, place.clock);
        if place.alone && bare > 0 {
            bare += 15;
        }
        if joined || (parts != Parts::Solid && place.in_a_row) {
            bare = bare.saturating_sub(if joined { 100 } else { 25 });
        }
        let most = form.row.told + 4;
        if bare.max(most) < self.settings.least {
            return None;
        }
        let field = self.field;
        let told = *told.get_or_insert_with(|| self.clues.around(strip.start, end).in_field(field));
        if bare < self.settings.least && !told.near.meets(form.clues) {
            return None;
        }
        let confidence = bare.max(spoken(form, &told, joined, parts));
        let (confidence, verified) = match (form.row.check)(strip.compact(form.length)) {
            Held::No => return None,
            Held::Plain => (confidence, None),
            Held::Good => (confidence, Some(true)),
            Held::Bad if form.row.lax > 0 && !joined && (told.label.meets(form.own) || distinct(form)) => {
                (form.row.lax + if told.label.meets(form.own) { 12 } else { 0 }, Some(false))
            }
            Held::Bad => return None,
        };
        (confidence >= self.settings.least && confidence > 0).then_some(Found {
            name: form.row.name,
            start: strip.start,
            end,
            confidence: confidence.min(99),
            verified,
        })
    }
}

/// Whether a number's form alone is so odd that a wrong check digit is a slip of the pen.
fn distinct(form: &Form) -> bool {
    form.row.solid >= 90 && form.row.lax >= 75
}

/// How sure it is by what is said around it.
fn spoken(form: &Form, told: &Told, joined: bool, parts: Parts) -> u8 {
    let by = |classes: Classes| -> u8 {
        if told.label.meets(classes) {
            form.row.told + 2
        } else if joined {
            0
        } else if told.nearest.meets(classes) {
            form.row.told
        } else if told.near.meets(classes) {
            form.row.told.saturating_sub(12)
        } else {
            0
        }
    };
    let own = by(form.own);
    let spoken = by(form.clues).max(if own > 0 { own + 2 } else { 0 });
    if parts == Parts::Odd { spoken.saturating_sub(8) } else { spoken }
}

fn parts(form: &Form, strip: &Strip) -> Parts {
    let inner = strip.ends & below(u32::try_from(form.length).unwrap_or(64));
    if inner == 0 {
        return Parts::Solid;
    }
    if inner != form.breaks {
        return Parts::Odd;
    }
    let seen = || strip.words().iter().map(|(.., separator)| *separator).take(form.separators.len());
    let first = seen().next().unwrap_or(0);
    if seen().eq(form.separators.iter().copied()) {
        Parts::Usual
    } else if seen().all(|it| it == first)
        && match first {
            // One point in the middle of figures is a decimal's.
            b'.' => form.separators.len() > 1,
            byte => matches!(byte, b' ' | b'-'),
        }
    {
        Parts::Alike
    } else {
        Parts::Odd
    }
}

/// How sure it is without any word.
fn bare(form: &Form, strip: &Strip, parts: Parts, clock: bool) -> u8 {
    let sure = match parts {
        Parts::Solid => form.row.solid,
        Parts::Usual => form.row.parted,
        Parts::Alike => form.row.parted.saturating_sub(12),
        Parts::Odd => form.row.solid.min(form.row.parted) / 2,
    };
    let less = match (form.numeric, parts) {
        // Names of things in programs are written small; papers are not.
        (false, _) if strip.small => 15,
        (true, Parts::Solid) if clock => 30,
        _ => 0,
    };
    sure.saturating_sub(less)
}

/// Whether digits look like a point in time: seconds or milliseconds since 1970, or a day and an hour.
fn is_clock(digits: &[u8]) -> bool {
    let second = digits.get(1).copied().unwrap_or(0);
    let since = matches!(digits.len(), 10 | 13 | 16 | 19) && digits.first() == Some(&b'1') && second >= b'3';
    let year = super::checksum::number(digits, 0, 4);
    let month = super::checksum::number(digits, 4, 6);
    let day = super::checksum::number(digits, 6, 8);
    let spelled = matches!(digits.len(), 8 | 10 | 12 | 14 | 17)
        && (1970..2040).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day);
    since || spelled
}
