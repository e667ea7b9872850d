//! The shapes that numbers have, as bits, so that hundreds of them are tried in a few instructions each.
//!
//! Answerable for what a row of the tables means and for finding the rows that fit a strip of text. What a
//! right number is, the tables' own functions say; how sure that makes us is `judge`'s.

use std::sync::LazyLock;

use super::checksum::Held;
use super::clues::{self, Classes};
use super::strip::LONGEST;

/// How many characters without separators a number has at least.
pub(super) const SHORTEST: usize = 5;

/// One number that somebody gives out.
pub(super) struct Row {
    /// What findings call it.
    pub name: &'static str,
    /// The country, or `xx` for everywhere.
    pub land: &'static str,
    /// `9` a digit, `A` a letter, `X` either, small letters and other digits themselves; anything else is
    /// where parts are set apart, and how they usually are.
    pub shape: &'static str,
    /// What a right one is.
    pub check: fn(&[u8]) -> Held,
    /// How sure one is that stands there in one piece, without a word that says what it is.
    pub solid: u8,
    /// The same, set apart as usual.
    pub parted: u8,
    /// The same, with such a word near.
    pub told: u8,
    /// How sure one is whose check digit is wrong but whose label says that it is one; 0: it is none.
    pub lax: u8,
    /// Further classes of clues that tell of it; its own name is always one.
    pub clues: &'static str,
}

/// A table of rows, one a line: name, land, shape, check, solid, parted, told, lax, clues.
macro_rules! rows {
    ($($name:ident $land:ident $shape:literal $check:ident $solid:literal $parted:literal $told:literal $lax:literal $clues:literal;)*) => {
        &[$(Row {
            name: stringify!($name), land: stringify!($land), shape: $shape, check: $check,
            solid: $solid, parted: $parted, told: $told, lax: $lax, clues: $clues,
        }),*]
    };
}
pub(super) use rows;

/// A row, made ready. Bit n of a mask is character n of the compact number.
pub(super) struct Form {
    pub row: &'static Row,
    pub length: usize,
    digits: u64,
    letters: u64,
    /// Bit n: parts are set apart after n characters.
    pub breaks: u64,
    /// How they usually are, in order.
    pub separators: Vec<u8>,
    literals: Vec<(usize, u8)>,
    /// The classes of clues that tell of it.
    pub clues: Classes,
    /// The one class that names it and nothing else.
    pub own: Classes,
    /// True if it is made of digits only.
    pub numeric: bool,
}

impl Form {
    fn new(row: &'static Row) -> Self {
        let (mut length, mut digits, mut letters, mut breaks) = (0_usize, 0_u64, 0_u64, 0_u64);
        let (mut separators, mut literals) = (Vec::new(), Vec::new());
        for byte in row.shape.bytes() {
            match byte {
                b'9' => digits |= 1 << length,
                b'A' => letters |= 1 << length,
                b'X' => {}
                b'a'..=b'z' => literals.push((length, byte.to_ascii_uppercase())),
                b'0'..=b'8' => literals.push((length, byte)),
                _ => {
                    breaks |= 1 << length;
                    separators.push(byte);
                    continue;
                }
            }
            length += 1;
        }
        for (at, byte) in &literals {
            *(if byte.is_ascii_digit() { &mut digits } else { &mut letters }) |= 1 << at;
        }
        let own = clues::class(row.name);
        let clues = row.clues.split_whitespace().map(clues::class).fold(own, |a, b| a | b);
        let numeric = length > 0 && digits == below(u32::try_from(length).unwrap_or(64));
        Self { row, length, digits, letters, breaks, separators, literals, clues, own, numeric }
    }

    /// Whether the first characters of a strip have this shape: `digits` and `letters` say what they are, and
    /// `ends` where its words end.
    pub(super) fn fits(&self, compact: &[u8], digits: u64, letters: u64, ends: u64) -> bool {
        ends & !self.breaks == 0
            && digits & self.digits == self.digits
            && letters & self.letters == self.letters
            && self.literals.iter().all(|(at, byte)| compact.get(*at) == Some(byte))
    }
}

/// The bits below `count`.
pub(super) fn below(count: u32) -> u64 {
    1_u64.checked_shl(count).map_or(u64::MAX, |bit| bit - 1)
}

/// Forms of one length that begin alike.
#[derive(Default)]
pub(super) struct Shelf {
    pub forms: Vec<Form>,
    /// Where any of them is set apart.
    breaks: u64,
}

impl Shelf {
    /// Whether a number set apart at `inner` may be any of them.
    pub(super) fn may(&self, inner: u64) -> bool {
        inner & !self.breaks == 0 && !self.forms.is_empty()
    }
}

/// By what they begin with, a digit or a letter, and by length.
static FORMS: LazyLock<[Vec<Shelf>; 2]> = LazyLock::new(|| {
    [true, false].map(|digit| {
        let mut shelves: Vec<Shelf> = (0..=LONGEST).map(|_| Shelf::default()).collect();
        for row in tables() {
            let form = Form::new(row);
            let unlike = if digit { form.letters } else { form.digits };
            let Some(shelf) = shelves.get_mut(form.length).filter(|_| unlike & 1 == 0) else { continue };
            shelf.breaks |= form.breaks;
            shelf.forms.push(form);
        }
        shelves
    })
});

/// Where forms are set apart, each way once, by the first place.
static BREAKS: LazyLock<Vec<Vec<u64>>> = LazyLock::new(|| {
    let mut ways: Vec<Vec<u64>> = vec![Vec::new(); LONGEST + 1];
    for breaks in tables().map(|row| Form::new(row).breaks) {
        // Any of the places may be the first at which a text sets it apart.
        for (_, way) in ways.iter_mut().enumerate().filter(|(first, _)| breaks >> first & 1 == 1) {
            if !way.contains(&breaks) {
                way.push(breaks);
            }
        }
    }
    ways
});

/// Whether some number is set apart at all of these places.
pub(super) fn parted_so(ends: u64) -> bool {
    let first = usize::try_from(ends.trailing_zeros()).unwrap_or(usize::MAX);
    BREAKS.get(first).is_some_and(|ways| ways.iter().any(|breaks| ends & !breaks == 0))
}

/// Every row there is.
pub(super) fn tables() -> impl Iterator<Item = &'static Row> {
    [
        super::americas::ROWS,
        super::europe_west::ROWS,
        super::europe_east::ROWS,
        super::asia::ROWS,
        super::goods::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The forms of numbers that begin with a digit, or with a letter, by length.
pub(super) fn shelves(digit: bool) -> &'static [Shelf] {
    let [digits, letters] = &*FORMS;
    if digit { digits } else { letters }
}

#[cfg(test)]
mod tests {
    use super::{Form, clues, tables};

    #[test]
    fn every_row_is_a_shape_and_names_clues_that_there_are() {
        for row in tables() {
            let form = Form::new(row);
            assert!((super::SHORTEST..=super::LONGEST).contains(&form.length), "{} {}", row.name, row.shape);
            for class in row.clues.split_whitespace() {
                assert!(clues::class(class) != clues::Classes::default(), "{} wants {class}", row.name);
            }
            let sure = [row.solid, row.parted, row.told, row.lax];
            assert!(sure.iter().all(|it| *it < 98) && row.told >= row.lax, "{}", row.name);
        }
    }
}
