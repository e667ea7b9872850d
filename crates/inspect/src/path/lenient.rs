//! The other readings of a path: what programs make of it that decode, fold, clean or expand it first.
//!
//! Decides which readings are worth asking for; one scan says that most paths have none.

use unicode_normalization::UnicodeNormalization as _;
use verdict::PathTarget;

use super::{braces, decode, home_in, plain, push, windows};
use crate::Surroundings;

/// Whether every program reads `text` alike: ordinary letters and separators, nothing to decode or drop.
pub fn is_plain(text: &str) -> bool {
    let mut last = b'/';
    for byte in text.bytes() {
        let is_odd = match byte {
            b'x' | b'X' => last == b'0',
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'+' | b'@' | b',' | b'.' | b'/' => false,
            _ => true,
        };
        if is_odd {
            return false;
        }
        last = byte;
    }
    text.split('/').all(|part| !part.ends_with('.') || matches!(part, "." | ".."))
        && !text.split('/').any(|part| part.starts_with("..2") || part.starts_with("..5"))
        && !(text.len().is_multiple_of(4) && text.contains(['L', 'l']) && decode::base64(text).is_some())
}

/// Adds every reading of `text` to `found`.
pub fn readings(text: &str, around: &Surroundings, found: &mut Vec<PathTarget>) -> Result<(), String> {
    let mut layers = vec![text.to_owned()];
    layers.extend(decode::all(text)?);
    layers.extend(decode::base64(text));
    // A percent sign that starts no escape is dropped by some.
    layers.extend(layers.last().filter(|last| last.contains('%')).map(|last| last.replace('%', "")));
    if layers.iter().any(|layer| layer.trim().starts_with('|') || layer.trim().ends_with('|')) {
        return Err("the path has a pipe at its end: some programs run what stands beside it".to_owned());
    }
    if let Some(name) = windows_variable(text) {
        return Err(format!("the path starts with the variable `{name}`, which is not known"));
    }
    if layers.iter().any(|layer| windows::is_drive_relative(layer)) {
        return Err("the working directory of that drive is not known".to_owned());
    }
    if found.is_empty() {
        push(found, plain(text, around)?)?;
    }
    for layer in &layers {
        for one in braces::expand(layer)? {
            spellings(&one, around, found)?;
        }
        // And as it stands, for programs that expand nothing.
        push(found, super::literal(layer, around)?)?;
    }
    Ok(())
}

/// The variable that a path starts with as Windows writes them: `%APPDATA%\x`. What begins with two hexadecimal
/// digits is an escape first of all.
fn windows_variable(text: &str) -> Option<&str> {
    let (name, _) = text.trim_start().strip_prefix('%')?.split_once('%')?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'(' | b')');
    let is_escape = name.len() >= 2 && name.bytes().take(2).all(|b| b.is_ascii_hexdigit()) && name.len() < 5;
    (name.len() > 2 && name.len() <= 32 && !is_escape && name.bytes().all(is_name)).then_some(name)
}

/// The readings of one text without braces and escapes.
fn spellings(text: &str, around: &Surroundings, found: &mut Vec<PathTarget>) -> Result<(), String> {
    push(found, plain(text, around)?)?;
    if !text.is_ascii() {
        push(found, plain(&text.nfc().collect::<String>(), around)?)?;
    }
    if text.contains('\\') {
        // A backslash that escapes the next letter, or that is taken out.
        let bare = text.replace('\\', "");
        push(found, plain(&bare, around)?)?;
    }
    let folded = fold(text);
    // Taking out what climbs matters only where something that climbs is left.
    let stripped = Some(stripped(&folded)).filter(|left| left.contains(".."));
    for one in [Some(folded), stripped].into_iter().flatten() {
        let one = clean(&one);
        push(found, plain(&one, around)?)?;
        if let Some(there) = home_in(&one, around)? {
            push(found, plain(&there, around)?)?;
        }
    }
    Ok(())
}

/// Every separator a slash, every dot a dot, nothing invisible, nothing around it.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let is_share = text.starts_with("\\\\");
    if text.is_ascii() {
        out.extend(text.chars().filter(|c| !c.is_ascii_control()).map(steering));
    } else {
        out.extend(text.nfkc().filter(|c| !is_invisible(*c)).map(steering));
    }
    let trimmed = out.trim();
    // Two backslashes are a share, two slashes are one.
    if is_share && !windows::is_form(text, &Surroundings::default()) || trimmed.starts_with("//") {
        return format!("/{}", trimmed.trim_start_matches('/'));
    }
    trimmed.to_owned()
}

/// The character that steers a path, if `c` is taken for one: by best-fit tables, by names that were carried
/// across from another system, by normalisation.
fn steering(c: char) -> char {
    match c {
        '\\' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29F5}' | '\u{29F8}' | '\u{29F9}' | '\u{FF0F}'
        | '\u{FF3C}' | '\u{FE68}' | '\u{2571}' | '\u{2572}' | '\u{20E5}' | '\u{00A5}' | '\u{20A9}'
        | '\u{FFE5}' | '\u{FFE6}' | '\u{EFC8}' | '\u{F025}' | '\u{F02F}' | '\u{F05C}' | '\u{338}'
        | '\u{337}' => '/',
        '\u{FF0E}' | '\u{2024}' | '\u{FE52}' | '\u{3002}' | '\u{FF61}' | '\u{F02E}' | '\u{B7}' => '.',
        '\u{FF1A}' | '\u{F03A}' | '\u{F022}' => ':',
        '\u{FF5E}' => '~',
        other => other,
    }
}

/// Characters that some systems leave out of a name, or that show nothing.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

/// What is left when a program takes out `../` once, and only once.
fn stripped(text: &str) -> String {
    text.replace("../", "")
}

/// Each component as the most careless system spells it.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut parts = text.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        component(part, is_last, &mut out);
        if !is_last {
            out.push('/');
        }
    }
    out
}

fn component(part: &str, is_last: bool, out: &mut String) {
    // `..;x` is `..` to servers that take what follows for a parameter.
    let name = part.split(';').next().unwrap_or_default();
    // `x::$DATA` and `x:stream` are x; a drive keeps its colon.
    let name = match name.split_once(':') {
        Some((drive, "")) if drive.len() == 1 => name,
        Some((before, _)) if !before.is_empty() => before,
        _ => name,
    };
    let bare = name.trim_end_matches([' ', '.']);
    let dots = name.bytes().filter(|b| *b == b'.').count();
    match bare.is_empty() {
        // Patterns that match `..`: `.*` and `.?` in shells.
        false if climbs_by_pattern(name) => out.push_str(".."),
        false => out.push_str(bare),
        true if dots == 2 => out.push_str(".."),
        // Three dots are two folders up to old systems; at the end they are more often a way to say
        // "and everything below".
        true if dots > 2 && !is_last => {
            for at in 1..dots.min(16) {
                out.push_str(if at == 1 { ".." } else { "/.." });
            }
        }
        true if dots > 2 => out.push_str(name),
        // Nothing is left of it; but it was not nothing, or the path would start at the root.
        true if !part.is_empty() => out.push('.'),
        true => {}
    }
}

/// `.?`, `?.`, `??`, `.*`, `.[.]`: what may match `..`. `*` does not, in any shell.
fn climbs_by_pattern(part: &str) -> bool {
    let is_extended = part.starts_with(['@', '+', '!', '?', '*', '.']) && part.contains("(.");
    is_extended
        || matches!(part, ".*" | ".?" | "?." | "??" | ".[.]" | "[.][.]" | "[.]." | "..*" | ".?*" | ".*.")
}
