//! A tree as YAML that a person would have written: short things on one line, long ones one entry a line.

use super::tree::{Scalar, Tree, is_special};

/// The longest line that several entries share, in characters.
const WIDTH: usize = 110;

/// A whole policy.
pub(super) fn document(tree: &Tree) -> String {
    let mut out = String::new();
    block(tree, 0, &mut out);
    out.push('\n');
    out
}

/// An entry of a map, from its key on; further lines are indented by `indent` and more.
pub(super) fn entry(key: &str, value: &Tree, indent: usize, out: &mut String) {
    let key = scalar(&Scalar { text: key.to_owned(), plain: false }, false);
    out.push_str(&key);
    out.push(':');
    let room = WIDTH.saturating_sub(indent.saturating_add(key.chars().count()).saturating_add(2));
    if is_short(value, room, indent == 0) {
        out.push(' ');
        flow(value, out);
    } else {
        let indent = indent.saturating_add(2);
        new_line(indent, out);
        block(value, indent, out);
    }
}

/// An item of a list, from its dash on.
pub(super) fn item(value: &Tree, indent: usize, out: &mut String) {
    out.push_str("- ");
    let indent = indent.saturating_add(2);
    if matches!(value, Tree::List(_)) || is_short(value, WIDTH.saturating_sub(indent), false) {
        flow(value, out);
    } else {
        block(value, indent, out);
    }
}

/// A value on lines of its own; the first is indented already.
fn block(value: &Tree, indent: usize, out: &mut String) {
    match value {
        Tree::Map(entries) if !entries.is_empty() => {
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 {
                    new_line(indent, out);
                }
                entry(key, value, indent, out);
            }
        }
        Tree::List(items) if !items.is_empty() => {
            for (n, value) in items.iter().enumerate() {
                if n > 0 {
                    new_line(indent, out);
                }
                item(value, indent, out);
            }
        }
        other => flow(other, out),
    }
}

/// True if a value is better read on one line. Sections stand on lines of their own, however short.
fn is_short(value: &Tree, room: usize, section: bool) -> bool {
    if matches!(value, Tree::Scalar(_)) || value.is_empty() {
        return true;
    }
    if (section && matches!(value, Tree::Map(_))) || has_rows(value) || height(value) > 2 {
        return false;
    }
    let mut line = String::new();
    flow(value, &mut line);
    line.chars().count() <= room
}

/// True if a list of maps is in it.
fn has_rows(value: &Tree) -> bool {
    match value {
        Tree::Scalar(_) => false,
        Tree::List(items) => items.iter().any(|item| !matches!(item, Tree::Scalar(_))),
        Tree::Map(entries) => entries.iter().any(|(_, value)| has_rows(value)),
    }
}

fn height(value: &Tree) -> usize {
    let highest = match value {
        Tree::Scalar(_) => return 0,
        Tree::List(items) => items.iter().map(height).max(),
        Tree::Map(entries) => entries.iter().map(|(_, value)| height(value)).max(),
    };
    highest.unwrap_or(0).saturating_add(1)
}

fn flow(value: &Tree, out: &mut String) {
    match value {
        Tree::Scalar(it) => out.push_str(&scalar(it, true)),
        Tree::List(items) => {
            out.push('[');
            for (n, value) in items.iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                flow(value, out);
            }
            out.push(']');
        }
        Tree::Map(entries) => {
            out.push('{');
            for (n, (key, value)) in entries.iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                out.push_str(&scalar(&Scalar { text: key.clone(), plain: false }, false));
                out.push_str(": ");
                flow(value, out);
            }
            out.push('}');
        }
    }
}

/// A scalar, in quotes where it needs them. `value`: not a key, where a colon would end it.
fn scalar(it: &Scalar, value: bool) -> String {
    let bare = is_bare(&it.text, value) && (it.plain || !is_special(&it.text));
    if bare || (it.plain && is_special(&it.text) && it.text.is_empty()) {
        return if it.text.is_empty() { "null".to_owned() } else { it.text.clone() };
    }
    // A JSON string is a YAML string.
    let quoted = serde_json::to_string(&it.text).unwrap_or_default();
    if quoted.contains(is_hidden) { quoted.chars().map(seen).collect() } else { quoted }
}

/// What a person reading the policy would not see, or see in the wrong order; its reader refuses it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn seen(c: char) -> String {
    if is_hidden(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }
}

/// True if a text can stand without quotes, within brackets or not.
fn is_bare(text: &str, value: bool) -> bool {
    let first = text.chars().next();
    let indicators = "?:,[]{}#&*!|>'\"%@`-=";
    let number = |c: char| c == '-' && text.len() > 1 && !text.starts_with("- ") && !text.starts_with("--");
    first.is_some_and(|c| !indicators.contains(c) || number(c))
        && text.trim() == text
        && !text.contains(is_hidden)
        && !text.contains([',', '[', ']', '{', '}'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', '-'])
        && (value || !text.contains(':') || !text.contains(' '))
        && text != "<<"
}

fn new_line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}
