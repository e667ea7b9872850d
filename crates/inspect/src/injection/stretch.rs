//! Which stretches of a text are read again in full, and what stands around a phrase.
//!
//! Answerable for the borders of stretches, for letters that are written one by one, and for telling a phrase
//! that is only spoken of from one that is said.

use std::ops::Range;
use std::sync::LazyLock;

use regex_automata::meta::Regex;

use super::hit;
use super::token::Tokens;
use crate::Hit;

const BEFORE: usize = 128;
const AFTER: usize = 224;

/// Stretches of a text, in order, none touching the next.
#[derive(Default)]
pub(super) struct Stretches(Vec<Range<usize>>);

impl Stretches {
    /// Adds what stands around a byte. Bytes must come in order.
    #[cold]
    pub fn around(&mut self, at: usize, length: usize) {
        let stretch = at.saturating_sub(BEFORE)..(at + AFTER).min(length);
        match self.0.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = stretch.end.max(last.end),
            _ => self.0.push(stretch),
        }
    }

    /// Whether the last one reaches a byte.
    pub fn reach(&self, at: usize) -> bool {
        self.0.last().is_some_and(|last| at < last.end)
    }

    /// The stretches, with borders that are borders of words.
    pub fn within(self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let border =
            |at: usize| (0..4).map(|back| at.saturating_sub(back)).find(|at| text.is_char_boundary(*at));
        self.0
            .into_iter()
            .map(move |it| border(it.start).unwrap_or(0)..word_end(text, border(it.end).unwrap_or(0)))
    }
}

/// A few words around a byte.
pub(super) fn around(text: &str, at: usize) -> Range<usize> {
    let border = |at: usize| (0..4).map(|back| at.saturating_sub(back)).find(|at| text.is_char_boundary(*at));
    let from = border(at.saturating_sub(56)).unwrap_or(0);
    let words = text.get(from..at).and_then(|it| it.find(|letter: char| !letter.is_alphanumeric()));
    // Not from within a word, unless it is a long one or the first.
    let words = words.filter(|_| from > 0);
    from + words.unwrap_or(0)..word_end(text, border((at + 72).min(text.len())).unwrap_or(0))
}

/// The end of the word that goes on at this byte; at most 64 bytes further.
pub(super) fn word_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let word = rest.char_indices().take(64).find(|(_, letter)| !letter.is_alphanumeric());
    at + word.map_or_else(|| rest.chars().take(64).map(char::len_utf8).sum(), |(length, _)| length)
}

/// Orders whose letters are written one by one, or with digits for letters: `i g n o r e`, `1gn0r3`.
pub(super) fn spelled_out(text: &str, stretch: Range<usize>, hits: &mut Vec<Hit>) {
    let Some(orders) = ORDERS.as_ref() else { return };
    let mut letters = String::new();
    let mut places = Vec::new();
    for (at, letter) in text.get(stretch.clone()).unwrap_or_default().char_indices() {
        let letter = match letter.to_ascii_lowercase() {
            'l' | '1' | '!' | '|' => 'i',
            '0' => 'o',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            letter if letter.is_ascii_alphabetic() => letter,
            _ => continue,
        };
        letters.push(letter);
        places.push(stretch.start + at);
    }
    for order in orders.find_iter(&letters) {
        let ends = places.get(order.start()).zip(places.get(order.end() - 1));
        let spans = ends.map(|(first, last)| *first..*last + 1);
        let odd = spans.filter(|span| text.get(span.clone()).is_some_and(|said| !is_written_plainly(said)));
        hits.extend(odd.map(|span| hit("template", 85, span)));
    }
}

/// Whether most of it is ordinary words: those are read as words, with what is said around them.
fn is_written_plainly(said: &str) -> bool {
    let plain = |word: &&str| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let words = said.split(|letter: char| !letter.is_alphanumeric());
    2 * words.filter(plain).map(str::len).sum::<usize>() > said.len()
}

/// In letters that [`spelled_out`] leaves: `l` is `i`.
static ORDERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let verb = "ignore|disregard|forget|override|overruie|bypass|reveai|discio?se|print|output";
    let those = "previous|prior|above|eariier|originai|system|hidden|secret|safety|your|aii";
    let orders = "instruct|prompt|ruies|guideiine|directive|orders|command|messages";
    Regex::new(&format!("(?:{verb})[a-z]{{0,24}}?(?:{those})[a-z]{{0,12}}?(?:{orders})[a-z]?s?")).ok()
});

/// Words that say that what is quoted is spoken of.
const SPOKEN_OF: &[&str] = &[
    "phrase",
    "phrases",
    "pattern",
    "patterns",
    "example",
    "examples",
    "wording",
    "string",
    "strings",
    "such",
    "like",
    "called",
    "detect",
    "detects",
    "detector",
    "detectors",
    "detected",
    "detection",
    "block",
    "blocks",
    "blocked",
    "describes",
    "described",
    "attack",
    "attacks",
    "attacker",
    "attackers",
    "injection",
    "injections",
    "jailbreak",
    "jailbreaks",
    "filter",
    "filters",
    "quote",
    "quoted",
    "quotes",
    "assert",
    "asserts",
    "test",
    "tests",
    "fixture",
    "flag",
    "flags",
    "flagged",
    "known",
    "match",
    "matches",
    "regex",
    "expect",
    "scanner",
    "sample",
    "rejects",
    "reject",
    "malicious",
    "payload",
    "payloads",
    "classic",
    "keyword",
    "keywords",
];

/// Whether the phrase stands in quotes of its own and the words around say that it is an example. Whoever
/// writes an order can write it that way, too: so it is reported, at a lower confidence.
pub(super) fn only_named(text: &str, span: &Range<usize>, tokens: &Tokens, words: &Range<usize>) -> bool {
    let before = text.get(..span.start).and_then(|it| it.chars().rev().find(|it| !it.is_whitespace()));
    let rest = text.get(span.end..).unwrap_or_default();
    let closes = rest.char_indices().take(32).find(|(_, it)| is_quote(*it)).map(|(at, _)| at);
    let Some(closes) = closes.filter(|_| before.is_some_and(is_quote)) else { return false };
    if rest.get(..closes).is_some_and(|it| it.contains(['.', ':', '\n', ';'])) {
        return false;
    }
    let around = words.start.saturating_sub(10)..(words.end + 8).min(tokens.list.len());
    let mut around = tokens.list.get(around).unwrap_or_default().iter();
    around.any(|token| SPOKEN_OF.contains(&tokens.form(token)))
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' | '«' | '»' | '「' | '」' | '*')
}
