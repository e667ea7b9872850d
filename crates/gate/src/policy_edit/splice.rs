//! A changed tree written into the text it came from: what did not change keeps every byte, comments included.
//!
//! Where the text's form leaves no clean cut (brackets, a new order of keys) the entry around it is written anew.
//! Whether the result says what the tree says is for the caller to check.

use super::emit;
use super::parse::Spot;
use super::tree::Tree;

/// Text to be put in place of a range of bytes.
struct Cut {
    start: usize,
    end: usize,
    text: String,
}

/// The text with `new` in place of `old`, which stands at `spot`. `None`: it has to be written anew as a whole.
/// The text ends with a line break.
pub(super) fn splice(text: &str, old: &Tree, spot: &Spot, new: &Tree) -> Option<String> {
    let mut cutting = Cutting { text, cuts: Vec::new() };
    cutting.value(old, spot, new).then_some(())?;
    // Stable: of two insertions at one place, the inner one was noted first.
    cutting.cuts.sort_by_key(|cut| cut.start);
    let mut out = String::with_capacity(text.len().saturating_add(1024));
    let mut from = 0;
    for Cut { start, end, text: put } in cutting.cuts {
        // A cut within another has no clean result.
        out.push_str(text.get(from..start)?);
        out.push_str(&put);
        from = end;
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

struct Cutting<'t> {
    text: &'t str,
    cuts: Vec<Cut>,
}

impl Cutting<'_> {
    /// Notes what changes in a value; false if the value has to be written anew as a whole.
    fn value(&mut self, old: &Tree, spot: &Spot, new: &Tree) -> bool {
        if old == new {
            return true;
        }
        if spot.flow || old.is_empty() || new.is_empty() {
            return false;
        }
        match (old, new) {
            (Tree::Map(old), Tree::Map(new)) => self.map(old, spot, new),
            (Tree::List(old), Tree::List(new)) => self.list(old, spot, new),
            _ => false,
        }
    }

    fn map(&mut self, old: &[(String, Tree)], spot: &Spot, new: &[(String, Tree)]) -> bool {
        let place = |key: &str| old.iter().position(|(name, _)| name == key);
        let kept: Vec<usize> = new.iter().filter_map(|(key, _)| place(key)).collect();
        let before = self.cuts.len();
        // What is added goes behind what it follows: there must be something, and the order must be as it was.
        if !kept.is_sorted() || new.first().is_none_or(|(key, _)| place(key).is_none()) {
            return false;
        }
        let mut last: Option<usize> = None;
        for (key, value) in new {
            match place(key) {
                Some(at) => {
                    let (Some((_, was)), Some(kid)) = (old.get(at), spot.kids.get(at)) else { return false };
                    let mark = self.cuts.len();
                    if !self.value(was, &kid.spot, value) {
                        self.cuts.truncate(mark);
                        let mut text = String::new();
                        emit::entry(key, value, self.column(kid.start), &mut text);
                        self.cuts.push(Cut { start: kid.start, end: kid.spot.end, text });
                    }
                    last = Some(at);
                }
                None => {
                    let Some(kid) = last.and_then(|at| spot.kids.get(at)) else { return false };
                    let indent = self.column(kid.start);
                    let mut text = " ".repeat(indent);
                    emit::entry(key, value, indent, &mut text);
                    self.insert(kid.spot.end, text);
                }
            }
        }
        for (at, (kid, _)) in spot.kids.iter().zip(old).enumerate() {
            if !kept.contains(&at) && !self.remove(kid.start, kid.spot.end) {
                self.cuts.truncate(before);
                return false;
            }
        }
        true
    }

    fn list(&mut self, old: &[Tree], spot: &Spot, new: &[Tree]) -> bool {
        let mark = self.cuts.len();
        let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let room = old.len().min(new.len()).saturating_sub(head);
        let tail = old.iter().rev().zip(new.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
        let (old_end, new_end) = (old.len().saturating_sub(tail), new.len().saturating_sub(tail));
        let done = (head..old_end.max(new_end)).all(|at| match (at < old_end, at < new_end) {
            (true, true) => self.item(old.get(at), spot, at, new.get(at)),
            (true, false) => self.drop_item(spot, at),
            // Behind the last item that stays in its place.
            _ => self.add_item(spot, old_end.checked_sub(1), new.get(at)),
        });
        if !done {
            self.cuts.truncate(mark);
        }
        done
    }

    fn item(&mut self, old: Option<&Tree>, spot: &Spot, at: usize, new: Option<&Tree>) -> bool {
        let (Some(old), Some(new), Some(kid)) = (old, new, spot.kids.get(at)) else { return false };
        let mark = self.cuts.len();
        if self.value(old, &kid.spot, new) {
            return true;
        }
        self.cuts.truncate(mark);
        let Some(dash) = self.dash(kid.start) else { return false };
        let mut text = String::new();
        emit::item(new, self.column(dash), &mut text);
        self.cuts.push(Cut { start: dash, end: kid.spot.end, text });
        true
    }

    fn drop_item(&mut self, spot: &Spot, at: usize) -> bool {
        let Some(kid) = spot.kids.get(at) else { return false };
        self.dash(kid.start).is_some_and(|dash| self.remove(dash, kid.spot.end))
    }

    fn add_item(&mut self, spot: &Spot, behind: Option<usize>, new: Option<&Tree>) -> bool {
        let (Some(kid), Some(new)) = (behind.and_then(|at| spot.kids.get(at)), new) else { return false };
        let Some(dash) = self.dash(kid.start) else { return false };
        let indent = self.column(dash);
        let mut text = " ".repeat(indent);
        emit::item(new, indent, &mut text);
        self.insert(kid.spot.end, text);
        true
    }

    /// A new line behind the one that has byte `after`.
    fn insert(&mut self, after: usize, mut text: String) {
        text.push('\n');
        let at = self.next_line(after);
        self.cuts.push(Cut { start: at, end: at, text });
    }

    /// Takes whole lines away; false if something else stands before it on its first.
    fn remove(&mut self, start: usize, end: usize) -> bool {
        let line = self.line(start);
        let alone = self.text.get(line..start).is_some_and(|before| before.trim().is_empty());
        if alone {
            self.cuts.push(Cut { start: line, end: self.next_line(end), text: String::new() });
        }
        alone
    }

    /// Where the line of a byte begins.
    fn line(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end.saturating_add(1))
    }

    /// Where the line after that of a byte begins.
    fn next_line(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or("");
        rest.find('\n').map_or(self.text.len(), |end| at.saturating_add(end).saturating_add(1))
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(self.line(at)..at).map_or(0, |before| before.chars().count())
    }

    /// The dash of the item whose value begins here.
    fn dash(&self, start: usize) -> Option<usize> {
        let before = self.text.get(self.line(start)..start)?.trim_end();
        before.ends_with('-').then(|| self.line(start).saturating_add(before.len()).saturating_sub(1))
    }
}
