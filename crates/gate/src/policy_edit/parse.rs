//! YAML text to a tree, and to where everything in it stands.
//!
//! Answerable for places that can be cut at. What a policy may not say (anchors, tags, keys given twice) its
//! reader has refused before; what slips through here is found when the edited text is read again.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::tree::{Scalar, Tree};

/// Where a value stands in the text, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Where it begins.
    pub(super) start: usize,
    /// Behind its last character; a comment behind it is not part of it.
    pub(super) end: usize,
    /// True if it is written in brackets.
    pub(super) flow: bool,
    /// What is in it, in the order of the tree.
    pub(super) kids: Vec<Kid>,
}

/// An entry of a map or an item of a list.
#[derive(Clone, Debug)]
pub(super) struct Kid {
    /// Where its key begins, or its value if it has no key.
    pub(super) start: usize,
    /// Its value.
    pub(super) spot: Spot,
}

/// Lists and maps within each other.
const DEEPEST: usize = 64;

/// Reads one document. The error is a sentence.
pub(super) fn parse(text: &str) -> Result<(Tree, Spot), String> {
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut reading = Reading { text, bytes, open: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("the policy cannot be read: {error}"))?;
        reading.take(event, span)?;
    }
    reading.root.ok_or_else(|| "the policy is empty".to_owned())
}

struct Reading<'t> {
    text: &'t str,
    /// The byte at which each character begins.
    bytes: Vec<usize>,
    open: Vec<Open>,
    root: Option<(Tree, Spot)>,
}

/// A list or map whose end has not come yet.
struct Open {
    tree: Tree,
    spot: Spot,
    /// A key whose value has not come yet, and where it begins and ends.
    key: Option<(String, usize, usize)>,
}

impl Reading<'_> {
    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(_) => Err("a policy with anchors cannot be edited".to_owned()),
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                let written = self.text.get(start..end).unwrap_or("").trim_end();
                let end = start.saturating_add(written.len());
                let spot = Spot { start, end, flow: false, kids: Vec::new() };
                self.put(Tree::Scalar(Scalar { text: text.into_owned(), plain }), spot)
            }
            Event::SequenceStart(..) => self.begin(Tree::List(Vec::new()), start, b'['),
            Event::MappingStart(..) => self.begin(Tree::empty(), start, b'{'),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { tree, mut spot, .. }) = self.open.pop() else { return Ok(()) };
                spot.end = match spot.kids.last() {
                    Some(last) if !spot.flow => last.spot.end,
                    _ => end,
                };
                self.put(tree, spot)
            }
        }
    }

    fn begin(&mut self, tree: Tree, start: usize, bracket: u8) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(format!("the policy is nested more than {DEEPEST} deep"));
        }
        let flow = self.text.as_bytes().get(start) == Some(&bracket);
        self.open.push(Open { tree, spot: Spot { start, end: start, flow, kids: Vec::new() }, key: None });
        Ok(())
    }

    fn put(&mut self, tree: Tree, mut spot: Spot) -> Result<(), String> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some((tree, spot));
            return Ok(());
        };
        match (&mut open.tree, open.key.take()) {
            (Tree::List(items), _) => {
                items.push(tree);
                open.spot.kids.push(Kid { start: spot.start, spot });
            }
            (Tree::Map(entries), Some((key, start, end))) => {
                if spot.start == spot.end {
                    // Nothing is written there: the entry ends with its colon.
                    let rest = self.text.get(end..).unwrap_or("");
                    let colon = rest.find(':').map_or(end, |at| end.saturating_add(at).saturating_add(1));
                    (spot.start, spot.end) = (colon, colon);
                }
                entries.push((key, tree));
                open.spot.kids.push(Kid { start, spot });
            }
            (Tree::Map(_), None) => match tree {
                Tree::Scalar(scalar) => open.key = Some((scalar.text, spot.start, spot.end)),
                Tree::List(_) | Tree::Map(_) => return Err("a key of the policy is no text".to_owned()),
            },
            (Tree::Scalar(_), _) => (),
        }
        Ok(())
    }
}
