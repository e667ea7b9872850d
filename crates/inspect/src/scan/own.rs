//! What only the operator knows: patterns, values that are secret, canaries.
//!
//! A value is found as it is, and in the disguises that let it slip by: split, encoded, reversed, partly masked.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use verdict::Risk;

use super::Wanted;
use crate::Hit;

/// The most memory that the patterns of one scanner may take, in bytes.
const MEMORY: usize = 64 << 20;
/// The shortest value that is looked for in disguise: a shorter one would be seen everywhere.
const SHORTEST: usize = 6;

/// Patterns and values, ready to be looked for.
#[derive(Debug)]
pub(super) struct Own {
    /// All patterns at once, to know which to look at one by one.
    all: Option<Regex>,
    patterns: Vec<(String, Regex)>,
    spelled: Option<AhoCorasick>,
    /// For each spelling, whether it is a canary's.
    of: Vec<bool>,
    squeezed: Option<AhoCorasick>,
    squeezed_of: Vec<bool>,
    values: Vec<(String, bool)>,
}

impl Own {
    pub(super) fn new(wanted: &Wanted) -> Result<Self, String> {
        let build = |sources: &[&str]| {
            let config = Regex::config().nfa_size_limit(Some(MEMORY));
            Regex::builder().configure(config).syntax(syntax::Config::new()).build_many(sources)
        };
        let mut patterns = Vec::new();
        for (name, source) in &wanted.patterns {
            let built =
                build(&[source]).map_err(|why| format!("the pattern `{name}` cannot be used: {why}"))?;
            patterns.push((name.clone(), built));
        }
        let sources: Vec<&str> = wanted.patterns.iter().map(|(_, source)| source.as_str()).collect();
        let all = match sources.len() {
            0 | 1 => None,
            _ => Some(build(&sources).map_err(|why| format!("the patterns take too much together: {why}"))?),
        };
        let values: Vec<(String, bool)> = (wanted.declared.iter().map(|it| (it.clone(), false)))
            .chain(wanted.canaries.iter().map(|it| (it.clone(), true)))
            .filter(|(value, _)| !value.is_empty())
            .collect();
        let (mut spellings, mut of) = (Vec::new(), Vec::new());
        let (mut bare, mut squeezed_of) = (Vec::new(), Vec::new());
        for (value, canary) in &values {
            for spelling in spellings_of(value) {
                spellings.push(spelling);
                of.push(*canary);
            }
            let squeezed = squeeze(value).0;
            if squeezed.len() >= SHORTEST {
                bare.push(squeezed);
                squeezed_of.push(*canary);
            }
        }
        let build = |words: &[String]| {
            let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words);
            built.map_err(|why| format!("the declared values cannot be looked for: {why}"))
        };
        let spelled = if spellings.is_empty() { None } else { Some(build(&spellings)?) };
        let squeezed = if bare.is_empty() { None } else { Some(build(&bare)?) };
        Ok(Self { all, patterns, spelled, of, squeezed, squeezed_of, values })
    }

    pub(super) fn find(&self, text: &str, hits: &mut Vec<Hit>) {
        self.patterns_in(text, hits);
        let Some(spelled) = &self.spelled else { return };
        for found in spelled.find_iter(text) {
            let canary = self.of.get(found.pattern().as_usize()).copied().unwrap_or(false);
            hits.push(value(canary, 99, found.start()..found.end()));
        }
        if let Some(squeezed) = &self.squeezed {
            let (bare, places) = squeeze(text);
            for found in squeezed.find_iter(&bare) {
                let place = |at: usize| places.get(at).copied();
                let canary = self.squeezed_of.get(found.pattern().as_usize()).copied().unwrap_or(false);
                if let (Some(start), Some(last)) =
                    (place(found.start()), place(found.end().saturating_sub(1)))
                {
                    hits.push(value(canary, 90, start..last.saturating_add(1)));
                }
            }
        }
        for (known, canary) in &self.values {
            masked(text, known, *canary, hits);
        }
    }

    fn patterns_in(&self, text: &str, hits: &mut Vec<Hit>) {
        let look = |(name, regex): &(String, Regex), hits: &mut Vec<Hit>| {
            hits.extend(regex.find_iter(text).filter(|it| !it.is_empty()).map(|it| Hit {
                kind: "pattern",
                name: Cow::Owned(name.clone()),
                span: it.range(),
                severity: Risk::Medium,
                confidence: 100,
                verified: None,
            }));
        };
        match &self.all {
            None => self.patterns.iter().for_each(|pattern| look(pattern, hits)),
            Some(all) if !all.is_match(text) => (),
            Some(all) => {
                let mut which = regex_automata::PatternSet::new(all.pattern_len());
                all.which_overlapping_matches(&regex_automata::Input::new(text), &mut which);
                let matching = which.iter().filter_map(|id| self.patterns.get(id.as_usize()));
                matching.for_each(|pattern| look(pattern, hits));
            }
        }
    }
}

