//! Placeholders where something may not be seen: typed, and the same for the same thing, so that an agent can go
//! on speaking of it.
//!
//! Answerable for no replaced value being left anywhere in the text, and for putting back exactly what was kept
//! for that. A session's names are a value of the caller's; where values are not kept it holds digests under the
//! caller's key and nothing else. Which finding is replaced is decided elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use sha2::{Digest, Sha256};
use verdict::{Json, json::Map};

use crate::Hit;

/// Values shorter than this are replaced where they were found, and not looked for elsewhere.
const LEAST: usize = 4;

/// The names of one session's values.
#[derive(Clone, Default)]
pub struct Placeholders {
    key: [u8; 32],
    /// Keyed digests of values, and what they are called.
    known: BTreeMap<[u8; 16], String>,
    /// How many of each kind and name there are.
    counts: BTreeMap<String, u32>,
    /// What a placeholder stands for, where it may be put back.
    kept: BTreeMap<String, String>,
}

impl fmt::Debug for Placeholders {
    /// Counts only: what is kept is what must not be seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placeholders")
            .field("known", &self.known.len())
            .field("kept", &self.kept.len())
            .finish()
    }
}

impl Placeholders {
    /// None yet. Values are remembered as digests under `key`, 32 random bytes that stay with the caller.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, ..Self::default() }
    }

    /// What is known, as it may be stored: digests and names, and no value.
    pub fn digests(&self) -> impl Iterator<Item = (&[u8; 16], &str)> {
        self.known.iter().map(|(digest, name)| (digest, name.as_str()))
    }

    /// Those of an earlier run under the same key. What was kept for putting back is not among it.
    pub fn remembered(key: [u8; 32], digests: impl IntoIterator<Item = ([u8; 16], String)>) -> Self {
        let mut names = Self::new(key);
        for (digest, name) in digests {
            let label = name.trim_matches(['[', ']']);
            let (base, number) =
                match label.rsplit_once(':').and_then(|(base, number)| Some((base, number.parse().ok()?))) {
                    Some((base, number)) => (base.to_owned(), number),
                    None => (label.to_owned(), 1),
                };
            let count = names.counts.entry(base).or_default();
            *count = number.max(*count);
            names.known.insert(digest, name);
        }
        names
    }

    /// The placeholder of a value: the one it has, or the next.
    fn name(&mut self, hit: &Hit, value: &str, keep: bool) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(hit.kind.as_bytes());
        hash.update([0]);
        hash.update(value.as_bytes());
        let whole: [u8; 32] = hash.finalize().into();
        let digest = whole.first_chunk::<16>().copied().unwrap_or_default();
        let counts = &mut self.counts;
        let name = self.known.entry(digest).or_insert_with(|| {
            let clean =
                |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
            let name: String = hit.name.chars().take(60).map(clean).collect();
            let label = format!("{}:{name}", hit.kind);
            let count = counts.entry(label.clone()).or_default();
            *count += 1;
            if *count == 1 { format!("[{label}]") } else { format!("[{label}:{count}]") }
        });
        if keep {
            self.kept.entry(name.clone()).or_insert_with(|| value.to_owned());
        }
        name.clone()
    }
}

/// The text with placeholders in place of what `gone` and `kept` found; what `kept` found can be put back. Spans
/// are bytes of `text`; what overlaps is replaced together. A value that was replaced once is replaced wherever
/// else it stands.
pub fn redact(text: &str, gone: &[Hit], kept: &[Hit], names: &mut Placeholders) -> String {
    let mut spans: Vec<(Range<usize>, &Hit, bool)> = Vec::new();
    for (hit, keep) in gone.iter().map(|hit| (hit, false)).chain(kept.iter().map(|hit| (hit, true))) {
        let span = widened(text, &hit.span);
        if !span.is_empty() {
            spans.push((span, hit, keep));
        }
    }
    spans.sort_by_key(|(span, hit, _)| (span.start, std::cmp::Reverse((span.end, hit.confidence))));
    let mut merged: Vec<(Range<usize>, &Hit, bool)> = Vec::new();
    for (span, hit, keep) in spans {
        match merged.last_mut() {
            Some((before, named, kept)) if span.start < before.end => {
                before.end = before.end.max(span.end);
                // What may not come back wins.
                *kept = *kept && keep;
                if hit.confidence > named.confidence {
                    *named = hit;
                }
            }
            _ => merged.push((span, hit, keep)),
        }
    }
    let mut values: Vec<(&str, String)> = Vec::new();
    for (span, hit, keep) in &merged {
        let value = text.get(span.clone()).unwrap_or_default();
        values.push((value, names.name(hit, value, *keep)));
    }
    let mut written = String::with_capacity(text.len());
    let everywhere = Elsewhere::new(&values);
    let mut at = 0;
    for ((span, ..), (_, name)) in merged.iter().zip(&values) {
        everywhere.write(text.get(at..span.start).unwrap_or_default(), &mut written);
        written.push_str(name);
        at = span.end;
    }
    everywhere.write(text.get(at..).unwrap_or_default(), &mut written);
    written
}

/// The span, grown to whole characters and cut to the text.
fn widened(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end =
        (span.end.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    start..end.max(start)
}

/// Replaced values where nothing found them.
struct Elsewhere<'v> {
    values: Vec<&'v (&'v str, String)>,
    search: Option<aho_corasick::AhoCorasick>,
}

impl<'v> Elsewhere<'v> {
    fn new(values: &'v [(&'v str, String)]) -> Self {
        let values: Vec<_> = values.iter().filter(|(value, _)| value.len() >= LEAST).collect();
        let search = aho_corasick::AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostLongest)
            .build(values.iter().map(|(value, _)| value))
            .ok()
            .filter(|_| !values.is_empty());
        Self { values, search }
    }

    fn write(&self, text: &str, written: &mut String) {
        let Some(search) = &self.search else { return written.push_str(text) };
        let mut at = 0;
        for found in search.find_iter(text) {
            written.push_str(text.get(at..found.start()).unwrap_or_default());
            if let Some((_, name)) = self.values.get(found.pattern().as_usize()) {
                written.push_str(name);
            }
            at = found.end();
        }
        written.push_str(text.get(at..).unwrap_or_default());
    }
}

/// The text with every placeholder whose value was kept put back. Others stay.
pub fn restore(text: &str, names: &Placeholders) -> String {
    if names.kept.is_empty() {
        return text.to_owned();
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        written.push_str(before);
        let len = from.bytes().take(120).position(|byte| byte == b']').map(|at| at + 1);
        let placeholder = len.and_then(|len| from.get(..len));
        match placeholder.and_then(|placeholder| Some((names.kept.get(placeholder)?, placeholder.len()))) {
            Some((value, len)) => {
                written.push_str(value);
                rest = from.get(len..).unwrap_or_default();
            }
            None => {
                written.push('[');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    written.push_str(rest);
    written
}

/// The value with placeholders in every text of it, keys as well. `None` if two keys of one object would become
/// one.
pub fn redact_json(json: &Json, find: &impl Fn(&str) -> Vec<Hit>, names: &mut Placeholders) -> Option<Json> {
    let text = |text: &str, names: &mut Placeholders| redact(text, &find(text), &[], names);
    Some(match json {
        Json::Str(it) => Json::Str(text(it, names)),
        Json::List(items) => {
            Json::List(items.iter().map(|item| redact_json(item, find, names)).collect::<Option<_>>()?)
        }
        Json::Map(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                pairs.push((text(key, names), redact_json(value, find, names)?));
            }
            Json::Map(Map::from_pairs(pairs).ok()?)
        }
        other => other.clone(),
    })
}
