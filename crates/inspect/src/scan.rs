//! Everything that is looked for in a text, in one go, and over a stream of pieces.
//!
//! Answerable for which detector sees which reading of a text, for spans in the original, and for one thing
//! being reported once. A long text is looked at in blocks that lie where the text lies, not where its pieces
//! happened to end, so that a stream finds what the whole text finds. Knows no policy.

mod declared;
mod patterns;
mod stream;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use declared::Declared;
use patterns::Patterns;
pub use stream::Stream;
use verdict::Risk;

use crate::glance::{Glance, glance};
use crate::text::{How, Layer, view};
use crate::{Hit, injection, personal, secret, trace};

/// How much of a text is looked at together, and how far around it one looks for what reaches over an end.
pub(crate) const BLOCK: usize = 512 * 1024;
pub(crate) const MARGIN: usize = 16 * 1024;

/// What is looked for. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Keys, tokens, passwords.
    pub secrets: bool,
    /// Personal data.
    pub personal: bool,
    /// Orders to a model.
    pub injection: bool,
    /// Text that only a machine sees.
    pub hidden: bool,
    /// Stack traces and internal errors.
    pub traces: bool,
    /// Names and regular expressions of the operator's.
    pub patterns: Vec<(String, String)>,
    /// Values that the operator declares secret.
    pub declared: Vec<String>,
    /// Texts that are planted to be seen when they leak.
    pub canaries: Vec<String>,
}

impl Wanted {
    /// Every detector, and nothing of an operator's own.
    pub fn all() -> Self {
        Self { secrets: true, personal: true, injection: true, hidden: true, traces: true, ..Self::default() }
    }
}

/// Looks for what is wanted. Built once, used from any thread.
#[derive(Debug)]
pub struct Scanner {
    wanted: Wanted,
    patterns: Patterns,
    declared: Declared,
}

impl Scanner {
    /// Builds it. An error names the pattern that is no regular expression, in a sentence for a person.
    pub fn new(wanted: Wanted) -> Result<Self, String> {
        let patterns = Patterns::new(&wanted.patterns)?;
        let declared = Declared::new(&wanted.declared, &wanted.canaries);
        Ok(Self { wanted, patterns, declared })
    }

    /// Everything found, in the order of where it begins; spans are bytes of `text`. What was found twice is
    /// reported as what it most surely is.
    pub fn scan(&self, text: &str) -> Vec<Hit> {
        if text.len() <= BLOCK {
            return self.block(text);
        }
        let mut hits = Vec::new();
        let mut core = 0;
        while core < text.len() {
            hits.extend(self.core(text, core));
            core += BLOCK;
        }
        hits
    }

    /// The findings that begin in the block at `core`, which is a multiple of [`BLOCK`].
    fn core(&self, text: &str, core: usize) -> Vec<Hit> {
        let from = floor(text, core.saturating_sub(MARGIN));
        let to = floor(text, core + BLOCK + MARGIN);
        let mut hits = self.block(text.get(from..to).unwrap_or_default());
        hits.retain_mut(|hit| {
            hit.span = hit.span.start + from..hit.span.end + from;
            (core..core + BLOCK).contains(&hit.span.start)
        });
        hits
    }

    fn block(&self, text: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        let view = view(text);
        if self.wanted.hidden {
            hits.extend(view.hidden);
        }
        let mut found = Vec::new();
        for layer in &view.layers {
            self.layer(layer, &mut found);
            for mut hit in found.drain(..) {
                hit.span = layer.original(hit.span);
                hits.push(hit);
            }
        }
        // The operator's own words may hold what the normal form takes away.
        let untouched = view.layers.first().is_some_and(|layer| layer.text == text);
        if !untouched {
            self.patterns.find(text, &mut hits);
            self.declared.find(text, &mut hits);
        }
        settle(&mut hits);
        hits
    }

    fn layer(&self, layer: &Layer<'_>, found: &mut Vec<Hit>) {
        let text = layer.text.as_ref();
        let wanted = &self.wanted;
        let seen =
            if wanted.secrets || wanted.personal || wanted.traces { glance(text) } else { Glance::default() };
        if wanted.secrets {
            secret::find_at(text, &seen.secrets, found);
        }
        if wanted.personal {
            personal::find_at(text, &personal::Settings::default(), &seen.titles, found);
        }
        if wanted.traces {
            trace::find_at(text, &seen.anchors, found);
        }
        if self.wanted.injection {
            let from = found.len();
            injection::find(text, found);
            // Nobody hides harmless orders.
            if matches!(layer.how, How::Tags | How::Base64 | How::Hex) {
                for hit in found.iter_mut().skip(from) {
                    hit.severity = hit.severity.max(Risk::High);
                }
            }
        }
        self.patterns.find(text, found);
        self.declared.find(text, found);
    }
}

/// The nearest place at or before `at` that lies between two characters.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// What of a kind overlaps is one thing: the surest, and of those the longest. A number within a key is no
/// telephone number.
fn settle(hits: &mut Vec<Hit>) {
    hits.sort_by_key(|hit| (hit.span.start, Reverse(hit.span.end), Reverse(hit.confidence), hit.kind));
    let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
    // Of a group no two overlap, and hits come by their starts: only the last of it can be met.
    let mut last: BTreeMap<(&'static str, Option<Cow<'static, str>>), usize> = BTreeMap::new();
    for hit in hits.drain(..) {
        let met = last.get(&group(&hit)).copied();
        let rival = met.and_then(|at| kept.get_mut(at)).filter(|other| overlap(&other.span, &hit.span));
        match rival {
            None => {
                last.insert(group(&hit), kept.len());
                kept.push(hit);
            }
            Some(other) if (hit.confidence, hit.span.len()) > (other.confidence, other.span.len()) => {
                *other = hit
            }
            Some(_) => {}
        }
    }
    let keys: Vec<Range<usize>> = kept
        .iter()
        .filter(|hit| hit.kind == "secret" && hit.confidence >= 50)
        .map(|hit| hit.span.clone())
        .collect();
    kept.retain(|hit| {
        let after = keys.partition_point(|key| key.start <= hit.span.start);
        let within = |key: &Range<usize>| key.start <= hit.span.start && hit.span.end <= key.end;
        hit.kind != "personal_data" || !after.checked_sub(1).and_then(|at| keys.get(at)).is_some_and(within)
    });
    kept.sort_by_key(|hit| hit.span.start);
    *hits = kept;
}

/// What can be the same thing: findings of a kind, but each pattern, declared value and canary by itself.
fn group(hit: &Hit) -> (&'static str, Option<Cow<'static, str>>) {
    match hit.kind {
        "pattern" | "canary" | "prompt_injection" | "hidden_text" => (hit.kind, Some(hit.name.clone())),
        kind => (kind, None),
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end || a == b
}
