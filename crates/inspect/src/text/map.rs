//! The way back from a rewritten text to the one it was made of.

use std::ops::Range;

/// A stretch of the new text and what it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    at: usize,
    from: usize,
    from_len: usize,
    /// True if it is the same text, byte by byte.
    same: bool,
}

/// Where each part of a text came from. Pieces follow each other in both texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<Piece>);

impl Map {
    /// The bytes that `span` of the new text was made of.
    pub fn back(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.piece(span.start).map_or(span.start, |piece| match piece.same {
            true => piece.from + (span.start - piece.at),
            false => piece.from,
        });
        let last = span.end.saturating_sub(1).max(span.start);
        let end = self.piece(last).map_or(span.end, |piece| match piece.same {
            true => piece.from + (last - piece.at) + 1,
            false => piece.from + piece.from_len,
        });
        start..end.max(start)
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        let next = self.0.partition_point(|piece| piece.at <= at);
        self.0.get(next.checked_sub(1)?)
    }
}

/// A text in the making, with its map.
#[derive(Default)]
pub struct Writer {
    text: String,
    map: Map,
    /// Whether anything is not as it was.
    changed: bool,
}

impl Writer {
    /// The same text as at `from` in the old one.
    pub fn same(&mut self, from: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        let continues = self
            .map
            .0
            .last()
            .is_some_and(|last| last.same && last.from + (self.text.len() - last.at) == from);
        if !continues {
            self.map.0.push(Piece { at: self.text.len(), from, from_len: text.len(), same: true });
        }
        self.text.push_str(text);
    }

    /// Something else in place of `from`; nothing, if it is left out.
    pub fn instead(&mut self, from: Range<usize>, text: &str) {
        self.changed = true;
        if text.is_empty() {
            return;
        }
        self.map.0.push(Piece { at: self.text.len(), from: from.start, from_len: from.len(), same: false });
        self.text.push_str(text);
    }

    /// The text and its map; absent if nothing changed.
    pub fn done(self) -> Option<(String, Map)> {
        self.changed.then_some((self.text, self.map))
    }
}
