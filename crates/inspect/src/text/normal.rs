//! The normal form: compatibility forms unfolded, invisible characters left out, look-alikes in mixed words
//! made Latin, HTML entities resolved.
//!
//! Answerable for each step as a text with its map, and for ending: a step may lay bare work for another, so
//! they are repeated until nothing changes, and what would go on for ever is stopped by a blank. Decides
//! nothing about what it leaves out: that is `hidden`'s.

use std::borrow::Cow;
use std::sync::LazyLock;

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::hidden::is_invisible;
use super::map::{Map, Writer};

const CONFUSABLES: &str = include_str!("../../data/confusables.txt");
const ROUNDS: usize = 4;

/// A step to the normal form: another text, where something is to do.
type Step<'s> = &'s dyn Fn(&str) -> Option<(String, Map)>;

/// The normal form of a text and the maps back, the last step first. Borrowed where nothing is to do.
pub fn form(text: &str) -> (Cow<'_, str>, Vec<Map>) {
    let mut now = Cow::Borrowed(text);
    let mut maps = Vec::new();
    for round in 0..ROUNDS {
        let mut changed = false;
        let last = round + 1 == ROUNDS;
        let steps: [Step<'_>; 3] = [&unfold, &make_latin, &|text| resolve(text, last)];
        for (nth, step) in steps.into_iter().enumerate() {
            if let Some((next, map)) = step(&now) {
                now = Cow::Owned(next);
                maps.insert(0, map);
                // What was unfolded is, and the others have seen it so.
                changed |= nth > 0;
            }
        }
        if !changed {
            break;
        }
    }
    (now, maps)
}

/// True where a character begins something of its own: what is before it does not change it.
fn begins(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    // Marks: none of them begins anything, and texts may hold nothing else.
    if matches!(c, '\u{300}'..='\u{36F}') || is_invisible(c) {
        return false;
    }
    let mut first = None;
    decompose_compatible(c, |part| {
        first.get_or_insert(part);
    });
    let first = first.unwrap_or(c);
    canonical_combining_class(first) == 0 && is_nfkc_quick(std::iter::once(first)) != IsNormalized::Maybe
}

/// NFKC without the invisible characters.
fn unfold(text: &str) -> Option<(String, Map)> {
    // Most texts of any language are in their normal form, and that is told quickly.
    let seen = || text.chars().filter(|c| !c.is_ascii());
    if text.is_ascii() || (is_nfkc_quick(text.chars()) == IsNormalized::Yes && !seen().any(is_invisible)) {
        return None;
    }
    let mut writer = Writer::default();
    let mut room = String::new();
    let mut rest = text;
    let mut at = 0;
    while !rest.is_empty() {
        // Nothing reaches over an ASCII character but marks behind the last one of a row.
        let plain = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len()).saturating_sub(1);
        let (same, more) = rest.split_at(plain);
        writer.same(at, same);
        at += plain;
        let end = more.char_indices().skip(1).find(|(_, c)| begins(*c)).map_or(more.len(), |(end, _)| end);
        let (part, more) = more.split_at(end);
        piece(part, at, &mut room, &mut writer);
        at += end;
        rest = more;
    }
    writer.done()
}

/// Writes what one part of the text unfolds to; `room` is what other parts needed to find that out.
fn piece(part: &str, at: usize, room: &mut String, writer: &mut Writer) {
    if part.len() == 1 && part.is_ascii() {
        return writer.same(at, part);
    }
    // Whole sentences in one character: a text of them would be many times as long, and hide nothing.
    if part.starts_with(['\u{FDFA}', '\u{FDFB}']) {
        return writer.same(at, part);
    }
    let seen = part.chars().filter(|c| !is_invisible(*c));
    // What is left of most parts that hide something is ASCII, and that is its own normal form.
    let plain = seen.clone().all(|c| c.is_ascii());
    room.clear();
    if plain {
        room.extend(seen);
    } else {
        room.extend(seen.nfkc());
    }
    if room == part { writer.same(at, part) } else { writer.instead(at..at + part.len(), room) }
}

