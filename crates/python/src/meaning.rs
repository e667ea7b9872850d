//! What a text means to whoever would run it, in the spelling that patterns are written for.
//!
//! `rm --recursive --force "/"`, `find / -delete` and `rm -rf /` are one thing; so are `DROP/**/TABLE` and
//! `DROP TABLE`. Answerable for saying the common spelling of what destroys. Decides nothing.

use std::borrow::Cow;

use inspect::Surroundings;
use inspect::sql::Dialect;
use verdict::{Effect, Target};

use crate::glance::glance;

/// The longest text that is read as a command or a statement: longer ones are documents.
const LONGEST: usize = 16 * 1024;
/// The most spellings of one text.
const MOST: usize = 64;

/// Other spellings of what `text` would do, if it were run and that could not be had back; and the text without
/// what hides in it, if anything does.
pub fn meanings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let normal = inspect::text::normal(text);
    if let Cow::Owned(normal) = &normal
        && *normal != *text
    {
        found.push(normal.clone());
    }
    if text.len() > LONGEST {
        return found;
    }
    let seen = glance(&normal);
    if seen.command {
        commands(&normal, &mut found);
    }
    if seen.statement {
        statements(&normal, &mut found);
    }
    found.truncate(MOST);
    found
}

fn commands(text: &str, found: &mut Vec<String>) {
    let around = Surroundings { home: std::env::var("HOME").ok(), ..Surroundings::default() };
    for effect in inspect::shell::effects(text, &around) {
        if let Target::Program(program) = &effect.target {
            let mut line = program.name.clone();
            for word in &program.words {
                line.push(' ');
                line.push_str(word.as_deref().unwrap_or("$UNKNOWN"));
            }
            push(line, text, found);
        }
        if let Some(line) = spelled(&effect) {
            push(line, text, found);
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
fn statements(text: &str, found: &mut Vec<String>) {
    push(uncommented(text), text, found);
    for effect in inspect::sql::effects(text, Dialect::default()) {
        let Target::Table(table) = &effect.target else { continue };
        let note = effect.note.as_deref().unwrap_or_default().to_ascii_lowercase();
        match effect.kind.as_ref() {
            "sql.schema" if effect.destroys || note.contains("drop") => {
                push(format!("DROP TABLE {}", table.table), text, found);
            }
            "sql.write" if effect.destroys || table.unfiltered => {
                push(format!("DELETE FROM {}", table.table), text, found);
                push(format!("TRUNCATE TABLE {}", table.table), text, found);
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

fn push(line: String, text: &str, found: &mut Vec<String>) {
    if line != text && found.len() < MOST && !found.contains(&line) {
        found.push(line);
    }
}
