//! The normal form of a text: what a reader takes it for.
//!
//! Compatibility forms are plain (NFKC, character by character), what has no width is gone, tags are the letters
//! they stand for, letters that look Latin in an otherwise Latin word are Latin, and HTML entities are decoded.
//! Applied again it changes nothing.

use unicode_normalization::UnicodeNormalization as _;

use super::hidden::{Unseen, of_tag, unseen};
use super::lookalike::latin;

/// How often the form is taken of itself at most: what is wrapped deeper stays as it is.
const ROUNDS: usize = 4;

/// The original bytes of each byte.
type Bytes = Vec<(u32, u32)>;

/// The normal form.
pub fn normal(text: &str) -> String {
    mapped(text).map_or_else(|| text.to_owned(), |(plain, _)| plain)
}

/// The normal form with the way back; nothing if it is the text itself.
pub(super) fn mapped(text: &str) -> Option<(String, Bytes)> {
    if text.is_ascii() && !has_entity(text) {
        return None;
    }
    let mut found = Writer::of(text);
    for _ in 1..ROUNDS {
        let next = Writer::of(&found.text);
        if next.text == found.text {
            break;
        }
        let bytes = next.bytes.iter().map(|(start, end)| found.origin(*start, *end)).collect();
        found = Writer { text: next.text, bytes };
    }
    (found.text != text).then_some((found.text, found.bytes))
}

fn has_entity(text: &str) -> bool {
    memchr::memchr_iter(b'&', text.as_bytes()).any(|at| entity(text.get(at..).unwrap_or_default()).is_some())
}

struct Writer {
    text: String,
    bytes: Bytes,
}

impl Writer {
    fn of(text: &str) -> Self {
        let mut out = Self { text: String::with_capacity(text.len()), bytes: Vec::with_capacity(text.len()) };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let end = at.saturating_add(word_end(rest));
            match text.get(at..end).filter(|word| !word.is_empty()) {
                Some(word) => {
                    let mixed = is_mixed(word);
                    for (offset, c) in word.char_indices() {
                        let start = at.saturating_add(offset);
                        out.put(c, mixed, (start, start.saturating_add(c.len_utf8())));
                    }
                    at = end;
                }
                None => at = out.single(text, at),
            }
        }
        out
    }

    /// What is no part of a word: an entity, or one character.
    fn single(&mut self, text: &str, at: usize) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        if let Some((c, length)) = entity(rest) {
            let end = at.saturating_add(length);
            self.put(c, false, (at, end));
            return end;
        }
        let c = rest.chars().next().unwrap_or(' ');
        let end = at.saturating_add(c.len_utf8());
        self.put(c, false, (at, end));
        end
    }

    fn put(&mut self, c: char, mixed: bool, from: (usize, usize)) {
        if c.is_ascii() {
            return self.push(c, from);
        }
        match unseen(c) {
            Some(Unseen::Tag) => of_tag(c).into_iter().for_each(|c| self.push(c, from)),
            Some(_) => (),
            None => {
                for c in std::iter::once(c).nfkc() {
                    let c = latin(c).filter(|_| mixed).unwrap_or(c);
                    if unseen(c).is_none() {
                        self.push(c, from);
                    }
                }
            }
        }
    }

    fn push(&mut self, c: char, (start, end): (usize, usize)) {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.text.push(c);
        self.bytes.extend(std::iter::repeat_n((small(start), small(end)), c.len_utf8()));
    }

    /// The original bytes of a span.
    fn origin(&self, start: u32, end: u32) -> (u32, u32) {
        let at = |n: u32| usize::try_from(n).ok().and_then(|n| self.bytes.get(n));
        let first = at(start).map_or(0, |(start, _)| *start);
        (first, at(end.saturating_sub(1)).map_or(first, |(_, end)| *end))
    }
}

/// Where a word of letters, digits and what cannot be seen ends.
fn word_end(text: &str) -> usize {
    let inside = |c: char| {
        if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() || unseen(c).is_some() }
    };
    text.char_indices().find(|(_, c)| !inside(*c)).map_or(text.len(), |(at, _)| at)
}

/// True if a word has Latin letters and others that look like Latin ones.
fn is_mixed(word: &str) -> bool {
    !word.is_ascii()
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || latin(c).is_some() || unseen(c).is_some() || is_wide(c))
}

/// Letters that are Latin once they are plain.
fn is_wide(c: char) -> bool {
    std::iter::once(c).nfkc().all(|c| c.is_ascii_alphanumeric())
}

/// The longest entity that is read.
const LONGEST: usize = 12;

/// The character that an entity at the start of `text` stands for, and its length. `&amp;lt;` stands for what
/// `&lt;` does.
fn entity(text: &str) -> Option<(char, usize)> {
    let mut length = 0_usize;
    let mut found = None;
    loop {
        // Behind a decoded ampersand another entity may go on without one of its own.
        let rest = text.get(length..)?;
        let name = match found {
            None => rest.strip_prefix('&')?,
            Some(_) => rest,
        };
        let skipped = rest.len().saturating_sub(name.len());
        let Some((c, used)) = name_of(name) else { return found.map(|c| (c, length)) };
        length = length.saturating_add(skipped).saturating_add(used);
        found = Some(c);
        if c != '&' {
            return Some((c, length));
        }
    }
}

/// `lt;` is `<`.
fn name_of(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST).position(|b| b == b';')?;
    let name = text.get(..end)?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "colon" => ':',
        "sol" => '/',
        "period" => '.',
        "commat" => '@',
        "num" => '#',
        "equals" => '=',
        "lpar" => '(',
        "rpar" => ')',
        "Tab" => '\t',
        "NewLine" => '\n',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))?
        }
    };
    Some((c, end.saturating_add(1)))
}