fn value(canary: bool, confidence: u8, span: std::ops::Range<usize>) -> Hit {
    let (kind, name) = if canary { ("canary", "canary") } else { ("secret", "declared") };
    Hit { kind, name: Cow::Borrowed(name), span, severity: Risk::Critical, confidence, verified: Some(true) }
}

/// A value as it is, and encoded: base64 (wherever it starts among three bytes), hex, percent signs, reversed.
fn spellings_of(value: &str) -> Vec<String> {
    let mut all = vec![value.to_owned()];
    if value.len() < SHORTEST {
        return all;
    }
    let bytes = value.as_bytes();
    for before in 0..3_usize {
        let mut padded = vec![0_u8; before];
        padded.extend_from_slice(bytes);
        for engine in [
            base64::engine::general_purpose::STANDARD_NO_PAD,
            base64::engine::general_purpose::URL_SAFE_NO_PAD,
        ] {
            let encoded = engine.encode(&padded);
            // The characters that only our bytes decide.
            let (first, rest) = ([0, 2, 3].get(before).copied().unwrap_or(0), padded.len() % 3);
            let last = encoded.len().saturating_sub(usize::from(rest != 0));
            all.extend(encoded.get(first..last).filter(|it| it.len() >= SHORTEST).map(str::to_owned));
        }
    }
    let hex = verdict::hex(bytes);
    all.push(hex.to_uppercase());
    all.push(hex);
    all.push(bytes.iter().map(|b| format!("%{b:02X}")).collect());
    all.push(
        bytes
            .iter()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { format!("%{b:02X}") })
            .collect(),
    );
    all.push(value.chars().rev().collect());
    all.sort();
    all.dedup();
    all
}

/// The letters and digits of a text, and where each byte of them stands.
fn squeeze(text: &str) -> (String, Vec<usize>) {
    let (mut bare, mut places) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()) {
        bare.push(char::from(byte));
        places.push(at);
    }
    (bare, places)
}

/// Finds a value of which the middle is masked: a quarter of it in front, a mask, and its end behind.
fn masked(text: &str, known: &str, canary: bool, hits: &mut Vec<Hit>) {
    let shown = known.len().div_euclid(4).max(4);
    let (Some(front), true) = (known.get(..shown), known.len() >= 12) else { return };
    for start in memchr::memmem::find_iter(text.as_bytes(), front) {
        let rest = text.get(start..).unwrap_or_default();
        let same = rest.bytes().zip(known.bytes()).take_while(|(a, b)| a == b).count();
        let Some(after) = rest.get(same..) else { continue };
        let mask: usize = after
            .chars()
            .take_while(|c| matches!(c, '*' | '•' | '.' | 'x' | 'X' | '…' | '#' | '-' | '█'))
            .map(char::len_utf8)
            .sum();
        let tail = after.get(mask..).unwrap_or_default();
        let end = (2..=known.len().saturating_sub(same)).rev().find(|n| {
            known
                .len()
                .checked_sub(*n)
                .and_then(|at| known.get(at..))
                .is_some_and(|end| tail.starts_with(end))
        });
        if mask >= 2 && (end.is_some() || same.saturating_mul(2) >= known.len()) {
            let length = same.saturating_add(mask).saturating_add(end.unwrap_or(0));
            hits.push(value(canary, 70, start..start.saturating_add(length)));
        }
    }
}
