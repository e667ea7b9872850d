//! A text with what hides in it: normal forms and decoded layers, with the way back to the original bytes.
//!
//! Answerable for what a detector reads, and for spans that lead back to the text as it came. A text of plain
//! ASCII without escapes is borrowed and costs one glance. Knows no detector but the one of hidden text, whose
//! findings are what normalisation itself takes away.

mod decode;
mod hidden;
mod map;
mod normal;

use std::borrow::Cow;
use std::ops::Range;

pub use decode::How;
use map::Map;

use crate::Hit;

/// One reading of a text.
#[derive(Clone, Debug)]
pub struct Layer<'t> {
    /// What it says.
    pub text: Cow<'t, str>,
    /// How it came to be.
    pub how: How,
    /// The way back, the last step first.
    maps: Vec<Map>,
}

impl Layer<'_> {
    /// The bytes of the original that `span` of this layer was made of.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        self.maps.iter().fold(span, |span, map| map.back(&span))
    }
}

/// Every reading of a text: the normal form first, then what decodes from it.
#[derive(Clone, Debug)]
pub struct View<'t> {
    /// The readings.
    pub layers: Vec<Layer<'t>>,
    /// What was hidden: of kind `hidden_text`, in bytes of the original.
    pub hidden: Vec<Hit>,
}

/// Reads a text in every way that it may be meant.
pub fn view(text: &str) -> View<'_> {
    let mut hidden = Vec::new();
    hidden::find(text, &mut hidden);
    let (normal, maps) = normal::form(text);
    let decoded = decode::layers(&normal);
    let mut layers = Vec::with_capacity(1 + decoded.len());
    for (span, said) in hidden::spelled(text) {
        layers.push(Layer { text: Cow::Owned(said), how: How::Tags, maps: vec![whole(&span)] });
    }
    for (how, said, map) in decoded {
        let maps = std::iter::once(map).chain(maps.iter().cloned()).collect();
        layers.push(Layer { text: Cow::Owned(said), how, maps });
    }
    layers.insert(0, Layer { text: normal, how: How::Normal, maps });
    View { layers, hidden }
}

fn whole(span: &Range<usize>) -> Map {
    let mut writer = map::Writer::default();
    writer.instead(span.clone(), " ");
    writer.done().map(|(_, map)| map).unwrap_or_default()
}

/// The normal form of a text: NFKC without invisible characters, look-alikes in mixed words made Latin, HTML
/// entities resolved. Borrowed where it is the text itself; the normal form of a normal form is itself.
pub fn normal(text: &str) -> Cow<'_, str> {
    normal::form(text).0
}
