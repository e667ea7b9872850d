//! YAML text to a tree that remembers where everything stands and how it was written.
//!
//! Answerable for hostile and merely odd text: size, depth, count, duplicate keys, anchors, tags, merge
//! keys and invisible characters are bounded or refused here, with a place. Scalars stay text: what a
//! number, a duration or an amount is, the reader of that key decides. Knows nothing of policies.

use hashbrown::HashMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::problem::{Place, Report};
use crate::action::short;

/// The largest file, in bytes.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Lists and mappings within each other.
const MAX_DEPTH: usize = 64;
/// Values in one file.
const MAX_NODES: usize = 1_000_000;

/// One value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) content: Content,
}

/// A value.
#[derive(Debug)]
pub(super) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// What was refused here already.
    Unread,
}

/// A text and how it was written.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: Style,
}

/// How a text was written; only a plain one can be a number, a boolean or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Block,
}

/// A key, its place, and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) value: Node,
}

impl Node {
    /// The value of a key of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }
    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }
    /// The items of a list, or the one scalar that stands for a list of one.
    pub(super) fn several(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            Content::Scalar(_) => std::slice::from_ref(self),
            Content::Map(_) | Content::Unread => &[],
        }
    }
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }
    /// The scalar, if it is one.
    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.content {
            Content::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
    /// True for a value that was left out, or written `null` or `~`.
    pub(super) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| {
            scalar.style == Style::Plain
                && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        })
    }
}

