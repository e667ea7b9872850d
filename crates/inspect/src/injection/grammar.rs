//! Phrases as sequences of word classes with gaps between them, and finding them in words.
//!
//! Answerable for reading the table of phrases and for matching all of them in one pass over the words: what
//! stands between words never matters. Knows no phrase itself: those are data.
//!
//! A pattern only remembers where each of its elements was last seen, so a word costs as many steps as there
//! are elements it fits, whatever the text: gaps have an upper bound alone, and for that the latest is the best.

use std::collections::BTreeMap;
use std::ops::Range;

use super::token::{self, Tokens};

/// A phrase that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Which line of the table.
    pub pattern: usize,
    /// The first of its words and the first after it.
    pub words: Range<usize>,
}

/// What a pattern is called and how sure it makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// `template`, `instruction`, ...
    pub name: &'static str,
    /// In hundredths.
    pub confidence: u8,
    elements: Vec<Element>,
    /// Its first slot in [`State::patterns`].
    slot: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Element {
    class: usize,
    /// How many words at most may stand before it.
    gap: usize,
    /// True for the element that wakes the search.
    wakes: bool,
}

/// One way to say a class: some words in a row.
#[derive(Clone, Debug)]
struct Phrase {
    class: usize,
    words: Vec<Spelling>,
    /// Its first slot in [`State::phrases`].
    slot: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Spelling {
    text: &'static str,
    /// True if longer words count, too.
    stem: bool,
}

/// The table, ready to be matched.
pub(super) struct Grammar {
    /// The patterns, in the order of the table.
    pub patterns: Vec<Pattern>,
    phrases: Vec<Phrase>,
    /// By the first four bytes of a word: the phrases and which of their words it may be.
    by_word: BTreeMap<[u8; 4], Vec<(usize, usize)>>,
    /// By class: the patterns and which of their elements it is.
    by_class: Vec<Vec<(usize, usize)>>,
}

/// What wakes the search: a word, or two words in a row, by their first letters.
pub(super) type Trigger = (Option<&'static str>, &'static str);

impl Grammar {
    /// Reads the table. A line that makes no sense is left out; a test sees to it that there is none.
    pub fn read(table: &'static str) -> Self {
        let mut grammar = Self {
            patterns: Vec::new(),
            phrases: Vec::new(),
            by_word: BTreeMap::new(),
            by_class: Vec::new(),
        };
        let mut names: BTreeMap<&'static str, usize> = BTreeMap::new();
        for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields = line.splitn(3, '\t');
            let (Some(first), Some(second), third) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            match (first.strip_prefix('='), third) {
                (Some(name), _) => {
                    let class = grammar.class(second);
                    names.insert(name, class);
                }
                (None, Some(words)) => grammar.pattern(first, second, words, &names),
                (None, None) => {}
            }
        }
        grammar.index();
        grammar
    }

    /// A class said in one of the ways between `|`.
    fn class(&mut self, ways: &'static str) -> usize {
        let class = self.by_class.len();
        self.by_class.push(Vec::new());
        for way in ways.split('|') {
            let words = way.split([' ', '_']).flat_map(token::split).filter(|word| !word.is_empty());
            let words = words
                .map(|word| Spelling { text: word.trim_end_matches('*'), stem: word.ends_with('*') })
                .collect();
            let slot = self.phrases.last().map_or(0, |last| last.slot + last.words.len());
            self.phrases.push(Phrase { class, words, slot });
        }
        class
    }

