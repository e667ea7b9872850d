//! A text with what hides in it: its normal form and decoded layers, with the way back to the original bytes.
//!
//! Answerable for detectors seeing what a reader, a browser or a decoder would see: letters that only look like
//! others are those others, what has no width is gone, and what is wrapped once is unwrapped. Finds nothing
//! itself but text that people do not see. A text of plain ASCII costs one look at each byte.

mod decode;
mod hidden;
mod lookalike;
mod normal;

use std::borrow::Cow;
use std::ops::Range;

pub use hidden::hidden;
pub use normal::normal;

/// One reading of a text.
#[derive(Clone, Debug)]
pub struct Layer<'t> {
    /// The text that detectors look at.
    pub text: Cow<'t, str>,
    back: Back,
}

/// The way back to the original.
#[derive(Clone, Debug)]
enum Back {
    /// Byte for byte.
    Same,
    /// The original bytes of each byte.
    Bytes(Vec<(u32, u32)>),
    /// All of it comes from there.
    Whole(Range<usize>),
}

impl Layer<'_> {
    /// The original bytes that a span of this layer comes from.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        match &self.back {
            Back::Same => span,
            Back::Whole(range) => range.clone(),
            Back::Bytes(bytes) => {
                let covered = bytes.get(span).unwrap_or_default();
                let start = covered.iter().map(|(start, _)| *start).min().unwrap_or(0);
                let end = covered.iter().map(|(_, end)| *end).max().unwrap_or(start);
                size(start)..size(end)
            }
        }
    }
}

/// The most decoded pieces of one text: more of them say nothing new, and each costs a look.
const MOST: usize = 64;

/// The readings of a text: as it is, in its normal form where that differs, and decoded where something in it
/// looks encoded. The first is the text itself.
pub fn layers(text: &str) -> Vec<Layer<'_>> {
    let mut layers = vec![Layer { text: Cow::Borrowed(text), back: Back::Same }];
    if let Some((plain, bytes)) = normal::mapped(text) {
        layers.push(Layer { text: Cow::Owned(plain), back: Back::Bytes(bytes) });
    }
    for (decoded, bytes) in decode::escapes(text) {
        layers.push(Layer { text: Cow::Owned(decoded), back: Back::Bytes(bytes) });
    }
    for (decoded, range) in decode::runs(text).take(MOST) {
        layers.push(Layer { text: Cow::Owned(decoded), back: Back::Whole(range) });
    }
    layers
}
