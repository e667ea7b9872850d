//! Texts that try to give orders to a model: a first filter, and no more than that.
//!
//! Answerable for one pass over one layer of text: known phrases in the larger languages, borders that only a
//! chat template may draw, links that carry data, orders in tool descriptions, and the score of a small
//! linear model. Knows nothing of who wrote the text or what it may lead to; `docs/injection.md` says what
//! such a filter can and cannot do.
//!
//! Every word is looked at once, as two hashes; what those wake is read again, slowly, and nothing else.

mod grammar;
mod marks;
mod model;
mod stretch;
mod token;
mod walk;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use verdict::Risk;

use self::grammar::{Grammar, State};
use self::model::{Sum, Table};
use self::token::Tokens;
use crate::Hit;

/// The score from which on a text is reported for its score alone. Chosen on sources that the model had not
/// seen, so that fewer than one benign text in a hundred reaches it.
pub const REPORTED: u8 = 50;

/// From this confidence on a finding says that the text gives orders; below it, that it speaks of such texts.
pub const SPEAKS: u8 = 50;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::read(include_str!("../data/injection.tsv")));

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&GRAMMAR.triggers()));

/// Adds what gives orders in `text`, one layer of a text that was already normalised. Spans are bytes of it.
/// Linear in the length of the text.
pub fn find(text: &str, hits: &mut Vec<Hit>) {
    let table = &*TABLE;
    let mut sum = Sum::default();
    let mut stretches = stretch::Stretches::default();
    let mut scored: Vec<(Range<usize>, u8)> = Vec::new();
    let reported = model::threshold(REPORTED);
    let each = |word: walk::Word| {
        let (weight, woken) = table.weigh(word);
        if let Some(window) = sum.add(weight, word.at).filter(|window| *window >= reported) {
            note(&mut scored, sum.window(word.at), model::calibrated(window));
        }
        if woken {
            wake(text, word, table, &mut stretches);
        }
    };
    let spelled = std::cell::RefCell::new(stretch::Stretches::default());
    walk::walk(text, each, |at| spelled.borrow_mut().around(at, text.len()));
    if let Some(short) = sum.short().filter(|short| *short >= reported) {
        note(&mut scored, 0..text.len(), model::calibrated(short));
    }
    for (span, score) in scored {
        let end = stretch::word_end(text, span.end);
        hits.push(hit("score", score, span.start..end));
    }
    // Most texts need none.
    let mut state = None;
    for stretch in stretches.within(text) {
        read(text, stretch, state.get_or_insert_with(|| State::of(&GRAMMAR)), hits);
    }
    for stretch in spelled.into_inner().within(text) {
        stretch::spelled_out(text, stretch, hits);
    }
}

/// How much `text` looks like orders to a model, from 0 to 100: what the model gives its worst window of
/// sixteen words. Nothing should be refused for it alone.
pub fn score(text: &str) -> u8 {
    let table = &*TABLE;
    let (mut sum, mut best) = (Sum::default(), i32::MIN);
    let each = |word: walk::Word| {
        if let Some(window) = sum.add(table.weigh(word).0, word.at) {
            best = best.max(window);
        }
    };
    walk::walk(text, each, |_| ());
    model::calibrated(sum.short().unwrap_or(best))
}

/// What the model sees of `text`, word by word: the hash of the word and that of the word with the one before
/// it. For training.
pub fn features(text: &str, mut each: impl FnMut([u16; 2])) {
    walk::walk(
        text,
        |word| each([walk::alone(word.key).index, walk::pair(word.before, word.key).index]),
        |_| (),
    );
}

/// Wakes the search around a word, if it really is a trigger.
#[cold]
#[inline(never)]
fn wake(text: &str, word: walk::Word, table: &Table, stretches: &mut stretch::Stretches) {
    // Where a stretch is read anyway, it costs less to read on than to find out whether one has to.
    if table.marks(text, word)
        || (table.triggers(word) && (stretches.reach(word.at) || is_phrase(text, word.at)))
    {
        stretches.around(word.at, text.len());
    }
}

/// Whether the words around a trigger are all of the phrase that it belongs to.
fn is_phrase(text: &str, at: usize) -> bool {
    GRAMMAR.is_woken_by(&Tokens::of(text, stretch::around(text, at)))
}

/// What each word counts in a text of so many words, in sixty-fourths: a short text has fewer to say it with.
pub fn share(words: usize) -> u8 {
    model::share(words)
}

/// Joins windows that overlap.
#[cold]
#[inline(never)]
fn note(scored: &mut Vec<(Range<usize>, u8)>, window: Range<usize>, score: u8) {
    match scored.last_mut() {
        Some((last, best)) if window.start <= last.end => {
            last.end = window.end;
            *best = score.max(*best);
        }
        _ => scored.push((window, score)),
    }
}

/// Reads one stretch in full.
fn read(text: &str, stretch: Range<usize>, state: &mut State, hits: &mut Vec<Hit>) {
    let grammar = &*GRAMMAR;
    let tokens = Tokens::of(text, stretch.clone());
    let mut found: Vec<Hit> = Vec::new();
    grammar.find(&tokens, state, |it| {
        let words = tokens.list.get(it.words.clone()).unwrap_or_default();
        let (Some(pattern), Some(first), Some(last)) =
            (grammar.patterns.get(it.pattern), words.first(), words.last())
        else {
            return;
        };
        let span = first.span.start..last.span.end;
        let only_named = stretch::only_named(text, &span, &tokens, &it.words);
        let confidence = if only_named { pattern.confidence.min(SPEAKS - 10) } else { pattern.confidence };
        keep(&mut found, hit(pattern.name, confidence, span));
    });
    marks::find(text, stretch, |(name, confidence, span)| keep(&mut found, hit(name, confidence, span)));
    hits.append(&mut found);
}

/// Keeps one hit of a name for what overlaps: the surest.
fn keep(found: &mut Vec<Hit>, new: Hit) {
    let near = found.iter_mut().rev().take(8);
    let same = near
        .into_iter()
        .find(|old| old.name == new.name && old.span.start < new.span.end && new.span.start < old.span.end);
    match same {
        Some(old) => {
            let span = old.span.start.min(new.span.start)..old.span.end.max(new.span.end);
            if new.confidence > old.confidence {
                *old = new;
            }
            old.span = span;
        }
        None => found.push(new),
    }
}

fn hit(name: &'static str, confidence: u8, span: Range<usize>) -> Hit {
    let severity = match name {
        "score" => Risk::Low,
        _ if confidence >= 75 => Risk::High,
        _ if confidence >= SPEAKS => Risk::Medium,
        _ => Risk::Low,
    };
    Hit { kind: "prompt_injection", name: Cow::Borrowed(name), span, severity, confidence, verified: None }
}
