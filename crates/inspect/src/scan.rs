//! All detectors over one text, at once or piece by piece.
//!
//! Answerable for which detectors run over which readings of a text, for one list of what they saw (in order, no
//! two about the same thing), and for a text in pieces giving what the whole gives. What a detector looks for is
//! its own.
//!
//! A long text is read in windows that overlap, so that what stands across a border is seen, and so that the
//! whole and the pieces are read the same way.

mod own;
mod stream;

use std::ops::Range;

use crate::text::{self, Layer};
use crate::{Hit, injection, personal, secret, trace};
use own::Own;
pub use stream::Stream;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Keys, tokens, passwords.
    pub secrets: bool,
    /// What identifies people.
    pub personal: bool,
    /// Orders to a model.
    pub injection: bool,
    /// Text that people do not see.
    pub hidden: bool,
    /// Internal errors.
    pub traces: bool,
    /// Patterns of the operator's: names and regular expressions.
    pub patterns: Vec<(String, String)>,
    /// Values that the operator declares secret.
    pub declared: Vec<String>,
    /// Texts that were planted to be seen when they leak.
    pub canaries: Vec<String>,
}

impl Wanted {
    /// Every detector, and nothing of an operator's.
    pub fn all() -> Self {
        Self { secrets: true, personal: true, injection: true, hidden: true, traces: true, ..Self::default() }
    }
}

/// The detectors, ready to be used on any number of texts.
#[derive(Debug)]
pub struct Scanner {
    wanted: Wanted,
    own: Own,
}

/// How many bytes of a text a window decides about, and how far it looks beyond them on both sides.
const WINDOW: usize = 256 * 1024;
const OVERLAP: usize = 8 * 1024;

impl Scanner {
    /// Builds what can be built once. The error is a sentence about a pattern.
    pub fn new(wanted: Wanted) -> Result<Self, String> {
        let own = Own::new(&wanted)?;
        Ok(Self { wanted, own })
    }

    /// Everything that is seen in `text`, by place. Linear in its length.
    pub fn scan(&self, text: &str) -> Vec<Hit> {
        if text.len() <= WINDOW {
            return self.window(text);
        }
        let mut hits = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = floor(text, start.saturating_add(WINDOW));
            let (from, to) = around(text, start, end);
            self.part(text.get(from..to).unwrap_or_default(), from, start..end, &mut hits);
            start = end;
        }
        hits
    }

    /// Adds what a window sees that starts in the part it decides about. `from`: where the window starts.
    fn part(&self, window: &str, from: usize, decides: Range<usize>, hits: &mut Vec<Hit>) {
        hits.extend(self.window(window).into_iter().filter_map(|hit| {
            let start = hit.span.start.checked_add(from)?;
            let span = start..hit.span.end.checked_add(from)?;
            decides.contains(&start).then_some(Hit { span, ..hit })
        }));
    }

    fn window(&self, text: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        if self.wanted.hidden {
            text::hidden(text, &mut hits);
        }
        let mut fresh = Vec::new();
        for (number, layer) in text::layers(text).iter().enumerate() {
            self.layer(layer, number == 0, &mut fresh);
            hits.extend(fresh.drain(..).map(|hit| Hit { span: layer.original(hit.span.clone()), ..hit }));
        }
        settle(hits)
    }

    fn layer(&self, layer: &Layer<'_>, is_first: bool, hits: &mut Vec<Hit>) {
        let text = layer.text.as_ref();
        if self.wanted.secrets {
            secret::find(text, hits);
        }
        if self.wanted.personal {
            personal::find(text, hits);
        }
        if self.wanted.injection {
            injection::find(text, hits);
        }
        // A trace in base64 is no slip.
        if self.wanted.traces && is_first {
            trace::find(text, hits);
        }
        self.own.find(text, hits);
    }
}

/// One list: by place, and of two that speak of the same thing the surer one.
fn settle(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by(|a, b| {
        (a.span.start, b.confidence, b.span.end)
            .cmp(&(b.span.start, a.confidence, a.span.end))
            .then_with(|| a.name.cmp(&b.name))
    });
    let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        // Only what is near the end can still be met: spans are in order of their starts.
        let rival = kept.iter().rposition(|other| {
            other.span.end > hit.span.start
                && hit.span.end > other.span.start
                && (same_thing(other, &hit) || same_thing(&hit, other))
        });
        match rival.and_then(|at| kept.get_mut(at)) {
            None => kept.push(hit),
            Some(other) if beats(&hit, other) => *other = hit,
            Some(_) => (),
        }
    }
    kept.sort_by_key(|hit| (hit.span.start, hit.span.end));
    kept
}

/// True if a hit of the kind of `other` says nothing beside `hit`.
fn same_thing(hit: &Hit, other: &Hit) -> bool {
    match (hit.kind, other.kind) {
        ("prompt_injection", "prompt_injection") => hit.name == other.name,
        ("pattern", "pattern") => hit.name == other.name && hit.span == other.span,
        // Digits in a token are no telephone number.
        ("secret", "personal_data") => hit.confidence >= 50,
        (one, two) => one == two,
    }
}

fn beats(hit: &Hit, other: &Hit) -> bool {
    if hit.kind != other.kind {
        return hit.kind == "secret";
    }
    (hit.confidence, hit.span.len()) > (other.confidence, other.span.len())
}

/// The window around the part from `start` to `end`.
fn around(text: &str, start: usize, end: usize) -> (usize, usize) {
    (floor(text, start.saturating_sub(OVERLAP)), floor(text, end.saturating_add(OVERLAP)))
}

/// The border of a character at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}
