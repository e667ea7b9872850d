//! A text that comes in pieces: what the whole would give, as soon as it is certain.

use super::{OVERLAP, Scanner, WINDOW, floor};
use crate::Hit;

/// The pieces that came, as far as they are still needed: at most a window and what lies around it.
#[derive(Debug)]
pub struct Stream<'s> {
    scanner: &'s Scanner,
    kept: String,
    /// Where the kept text starts in the whole.
    from: usize,
    /// Where the next window starts in the whole.
    start: usize,
}

impl<'s> Stream<'s> {
    /// Nothing has come yet.
    pub fn new(scanner: &'s Scanner) -> Self {
        Self { scanner, kept: String::new(), from: 0, start: 0 }
    }

    /// Takes the next piece. Gives what is certain by now, in bytes of the whole.
    pub fn push(&mut self, piece: &str) -> Vec<Hit> {
        self.kept.push_str(piece);
        let mut hits = Vec::new();
        // A text that ends within the window is read in one go; so it must be longer before that is ruled out.
        while self.from.saturating_add(self.kept.len())
            > self.start.saturating_add(WINDOW).saturating_add(OVERLAP).saturating_add(4)
        {
            self.window(&mut hits);
        }
        hits
    }

    /// The text is over. Gives the rest.
    pub fn finish(mut self) -> Vec<Hit> {
        let mut hits = Vec::new();
        if self.from == 0 && self.kept.len() <= WINDOW {
            return self.scanner.scan(&self.kept);
        }
        while self.start < self.from.saturating_add(self.kept.len()) {
            self.window(&mut hits);
        }
        hits
    }

    fn window(&mut self, hits: &mut Vec<Hit>) {
        let within = |at: usize| at.saturating_sub(self.from);
        let whole = |at: usize| at.saturating_add(self.from);
        let end = whole(floor(&self.kept, within(self.start.saturating_add(WINDOW))));
        let first = floor(&self.kept, within(self.start.saturating_sub(OVERLAP)));
        let last = floor(&self.kept, within(end.saturating_add(OVERLAP)));
        let window = self.kept.get(first..last).unwrap_or_default();
        self.scanner.part(window, whole(first), self.start..end, hits);
        self.start = end;
        let gone = floor(&self.kept, within(end.saturating_sub(OVERLAP).saturating_sub(4)));
        self.kept.drain(..gone);
        self.from = self.from.saturating_add(gone);
    }
}
