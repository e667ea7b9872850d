//! Telephone numbers: with the country's code, as they are dialled within one, and as people write them.
//!
//! Answerable for reading digits in groups and for how much like a telephone number they look: by the world's
//! numbering plans, by the groups, and by what is said around them.

use std::sync::LazyLock;

use super::Reader;
use super::clues::{Classes, Told, class};
use super::judge::{Found, surer};
use super::plan::{self, Known};
use super::strip::separator;

static CLASSES: LazyLock<(Classes, Classes)> = LazyLock::new(|| (class("phone"), class("not_phone")));

const DIGITS: usize = 17;
const GROUPS: usize = 8;

/// Digits that stand together.
#[derive(Clone, Copy, Default)]
struct Group {
    /// How many digits there are up to its end.
    upto: usize,
    length: usize,
    /// Where it ends in the text; behind the bracket, if it stands in brackets.
    end: usize,
    /// What stands before it: 0 for nothing.
    joint: u8,
    bracketed: bool,
}

/// Digits in groups, from some place on.
struct Dialled {
    start: usize,
    plus: bool,
    digits: [u8; DIGITS],
    groups: [Group; GROUPS],
    count: usize,
}

/// How much like a telephone number something looks: without a word around it, and with one.
#[derive(Clone, Copy, Default)]
struct Look {
    bare: u8,
    told: u8,
}

const NOTHING: Look = Look { bare: 0, told: 0 };

fn look(bare: u8, told: u8) -> Look {
    Look { bare, told }
}

impl Reader<'_, '_> {
    /// The telephone number whose first digit is at `at`.
    pub(super) fn phone(&mut self, at: usize) -> Option<Found> {
        let dialled = self.dialled(at)?;
        let mut best: Option<Found> = None;
        // A row of figures is not a number, but for a label right before it.
        let last = dialled.groups.last().filter(|_| dialled.count == GROUPS);
        if last.is_some_and(|group| self.goes_on(group.end)) {
            let field = self.field;
            if !self.clues.around(dialled.start, at).in_field(field).label.meets(CLASSES.0) {
                return None;
            }
        }
        for count in (1..=dialled.count).rev() {
            let groups = dialled.groups.get(..count)?;
            let last = groups.last()?;
            if !(7..=16).contains(&last.upto) {
                continue;
            }
            let Some((end, extended)) = self.phone_end(last.end) else { continue };
            let digits = dialled.digits.get(..last.upto)?;
            let mut seen = appearance(digits, groups, dialled.plus);
            if extended {
                seen.bare = seen.bare.saturating_add(if groups.len() > 1 { 30 } else { 10 }).min(92);
            }
            let more = count < dialled.count;
            best = surer(best, self.called(seen, (dialled.start, end), groups.len() > 1, more));
        }
        best
    }

    fn called(&mut self, seen: Look, span: (usize, usize), grouped: bool, more: bool) -> Option<Found> {
        if seen.told == 0 && seen.bare == 0 {
            return None;
        }
        let (start, end) = span;
        let field = self.field;
        let told = self.clues.around(start, end).in_field(field);
        let mut confidence = weigh(seen, &told, grouped);
        if self.alone(start, end) && confidence > 0 {
            confidence += 12;
        }
        if more {
            confidence = confidence.saturating_sub(8);
        }
        (confidence > 0).then_some(Found {
            name: "phone",
            start,
            end,
            confidence: confidence.min(97),
            verified: None,
        })
    }

