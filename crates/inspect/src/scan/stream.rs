//! A text that comes in pieces.
//!
//! Answerable for findings being those of the whole text, whatever the pieces: blocks lie at fixed places, and
//! one is looked at as soon as enough behind it is there. Holds one block and its margins.

use super::{BLOCK, MARGIN, Scanner, floor};
use crate::Hit;

/// Looks at a text piece by piece. Spans count from the first byte of the first piece.
#[derive(Debug)]
pub struct Stream<'s> {
    scanner: &'s Scanner,
    held: String,
    /// The beginning of a character whose end has not come.
    cut: Vec<u8>,
    /// Where in the text `held` begins.
    from: usize,
    /// The block that is next.
    core: usize,
}

impl Scanner {
    /// Looks at a text that comes in pieces.
    pub fn stream(&self) -> Stream<'_> {
        Stream { scanner: self, held: String::new(), cut: Vec::new(), from: 0, core: 0 }
    }
}

impl Stream<'_> {
    /// Takes the next piece; returns what is certain by now.
    pub fn push(&mut self, piece: &str) -> Vec<Hit> {
        self.push_bytes(piece.as_bytes())
    }

    /// The same for bytes that may end within a character. A byte that is none of a text counts as one control
    /// character, so that places stay what they are.
    pub fn push_bytes(&mut self, piece: &[u8]) -> Vec<Hit> {
        let joined;
        let bytes = if self.cut.is_empty() {
            piece
        } else {
            self.cut.extend_from_slice(piece);
            joined = std::mem::take(&mut self.cut);
            &joined
        };
        let chunks: Vec<_> = bytes.utf8_chunks().collect();
        let count = chunks.len();
        for (number, chunk) in chunks.into_iter().enumerate() {
            self.held.push_str(chunk.valid());
            let invalid = chunk.invalid();
            // At the very end it may be the beginning of one.
            if number + 1 == count && !invalid.is_empty() && is_cut(invalid) {
                self.cut = invalid.to_vec();
            } else {
                self.held.extend(invalid.iter().map(|_| '\u{1A}'));
            }
        }
        self.settled(false)
    }

    /// Nothing comes any more: the rest of the findings.
    pub fn finish(mut self) -> Vec<Hit> {
        let cut = std::mem::take(&mut self.cut);
        self.held.extend(cut.iter().map(|_| '\u{1A}'));
        self.settled(true)
    }

    fn settled(&mut self, ended: bool) -> Vec<Hit> {
        let mut hits = Vec::new();
        loop {
            let end = self.from + self.held.len();
            let ready = end >= self.core + BLOCK + MARGIN + 4;
            if !(ready || ended && (self.core < end || self.core == 0)) {
                return hits;
            }
            // A text of one block is looked at as a whole, as without a stream.
            let found = if self.from == 0 && self.core == 0 && ended && end <= BLOCK {
                self.scanner.block(&self.held)
            } else {
                self.block()
            };
            hits.extend(found);
            self.core += BLOCK;
            self.drop_old();
        }
    }

    fn block(&self) -> Vec<Hit> {
        let core = self.core - self.from;
        let mut hits = self.scanner.core(&self.held, core);
        for hit in &mut hits {
            hit.span = hit.span.start + self.from..hit.span.end + self.from;
        }
        hits
    }

    /// What no later block looks at.
    fn drop_old(&mut self) {
        let keep = floor(&self.held, (self.core - self.from).saturating_sub(MARGIN));
        self.held.drain(..keep);
        self.from += keep;
    }
}

/// True if more bytes could make a character of it.
fn is_cut(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}
