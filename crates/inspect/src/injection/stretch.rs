//! Which stretches of a text are read again in full, and what stands around a phrase.
//!
//! Answerable for the borders of stretches, for letters that are written one by one, and for telling a phrase
//! that is only spoken of from one that is said.

use std::ops::Range;

use super::token::Tokens;
use super::{SPEAKS, hit, keep};
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
    // Not from within a word, unless it is a long one.
    from + words.unwrap_or(0)..word_end(text, border((at + 72).min(text.len())).unwrap_or(0))
}

/// The end of the word that goes on at this byte; at most 64 bytes further.
pub(super) fn word_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let word = rest.char_indices().take(64).find(|(_, letter)| !letter.is_alphanumeric());
    at + word.map_or_else(|| rest.chars().take(64).map(char::len_utf8).sum(), |(length, _)| length)
}

/// Orders whose letters are written one by one: `i g n o r e   a l l`.
pub(super) fn spelled_out(text: &str, stretch: Range<usize>, hits: &mut Vec<Hit>) {
    let tokens = Tokens::of(text, stretch);
    let mut found = Vec::new();
    let mut run = String::new();
    let mut from = 0;
    let end = tokens.list.last().map_or(0, |last| last.span.end);
    for token in &tokens.list {
        let form = tokens.form(token);
        if form.chars().nth(1).is_none() {
            if run.is_empty() {
                from = token.span.start;
            }
            run.push_str(form);
            continue;
        }
        orders(&run, from..token.span.start, &mut found);
        run.clear();
    }
    orders(&run, from..end, &mut found);
    hits.append(&mut found);
}

fn orders(run: &str, span: Range<usize>, found: &mut Vec<Hit>) {
    let has = |words: &[&str]| words.iter().any(|word| run.contains(word));
    if run.len() >= 12
        && has(&["ignore", "disregard", "forget", "override", "bypass", "reveal", "print"])
        && has(&["instruction", "prompt", "rules", "guideline", "directive", "above", "previous"])
    {
        keep(found, hit("template", 85, span));
    }
}

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
    SPEAKS > 10 && around.any(|token| SPOKEN_OF.contains(&tokens.form(token)))
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' | '«' | '»' | '「' | '」' | '*')
}