    /// Reads on from the digit at `at`, with the plus and the bracket before it.
    fn dialled(&self, at: usize) -> Option<Dialled> {
        let mut start = at;
        let mut open = false;
        if self.before(start) == b'(' {
            (start, open) = (start - 1, true);
        }
        let plus = self.before(start) == b'+';
        start -= usize::from(plus);
        if plus && self.before(start) == b'(' {
            (start, open) = (start - 1, true);
        }
        if start < self.floor || !self.may_begin(start, plus) {
            return None;
        }
        let mut dialled =
            Dialled { start, plus, digits: [0; DIGITS], groups: [Group::default(); GROUPS], count: 0 };
        let (mut at, mut joint, mut upto) = (at, 0, 0);
        while dialled.count < GROUPS {
            let rest = self.bytes.get(at..)?;
            let length = rest.iter().take(DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
            let Some(slots) = dialled.digits.get_mut(upto..upto + length) else { break };
            for (slot, byte) in slots.iter_mut().zip(rest) {
                *slot = byte - b'0';
            }
            upto += length;
            at += length;
            // Nobody sets single digits apart but the first.
            if length == 1
                && dialled.count > 0
                && !open
                && dialled.groups.first().is_some_and(|it| it.length == 1)
            {
                break;
            }
            let bracketed = open && self.byte(at) == b')';
            if open && !bracketed && self.byte(at) != b' ' && self.byte(at) != b'-' {
                break;
            }
            at += usize::from(bracketed);
            open = open && !bracketed;
            let group = dialled.groups.get_mut(dialled.count)?;
            *group = Group { upto, length, end: at, joint, bracketed };
            dialled.count += 1;
            match self.joint(at) {
                Some((next, byte, opens)) => (at, joint, open) = (next, byte, open || opens),
                None => break,
            }
        }
        (dialled.count > 0).then_some(dialled)
    }

    /// What stands between two groups: where the next begins, the separator, whether a bracket opens.
    fn joint(&self, at: usize) -> Option<(usize, u8, bool)> {
        let (mut next, mut byte, mut opens) = (at, 0, false);
        for _ in 0..3 {
            if self.byte(next).is_ascii_digit() {
                return Some((next, if byte == 0 { b')' } else { byte }, opens))
                    .filter(|_| next > at || self.before(at) == b')');
            }
            let (mark, length) = separator(self.bytes, next)?;
            match mark {
                b'(' if !opens => opens = true,
                b' ' | b'-' | b'.' | b'/' if byte == 0 || byte == b' ' => byte = mark,
                b' ' => {}
                _ => return None,
            }
            next += length;
        }
        self.byte(next).is_ascii_digit().then_some((next, byte, opens))
    }

    fn may_begin(&self, start: usize, plus: bool) -> bool {
        let before = self.before(start);
        let far = start.checked_sub(1).map_or(0, |at| self.before(at));
        match before {
            b'.' => !far.is_ascii_digit(),
            b'-' => !far.is_ascii_alphanumeric() || plus,
            b',' => !far.is_ascii_digit() || plus || start == self.floor + 1,
            b'_' | b'/' | b'\\' | b'$' | b'@' | b'%' | b'^' | b'~' | b'+' => false,
            _ => !before.is_ascii_alphanumeric(),
        }
    }

    /// Where a number that ends at `end` really ends, with an extension if it has one; nothing if it does not
    /// end there.
    fn phone_end(&self, end: usize) -> Option<(usize, bool)> {
        let (after, next) = (self.byte(end), self.byte(end + 1));
        if let Some(extended) = self.extension(end) {
            return Some((extended, true));
        }
        let goes_on = match after {
            b'-' | b':' | b'.' => next.is_ascii_digit(),
            b'_' | b'%' | b'@' | b'(' | b'+' | b'=' => true,
            _ => after.is_ascii_alphanumeric(),
        };
        (!goes_on).then_some((end, false))
    }

    /// The end of `x123`, `ext. 123`, `доб. 12`.
    fn extension(&self, end: usize) -> Option<usize> {
        let after = self.byte(end);
        // Most numbers end here.
        if !(after.is_ascii_alphabetic()
            || !after.is_ascii()
            || matches!(after, b' ' | b',' | b';' | b'-' | b'/'))
        {
            return None;
        }
        let rest = self.window(end, 40)?;
        let trimmed = rest.trim_start_matches([' ', ',', ';', '-', '/']);
        let words = ["extension", "extn", "ext", "x", "доб", "poste", "durchwahl", "int", "anexo", "ramal"];
        let word = words
            .iter()
            .find(|word| trimmed.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word)))?;
        let tail = trimmed.get(word.len()..)?;
        let digits = tail.trim_start_matches(['.', ':', ' ', '#']);
        let count = digits.bytes().take(7).take_while(u8::is_ascii_digit).count();
        let gap = rest.len() - digits.len();
        let whole = (1..=6).contains(&count) && gap <= 16;
        let stop = end + gap + count;
        (whole && !self.byte(stop).is_ascii_alphanumeric()).then_some(stop)
    }
}

