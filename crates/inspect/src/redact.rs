//! Texts without what was found in them: typed placeholders, the same for the same value.
//!
//! Answerable for nothing of a found value being left, wherever else in the text it stands, and for an agent being
//! able to tell two values apart. Keeps no value, unless it is to be put back.

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::Hit;

/// What stands for which value, for as long as it is kept: a session's.
#[derive(Clone)]
pub struct Placeholders {
    /// So that nobody who sees the digests can try values.
    key: [u8; 32],
    /// By kind and digest of the value.
    numbers: BTreeMap<(String, [u8; 32]), usize>,
    /// How many there are of a kind.
    counts: BTreeMap<String, usize>,
    /// The values that may be put back.
    values: BTreeMap<String, String>,
}

impl std::fmt::Debug for Placeholders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} placeholders", self.numbers.len())
    }
}

/// The most values that one session keeps apart; the rest share one placeholder of their kind.
const MOST: usize = 10_000;
/// The shortest value that is replaced wherever it stands: a shorter one is part of too many words.
const SHORTEST: usize = 8;

impl Placeholders {
    /// None yet. Digests of values are made under `key`.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, numbers: BTreeMap::new(), counts: BTreeMap::new(), values: BTreeMap::new() }
    }

    /// The placeholder for a value: `[secret:aws_access_key]`, and `[secret:aws_access_key:2]` for the second one.
    fn of(&mut self, what: &str, value: &str) -> String {
        let digest = Sha256::new().chain_update(self.key).chain_update(value).finalize().into();
        let full = self.numbers.len() >= MOST;
        let number = match self.numbers.get(&(what.to_owned(), digest)) {
            Some(number) => *number,
            None if full => return format!("[{what}:more]"),
            None => {
                let count = self.counts.entry(what.to_owned()).or_default();
                *count = count.saturating_add(1);
                self.numbers.insert((what.to_owned(), digest), *count);
                *count
            }
        };
        if number == 1 { format!("[{what}]") } else { format!("[{what}:{number}]") }
    }
}

/// `text` with placeholders for `gone` and `kept`. What is `kept` can be put back by [`restore`]. Spans are bytes of
/// `text`.
pub fn redact(text: &str, gone: &[Hit], kept: &[Hit], names: &mut Placeholders) -> String {
    let spots = spots(text, gone, kept);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut replaced: Vec<(String, String)> = Vec::new();
    for spot in spots {
        let value = text.get(spot.span.clone()).unwrap_or_default();
        let placeholder = names.of(&spot.what, value);
        if spot.kept && names.values.len() < MOST {
            names.values.insert(placeholder.clone(), value.to_owned());
        }
        out.push_str(text.get(at..spot.span.start).unwrap_or_default());
        out.push_str(&placeholder);
        at = spot.span.end;
        if value.len() >= SHORTEST && !replaced.iter().any(|(known, _)| known == value) {
            replaced.push((value.to_owned(), placeholder));
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    // The same value where no detector saw it: without its context, in other company.
    for (value, placeholder) in replaced {
        if out.contains(&value) {
            out = out.replace(&value, &placeholder);
        }
    }
    out
}

struct Spot {
    span: Range<usize>,
    what: String,
    kept: bool,
}

/// Where something is replaced: in order, none touching another. What overlaps is one spot, and is put back only if
/// all of it may be.
fn spots(text: &str, gone: &[Hit], kept: &[Hit]) -> Vec<Spot> {
    let spot = |hit: &Hit, kept: bool| {
        let span =
            text.floor_char_boundary(hit.span.start)..text.ceil_char_boundary(hit.span.end.min(text.len()));
        Spot { span, what: format!("{}:{}", hit.kind, hit.name), kept }
    };
    let mut all: Vec<Spot> =
        gone.iter().map(|hit| spot(hit, false)).chain(kept.iter().map(|hit| spot(hit, true))).collect();
    all.retain(|spot| !spot.span.is_empty());
    all.sort_by_key(|spot| (spot.span.start, std::cmp::Reverse(spot.span.end)));
    let mut merged: Vec<Spot> = Vec::with_capacity(all.len());
    for spot in all {
        match merged.last_mut() {
            Some(last) if last.span.end > spot.span.start => {
                last.span.end = last.span.end.max(spot.span.end);
                last.kept &= spot.kept;
            }
            _ => merged.push(spot),
        }
    }
    merged
}

/// `text` with the values that its placeholders stand for, as far as they were kept.
pub fn restore(text: &str, names: &Placeholders) -> String {
    if names.values.is_empty() || !text.contains('[') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let known = after
            .split_once(']')
            .and_then(|(name, tail)| names.values.get(&format!("[{name}]")).map(|value| (value, tail)));
        match known {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('[');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
