//! From text to syntax tree, with faults a person can act on.
//!
//! Answerable for calling the parser of the `cel` crate only with what it can digest, and for saying in
//! our words what it complains of. Does not know which names and functions exist.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::Env;
use cel::ParseError;
use cel::common::ast::{IdedExpr, SourceInfo};

use super::Fault;

/// Parses an expression that has been scanned. Macros stay calls: we go through lists ourselves.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), Vec<Fault>> {
    let parser = Env::default().with_optional_support(false).parser().enable_ident_escape_syntax(true);
    // The parser is not ours: should it ever panic on some text, that text is at fault, not the gate.
    let parsed = catch_unwind(AssertUnwindSafe(|| parser.parse_with_source_info(source)));
    let errors = match parsed {
        Ok(Ok(parsed)) => return Ok(parsed),
        Ok(Err(errors)) => errors.errors,
        Err(_) => Vec::new(),
    };
    let mut faults: Vec<Fault> = errors.iter().filter_map(|error| mended(source, error)).collect();
    // After the first mistake the parser guesses: what it says of the rest would only mislead.
    faults.sort_by_key(|fault| fault.offset);
    faults.truncate(1);
    if faults.is_empty() {
        faults.push(Fault { offset: 0, message: "this is no CEL expression".to_owned(), help: None });
    }
    Err(faults)
}

/// One of the parser's complaints in our words; none where it only follows from another.
fn mended(source: &str, error: &ParseError) -> Option<Fault> {
    let offset = offset(source, error.pos);
    let message = error.msg.as_str();
    let token =
        message.split_once("input '").and_then(|(_, rest)| rest.split_once('\'')).map(|(token, _)| token);
    let (message, help) = if message.contains("<EOF>'") || offset == source.len() {
        ("the expression ends where something more is needed".to_owned(), None)
    } else if message.contains("reserved identifier") {
        (
            "this name is reserved and cannot be used".to_owned(),
            Some("write `args[\"name\"]` for a key with such a name"),
        )
    } else if message.contains("int literal") || message.contains("double literal") {
        ("this number is out of range".to_owned(), None)
    } else if message.contains("string literal")
        || message.contains("bytes literal")
        || unread(source, offset, message)
    {
        let help = "write `\\\\` for a backslash, or put `r` before the opening quote";
        ("this text has an escape that means nothing".to_owned(), Some(help))
    } else if message.starts_with("unsupported syntax") {
        ("optional values (`?`) are not supported".to_owned(), Some("test with `has(...)` first"))
    } else if message.contains("Incomplete") || message.contains("No `") {
        // Said of the part that holds the real mistake, which is reported by itself.
        return None;
    } else {
        let found = rest(source, offset, token);
        return Some(Fault {
            offset,
            message: format!("`{found}` is not expected here"),
            help: word_help(&found),
        });
    };
    Some(Fault { offset, message, help: help.map(str::to_owned) })
}

/// True if a text was not even recognised as one. Its quotes were found to match before.
fn unread(source: &str, offset: usize, message: &str) -> bool {
    let tail = source.get(offset..).unwrap_or("").trim_start_matches(['b', 'B', 'r', 'R']);
    message.contains("token recognition error") && tail.starts_with(['"', '\''])
}

/// What stands at the mistake: the parser's token, or the word in the source.
fn rest(source: &str, offset: usize, token: Option<&str>) -> String {
    let tail = source.get(offset..).unwrap_or("");
    let word: String = tail.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    match token {
        _ if !word.is_empty() => word,
        Some(token) if tail.starts_with(token) => token.chars().take(40).collect(),
        _ => tail.chars().take(1).collect(),
    }
}

/// What people write who come from other languages.
fn word_help(word: &str) -> Option<String> {
    let ours = match word.to_ascii_lowercase().as_str() {
        "and" => "write `&&`",
        "or" => "write `||`",
        "not" => "write `!`",
        "is" => "write `==`",
        "matches" | "contains" => "write it as a call: `text.matches(\"...\")`",
        _ => return None,
    };
    Some(ours.to_owned())
}

/// The byte offset of a line and a column (characters), both counted from 1.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let column = usize::try_from(column).unwrap_or(1).max(1);
    let before: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = source.get(before..).unwrap_or("");
    before + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}