fn weigh(seen: Look, told: &Told, grouped: bool) -> u8 {
    let (phone, other) = *CLASSES;
    if told.label.meets(phone) && (told.nearest.meets(phone) || !told.label.meets(other)) {
        return seen.bare.max(seen.told.saturating_add(4));
    }
    if told.label.meets(other) {
        return seen.bare.saturating_sub(35);
    }
    if told.nearest.meets(phone) || told.behind.meets(phone) || (told.near.meets(phone) && grouped) {
        return seen.bare.max(seen.told.saturating_sub(if (told.nearest | told.behind).meets(phone) {
            0
        } else {
            15
        }));
    }
    seen.bare
}

fn appearance(digits: &[u8], groups: &[Group], plus: bool) -> Look {
    let grouped = groups.len() > 1;
    if plus {
        return abroad(digits, groups, if grouped { [92, 80] } else { [90, 62] });
    }
    if is_date(digits, groups) || is_quad(groups) || digits.windows(2).all(|pair| pair.first() == pair.last())
    {
        return NOTHING;
    }
    let exit = [[0, 0].as_slice(), &[0, 1, 1]].into_iter().find_map(|it| digits.strip_prefix(it));
    if let Some(rest) = exit.filter(|rest| rest.len() > 7) {
        return abroad(rest, groups, if grouped { [82, 58] } else { [42, 10] });
    }
    let north = american(digits, groups);
    let home = at_home(digits, groups);
    if north.bare >= home.bare { look(north.bare, north.told.max(home.told)) } else { home }
}

fn abroad(digits: &[u8], groups: &[Group], sure: [u8; 2]) -> Look {
    // `+44 (0)20 7946 0958`: the nought in brackets is not dialled from abroad.
    let nought = groups.iter().find(|group| group.bracketed && group.length == 1);
    let mut kept = digits.to_vec();
    if let Some(group) = nought.filter(|group| digits.get(group.upto.wrapping_sub(1)) == Some(&0)) {
        kept.remove(group.upto - 1);
    }
    match plan::international(&kept) {
        Known::Number => look(sure[0], 96),
        Known::Country if kept.len() >= 10 => look(sure[1], 88),
        Known::Country if kept.len() >= 8 => look(sure[1].saturating_sub(25), 80),
        _ => look(0, 60),
    }
}

/// How long groups are, without asking for memory.
fn lengths<'a>(groups: &[Group], room: &'a mut [usize; GROUPS]) -> &'a [usize] {
    for (slot, group) in room.iter_mut().zip(groups) {
        *slot = group.length;
    }
    room.get(..groups.len()).unwrap_or_default()
}

