//! What a text means to whoever would run it, in the spelling that patterns are written for.
//!
//! `rm --recursive --force "/"`, `find / -delete` and `rm -rf /` are one thing; so are `DROP/**/TABLE` and
//! `DROP TABLE`. Answerable for saying the common spelling of what destroys, wherever it stands in a text and whatever
//! stands around it. Decides nothing.

use std::borrow::Cow;
use std::collections::HashSet;

use inspect::Surroundings;
use inspect::sql::Dialect;
use memchr::{memchr, memchr2};
use verdict::{Effect, Target};

use crate::glance::glance;

/// How much of a text is read at once besides the whole of it: a reader follows so many commands and no more, and
/// what it is kept busy with must not hide what comes behind.
const PIECE: usize = 4 * 1024;
/// The most spellings of one text: more than any reader finds in a piece.
const MOST: usize = 16 * 1024;

/// Spellings, each once.
#[derive(Default)]
struct Found {
    lines: Vec<String>,
    known: HashSet<String>,
}

/// Other spellings of what `text` would do, if it were run and that could not be had back; and the text without
/// what hides in it, if anything does. `bare`: also without quotes around words, where that is all there is to it.
pub fn meanings(text: &str, bare: bool) -> Vec<String> {
    let mut found = Found::default();
    let normal = inspect::text::normal(text);
    if let Cow::Owned(normal) = &normal {
        found.push(normal.clone(), text);
    }
    let seen = glance(&normal);
    if seen.command {
        commands(&normal, &mut found);
        for piece in pieces(&normal) {
            commands(piece, &mut found);
        }
    } else if (bare || matches!(normal, Cow::Owned(_)))
        && let Some(bare) = unquoted(&normal)
    {
        found.lines.push(bare);
    }
    if seen.statement {
        statements(&normal, &mut found);
        for piece in pieces(&normal) {
            statements(piece, &mut found);
        }
    }
    found.lines
}

/// A long text in pieces that end where a command or a statement may; none of a short one.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = if text.len() > PIECE { text } else { "" };
    std::iter::from_fn(move || {
        let ends = |at: &usize| matches!(rest.as_bytes().get(*at), Some(b'\n' | b';' | b'&' | b'|'));
        let end = (PIECE..rest.len()).find(ends).map_or(rest.len(), |at| at.saturating_add(1));
        let (piece, behind) = rest.split_at_checked(end).filter(|(piece, _)| !piece.is_empty())?;
        rest = behind;
        Some(piece)
    })
}

/// The text without quotes around whole words, which a shell takes away: `'kill' -9`, `curl "http://x"`. Data has its
/// quotes between other signs, and keeps them. `None` if there are none.
fn unquoted(text: &str) -> Option<String> {
    let mut out = String::new();
    let (mut from, mut at) = (0_usize, 0_usize);
    let bytes = text.as_bytes();
    while let Some(step) = bytes.get(at..).and_then(|rest| memchr2(b'\'', b'"', rest)) {
        let start = at.saturating_add(step);
        at = start.saturating_add(1);
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        if !before.is_none_or(|it| is_apart(*it)) {
            continue;
        }
        let (Some(quote), Some(inside)) = (bytes.get(start), bytes.get(at..)) else { break };
        let Some(length) = memchr(*quote, inside) else { continue };
        let end = at.saturating_add(length);
        if length == 0 || !bytes.get(end.saturating_add(1)).is_none_or(|it| is_apart(*it)) {
            continue;
        }
        out.push_str(text.get(from..start).unwrap_or_default());
        out.push_str(text.get(at..end).unwrap_or_default());
        from = end.saturating_add(1);
        at = from;
    }
    (from > 0).then(|| out + text.get(from..).unwrap_or_default())
}

/// What parts the words of a command.
pub const fn is_apart(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b'=')
}

fn commands(text: &str, found: &mut Found) {
    let around = Surroundings { home: std::env::var("HOME").ok(), ..Surroundings::default() };
    for effect in inspect::shell::effects(text, &around) {
        if let Target::Program(program) = &effect.target {
            let mut line = program.name.clone();
            for word in &program.words {
                line.push(' ');
                line.push_str(word.as_deref().unwrap_or("$UNKNOWN"));
            }
            found.push(line, text);
        }
        if let Some(line) = spelled(&effect) {
            found.push(line, text);
        }
    }
}

/// How somebody who means this effect would write it.
fn spelled(effect: &Effect) -> Option<String> {
    let on = match &effect.target {
        Target::Path(path) if effect.destroys || path.recursive => path.path.clone(),
        Target::Table(table) => table.table.clone(),
        Target::Unknown if effect.destroys => "/".to_owned(),
        _ => return None,
    };
    match effect.kind.as_ref() {
        "fs.delete" => Some(format!("rm -rf {on}")),
        "fs.write" if effect.destroys => Some(format!("dd of={on} > {on}")),
        _ => None,
    }
}

/// The text as a database reads it: comments gone, spaces single; and the schema changes it makes, however they
/// are put together.
fn statements(text: &str, found: &mut Found) {
    found.push(uncommented(text), text);
    for effect in inspect::sql::effects(text, Dialect::default()) {
        let Target::Table(table) = &effect.target else { continue };
        let note = effect.note.as_deref().unwrap_or_default().to_ascii_lowercase();
        match effect.kind.as_ref() {
            "sql.schema" if effect.destroys || note.contains("drop") => {
                found.push(format!("DROP TABLE {}", table.table), text);
            }
            "sql.write" if effect.destroys || table.unfiltered => {
                found.push(format!("DELETE FROM {}", table.table), text);
                found.push(format!("TRUNCATE TABLE {}", table.table), text);
            }
            _ => (),
        }
    }
}

/// Without comments, and with the pieces of concatenated strings joined.
fn uncommented(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let cut = if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at.saturating_add(2))
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            0
        };
        if cut > 0 {
            out.push(' ');
            rest = rest.get(cut..).unwrap_or_default();
            continue;
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    let joined = words.join(" ");
    let mut pieces = joined.clone();
    for glue in ["' || '", "'||'", "' + '", "'+'", "' '", "\" + \"", "\"+\""] {
        pieces = pieces.replace(glue, "");
    }
    if pieces == joined { joined } else { format!("{joined}\n{pieces}") }
}

impl Found {
    /// Adds a spelling that is not the text itself.
    fn push(&mut self, line: String, text: &str) {
        if line != text && self.lines.len() < MOST && self.known.insert(line.clone()) {
            self.lines.push(line);
        }
    }
}