    fn pattern(
        &mut self,
        name: &'static str,
        confidence: &str,
        words: &'static str,
        names: &BTreeMap<&'static str, usize>,
    ) {
        let mut elements = Vec::new();
        let mut gap = 0;
        for word in words.split(' ').filter(|word| !word.is_empty()) {
            if let Some(most) = word.strip_prefix("..") {
                gap = most.parse().unwrap_or_default();
                continue;
            }
            let wakes = word.ends_with('!');
            let word = word.trim_end_matches('!');
            let class = match word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) {
                Some(class) => names.get(class).copied(),
                None => Some(self.class(word)),
            };
            let Some(class) = class else { return };
            elements.push(Element { class, gap, wakes });
            gap = 0;
        }
        let confidence = confidence.parse().unwrap_or_default();
        let slot = self.patterns.last().map_or(0, |last| last.slot + last.elements.len());
        self.patterns.push(Pattern { name, confidence, elements, slot });
    }

    fn index(&mut self) {
        for (at, phrase) in self.phrases.iter().enumerate() {
            for (nth, spelling) in phrase.words.iter().enumerate() {
                self.by_word.entry(first_four(spelling.text)).or_default().push((at, nth));
            }
        }
        // Later words first, so that one word is never two of the same phrase.
        self.by_word.values_mut().for_each(|list| list.sort_by_key(|(_, nth)| std::cmp::Reverse(*nth)));
        for (at, pattern) in self.patterns.iter().enumerate() {
            for (nth, element) in pattern.elements.iter().enumerate().rev() {
                if let Some(list) = self.by_class.get_mut(element.class) {
                    list.push((at, nth));
                }
            }
        }
    }

    /// Everything that wakes the search.
    pub fn triggers(&self) -> Vec<Trigger> {
        let waking = |class| {
            let of = |pattern: &Pattern| pattern.elements.iter().any(|it| it.wakes && it.class == class);
            self.patterns.iter().any(of)
        };
        let mut triggers = Vec::new();
        for phrase in self.phrases.iter().filter(|phrase| waking(phrase.class)) {
            match phrase.words.as_slice() {
                [one] => triggers.push((None, one.text)),
                [first, second, ..] => triggers.push((Some(first.text), second.text)),
                [] => {}
            }
        }
        triggers
    }

    /// Calls `found` for every phrase among the words. `state` is what remains of earlier stretches of the same
    /// text: it saves making a new one, and no phrase spans two stretches.
    pub fn find(&self, tokens: &Tokens, state: &mut State, mut found: impl FnMut(Found)) {
        let mut said = Vec::new();
        for (at, token) in tokens.list.iter().enumerate() {
            self.say(tokens.form(token), state.base + at, state, &mut said);
            for (class, start) in said.drain(..) {
                let words = start..state.base + at + 1;
                for (pattern, nth) in self.by_class.get(class).into_iter().flatten() {
                    if let Some(first) = self.step(*pattern, *nth, &words, state) {
                        found(Found { pattern: *pattern, words: first - state.base..at + 1 });
                    }
                }
            }
        }
        state.base += tokens.list.len() + APART;
    }

    /// The classes that end with this word, and the word each began with.
    fn say(&self, form: &str, at: usize, state: &mut State, said: &mut Vec<(usize, usize)>) {
        for (phrase, nth) in self.by_word.get(&first_four(form)).into_iter().flatten() {
            let Some(rule) = self.phrases.get(*phrase) else { continue };
            let fits = rule
                .words
                .get(*nth)
                .is_some_and(|word| if word.stem { form.starts_with(word.text) } else { form == word.text });
            let before = nth.checked_sub(1).map(|nth| state.phrases.get(rule.slot + nth).copied());
            if !fits || before.is_some_and(|last| last != Some(at)) {
                continue;
            }
            if nth + 1 == rule.words.len() {
                said.push((rule.class, at - nth));
            } else if let Some(slot) = state.phrases.get_mut(rule.slot + nth) {
                *slot = at + 1;
            }
        }
    }

    /// Notes that the element was seen; the first word of the pattern if that completes it.
    fn step(&self, pattern: usize, nth: usize, words: &Range<usize>, state: &mut State) -> Option<usize> {
        let rule = self.patterns.get(pattern)?;
        let element = rule.elements.get(nth)?;
        let first = match nth.checked_sub(1) {
            None => words.start,
            Some(before) => {
                let last = state.patterns.get(rule.slot + before)?;
                if last.end > words.start || words.start - last.end > element.gap {
                    return None;
                }
                last.first
            }
        };
        if nth + 1 == rule.elements.len() {
            return Some(first);
        }
        *state.patterns.get_mut(rule.slot + nth)? = Seen { first, end: words.end };
        None
    }
}

/// How far apart the words of two stretches count as being: more than any gap.
const APART: usize = 1_000;

/// Where each word of each phrase and each element of each pattern was last seen.
pub(super) struct State {
    /// The number of the first word of the stretch.
    base: usize,
    /// The word after; 0 if it was not seen.
    phrases: Vec<usize>,
    patterns: Vec<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// The first word of the pattern.
    first: usize,
    /// The first word after this element; 0 if it was not seen.
    end: usize,
}

impl State {
    /// Nothing was seen yet.
    pub fn of(grammar: &Grammar) -> Self {
        let phrases = grammar.phrases.last().map_or(0, |last| last.slot + last.words.len());
        let patterns = grammar.patterns.last().map_or(0, |last| last.slot + last.elements.len());
        Self { base: APART, phrases: vec![0; phrases], patterns: vec![Seen::default(); patterns] }
    }
}

fn first_four(word: &str) -> [u8; 4] {
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(word.bytes()) {
        *to = from;
    }
    four
}