/// Reads one document. `None`: nothing was in it, or reading had to stop; the report says which.
pub(super) fn read(file: usize, text: &str, report: &mut Report) -> Option<Node> {
    let start = Place { file, line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        let help = "split it with `include`".to_owned();
        report.error(start, format!("the file is larger than {} MiB", MAX_BYTES >> 20), help);
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The scanner takes a NUL for the end of the text: what follows it would not be read.
    if let Some((at, c)) = forbidden(file, text) {
        let message = format!("character U+{:04X} cannot be seen, and has no place here", u32::from(c));
        report.error(
            at,
            message,
            "remove it; inside double quotes it can be written as `\\u....`".to_owned(),
        );
        return None;
    }
    let before = report.errors();
    let mut tree = Tree { file, report, open: Vec::new(), root: None, documents: 0, nodes: 0 };
    let mut parser = Parser::new_from_str(text);
    // Every event takes at least one character or closes what another opened.
    for _ in 0..text.len().saturating_mul(4).saturating_add(16) {
        match parser.next_event() {
            None => break,
            Some(Ok((event, span))) => {
                if tree.take(event, span).is_err() {
                    return None;
                }
            }
            Some(Err(error)) => {
                tree.scan_error(&error);
                return None;
            }
        }
    }
    let (root, open) = (tree.root, tree.open.is_empty());
    if root.as_ref().is_none_or(|node| node.is_null()) && open && report.errors() == before {
        report.error(
            start,
            "the file is empty",
            "`portcullis init` writes a policy to start from".to_owned(),
        );
        return None;
    }
    root
}

/// The first character that a person reading the file would not see, or see in the wrong order.
fn forbidden(file: usize, text: &str) -> Option<(Place, char)> {
    let (mut line, mut column) = (1, 1);
    for c in text.chars() {
        let hidden = match c {
            '\n' | '\t' | '\r' | '\u{85}' => false,
            c if c.is_control() => true,
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
            _ => false,
        };
        if hidden {
            return Some((Place { file, line, column }, c));
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    None
}

/// Reading stops here; the report has said why.
struct Stop;

struct Tree<'r> {
    file: usize,
    report: &'r mut Report,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A list or mapping whose end has not come yet.
enum Open {
    List(Place, Vec<Node>),
    Map { at: Place, entries: Vec<Entry>, seen: HashMap<String, Place>, key: Option<(String, Place, bool)> },
}

impl Tree<'_> {
    fn place(&self, mark: Marker) -> Place {
        Place { file: self.file, line: mark.line().max(1), column: mark.col().saturating_add(1) }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let at = self.place(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = "put the second document in a file of its own, and name it under `include`";
                    self.report.error(at, "a second document begins here", help.to_owned());
                    return Err(Stop);
                }
                Ok(())
            }
            Event::Alias(_) => {
                self.no_anchors(at);
                self.put(at, Content::Unread)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.look_at(at, anchor, tag.as_deref());
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                self.put(at, Content::Scalar(Scalar { text: text.into_owned(), style }))
            }
            Event::SequenceStart(anchor, tag) => {
                self.look_at(at, anchor, tag.as_deref());
                self.begin(at, Open::List(at, Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.look_at(at, anchor, tag.as_deref());
                let (entries, seen) = (Vec::new(), HashMap::new());
                self.begin(at, Open::Map { at, entries, seen, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, items)) => self.put(at, Content::List(items)),
                Some(Open::Map { at, entries, .. }) => self.put(at, Content::Map(entries)),
                None => Ok(()),
            },
        }
    }

    fn look_at(&mut self, at: Place, anchor: usize, tag: Option<&Tag>) {
        if anchor > 0 {
            self.no_anchors(at);
        }
        if let Some(tag) = tag {
            let name = if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
            let help = "a text that begins with `!` needs quotes; YAML reads it as a tag";
            self.report.error(at, format!("tag `{}` means nothing here", short(&name)), help.to_owned());
        }
    }

    fn no_anchors(&mut self, at: Place) {
        let help = "write the value out, or share rules and limits through `roles`; \
                    a text that begins with `&` or `*` needs quotes";
        self.report.error(at, "anchors and aliases are not read", help.to_owned());
    }

    fn begin(&mut self, at: Place, open: Open) -> Result<(), Stop> {
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            let help = "a text with `{` or `[` at its beginning needs quotes".to_owned();
            self.report.error(at, "a key must be a plain text", help);
            return Err(Stop);
        }
        if self.open.len() >= MAX_DEPTH {
            self.too_deep(at);
            return Err(Stop);
        }
        self.open.push(open);
        Ok(())
    }

    fn too_deep(&mut self, at: Place) {
        self.report.error(at, format!("nested more than {MAX_DEPTH} deep"), None);
    }

    fn put(&mut self, at: Place, content: Content) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.report.error(at, format!("more than {MAX_NODES} values in one file"), None);
            return Err(Stop);
        }
        let node = Node { at, content };
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { entries, key, seen, .. }) => match key.take() {
                Some((key, at, true)) => entries.push(Entry { key, at, value: node }),
                Some(_) => (),
                None => *key = read_key(node, seen, self.report),
            },
        }
        Ok(())
    }

    fn scan_error(&mut self, error: &ScanError) {
        let at = self.place(*error.marker());
        let info = error.info();
        let info =
            info.strip_prefix("while ").and_then(|i| i.split_once(", ")).map_or(info, |(_, rest)| rest);
        if info.contains("recursion") {
            return self.too_deep(at);
        }
        let help = if info.contains("tab") {
            "indent with spaces"
        } else if info.contains("anchor") {
            "a text that begins with `&` or `*` needs quotes"
        } else {
            "look at the indentation, and put texts with `: `, ` #`, or `,` `[` `]` `{` `}` within brackets, in quotes"
        };
        self.report.error(at, format!("the YAML cannot be read: {}", lower(info)), help.to_owned());
    }
}

/// A key as text with its place, and whether its value is wanted.
fn read_key(
    node: Node,
    seen: &mut HashMap<String, Place>,
    report: &mut Report,
) -> Option<(String, Place, bool)> {
    let at = node.at;
    let Content::Scalar(Scalar { text, style }) = node.content else {
        return Some((String::new(), at, false));
    };
    if text == "<<" && style == Style::Plain {
        let help = "write the keys out, or share rules and limits through `roles`".to_owned();
        report.error(at, "merge keys are not read", help);
        return Some((text, at, false));
    }
    if text.is_empty() {
        report.error(at, "a key is empty", None);
        return Some((text, at, false));
    }
    if let Some(first) = seen.get(&text) {
        let first = report.show(*first);
        report.error(
            at,
            format!("key `{}` is given twice", short(&text)),
            format!("the first is at {first}"),
        );
        return Some((text, at, false));
    }
    seen.insert(text.clone(), at);
    Some((text, at, true))
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", first.to_lowercase(), chars.as_str()))
}