/// Three, three and four digits, as in North America.
fn american(digits: &[u8], groups: &[Group]) -> Look {
    let national = match digits {
        [1, rest @ ..] if rest.len() == 10 => rest,
        rest if rest.len() == 10 => rest,
        _ => return NOTHING,
    };
    let mut room = [0; GROUPS];
    let lengths = lengths(groups, &mut room);
    let own = digits.len() - national.len();
    let usual = matches!(
        (own, lengths),
        (0, [3, 3, 4] | [3, 7] | [6, 4]) | (1, [1, 3, 3, 4] | [4, 3, 4] | [1, 3, 7])
    );
    let bracketed = groups.iter().any(|group| group.bracketed && group.length == 3);
    let starts = |at: usize| national.get(at).is_some_and(|digit| *digit > 1);
    let may = starts(0) && starts(3);
    let valid = may && plan::national(1, national);
    if groups.len() == 1 {
        return look(if valid { 38 } else { 15 }, if valid { 86 } else { 72 });
    }
    if !usual {
        return look(0, if valid { 75 } else { 50 });
    }
    let joint = groups.last().map_or(0, |group| group.joint);
    let bare = match (bracketed, joint, valid, may) {
        (true, _, true, _) => 90,
        (true, _, _, true) => 82,
        (true, ..) => 72,
        (_, b'-', true, _) => 80,
        (_, b'-', _, true) => 68,
        (_, b'.', true, _) => 70,
        (_, b' ', true, _) => 60,
        _ => 40,
    };
    look(bare, if valid { 92 } else { 86 })
}

/// As dialled within some other country.
fn at_home(digits: &[u8], groups: &[Group]) -> Look {
    let grouped = groups.len() > 1;
    let first = groups.first().copied().unwrap_or_default();
    let joint = groups.get(1).map_or(0, |group| group.joint);
    let short = groups.iter().any(|group| group.length == 1);
    // Nobody sets the last digits apart one by one.
    if groups.iter().skip(1).any(|group| group.length == 1) && !first.bracketed {
        return NOTHING;
    }
    let plain = (7..=12).contains(&digits.len());
    let said = look(
        0,
        if grouped && plain {
            80
        } else if plain {
            58
        } else {
            0
        },
    );
    match digits {
        [0, 1..=9, ..] if (9..=12).contains(&digits.len()) && plan::trunk(digits) => {
            let bare = match (grouped, first.bracketed, joint) {
                (true, true, _) => 78,
                (true, _, b'.') if short => 0,
                (true, _, b'-' | b'/' | b' ' | b'.') if first.length > 1 || !short => 66,
                (true, ..) => 60,
                _ => 40,
            };
            look(bare, 88)
        }
        [8, rest @ ..] if rest.len() == 10 && plan::national(7, rest) => {
            look(if grouped { 72 } else { 25 }, 86)
        }
        _ if grouped
            && first.bracketed
            && (2..=5).contains(&first.length)
            && (8..=11).contains(&digits.len()) =>
        {
            let year = first.length == 4 && matches!(digits, [1, 9, ..] | [2, 0, ..]);
            look(if year { 20 } else { 70 }, 86)
        }
        _ => said,
    }
}

/// Whether groups are a day, with or without an hour behind it, or two years.
fn is_date(digits: &[u8], groups: &[Group]) -> bool {
    let number = |from: usize, count: usize| {
        let part = digits.get(from..from + count).unwrap_or_default();
        part.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    let mut room = [0; GROUPS];
    let lengths = lengths(groups, &mut room);
    let year = |it: u32| (1900..2100).contains(&it);
    match lengths {
        [4, a @ (1 | 2), b @ (1 | 2), ..] => {
            year(number(0, 4)) && number(4, *a) <= 31 && number(4 + a, *b) <= 31
        }
        [a @ (1 | 2), b @ (1 | 2), 4, ..] => {
            number(0, *a) <= 31 && number(*a, *b) <= 31 && year(number(a + b, 4))
        }
        [4, 4] => year(number(0, 4)) && year(number(4, 4)),
        [8] | [8, _] | [8, _, _] => year(number(0, 4)) && number(4, 2) <= 12 && number(6, 2) <= 31,
        _ => false,
    }
}

/// Whether groups may be an address of a machine or a version.
fn is_quad(groups: &[Group]) -> bool {
    groups.len() >= 4
        && groups.iter().skip(1).all(|group| group.joint == b'.')
        && groups.iter().all(|group| group.length <= 3)
        && groups.iter().any(|group| group.length != 2)
}