/// Letters of other scripts, in order, each with the Latin letter it is taken for.
static LOOK_ALIKES: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let lines = CONFUSABLES.lines().filter_map(|line| line.split_once(' '));
    let pairs = lines.flat_map(|(latin, others)| others.chars().zip(latin.chars().cycle()));
    let mut pairs: Vec<(char, char)> = pairs.collect();
    // The first that is said of a letter holds.
    pairs.sort_by_key(|(other, _)| *other);
    pairs.dedup_by_key(|(other, _)| *other);
    pairs
});

/// The Latin letter that a letter of another script is taken for.
fn look_alike(c: char) -> Option<char> {
    let at = LOOK_ALIKES.binary_search_by_key(&c, |(other, _)| *other).ok()?;
    LOOK_ALIKES.get(at).map(|(_, latin)| *latin)
}

/// Words that mix Latin with letters that only look so.
fn make_latin(text: &str) -> Option<(String, Map)> {
    if text.is_ascii() || !text.chars().any(|c| !c.is_ascii() && look_alike(c).is_some()) {
        return None;
    }
    let mut writer = Writer::default();
    let mut at = 0;
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let latin = word.bytes().any(|byte| byte.is_ascii_alphabetic());
        if !latin || word.is_ascii() || !word.chars().any(|c| !c.is_ascii() && look_alike(c).is_some()) {
            writer.same(at, word);
        } else {
            for (far, c) in word.char_indices() {
                let span = at + far..at + far + c.len_utf8();
                match look_alike(c).filter(|_| !c.is_ascii()) {
                    Some(letter) => writer.instead(span, letter.encode_utf8(&mut [0; 4])),
                    None => writer.same(span.start, c.encode_utf8(&mut [0; 4])),
                }
            }
        }
        at += word.len();
    }
    writer.done()
}

const NAMED: [(&str, char); 34] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("colon", ':'),
    ("semi", ';'),
    ("sol", '/'),
    ("bsol", '\\'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("commat", '@'),
    ("equals", '='),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("period", '.'),
    ("comma", ','),
    ("excl", '!'),
    ("quest", '?'),
    ("grave", '`'),
    ("verbar", '|'),
    ("lowbar", '_'),
];

/// The character that an entity at the beginning stands for, and how long the entity is.
fn entity(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    let Some(number) = rest.strip_prefix('#') else {
        let len = rest.bytes().take(8).position(|byte| byte == b';')?;
        let name = rest.get(..len)?;
        return NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| (*c, len + 2));
    };
    let (digits, base, before) = match number.strip_prefix(['x', 'X']) {
        Some(hex) => (hex, 16, 3),
        None => (number, 10, 2),
    };
    let len = digits.chars().take(8).take_while(|c| c.is_digit(base)).count();
    let code = u32::from_str_radix(digits.get(..len)?, base).ok()?;
    let end = before + len + usize::from(digits.as_bytes().get(len) == Some(&b';'));
    char::from_u32(code).filter(|c| *c != '\0').map(|c| (c, end))
}

/// HTML entities. With `stop` an entity that only now came to be is broken instead, so that the form is one.
fn resolve(text: &str, stop: bool) -> Option<(String, Map)> {
    memchr::memchr(b'&', text.as_bytes())?;
    let mut writer = Writer::default();
    let mut at = 0;
    for found in memchr::memchr_iter(b'&', text.as_bytes()) {
        let Some((c, len)) = text.get(found..).filter(|_| found >= at).and_then(entity) else { continue };
        writer.same(at, text.get(at..found).unwrap_or_default());
        let c = if stop { ' ' } else { c };
        writer.instead(found..found + len, c.encode_utf8(&mut [0; 4]));
        at = found + len;
    }
    writer.same(at, text.get(at..).unwrap_or_default());
    writer.done()
}
