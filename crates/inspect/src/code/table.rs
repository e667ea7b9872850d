//! The tables of what calls do, one for each language.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::Language;

/// What calling something does.
pub(super) struct Entry {
    pub effect: &'static str,
    /// The position of the argument that matters, from 0.
    pub position: Option<usize>,
    /// The names by which it may be given.
    pub names: &'static str,
    /// The object itself is what matters.
    pub is_self: bool,
    pub note: Option<&'static str>,
}

/// A language's table.
pub(super) struct Table {
    entries: HashMap<&'static str, Entry>,
    safe: HashSet<&'static str>,
    /// First components of entries: modules and objects with doors.
    doors: HashSet<&'static str>,
}

static PYTHON: LazyLock<Table> =
    LazyLock::new(|| table(include_str!("python.tsv"), include_str!("python_safe.txt")));
static JAVASCRIPT: LazyLock<Table> =
    LazyLock::new(|| table(include_str!("javascript.tsv"), include_str!("javascript_safe.txt")));

pub(super) fn of(language: Language) -> &'static Table {
    match language {
        Language::Python => &PYTHON,
        Language::JavaScript => &JAVASCRIPT,
    }
}

fn table(lines: &'static str, safe: &'static str) -> Table {
    let lines = || lines.lines().filter(|line| !line.starts_with('#'));
    let first = |path: &'static str| path.split(['.', '(']).next().unwrap_or(path);
    Table {
        entries: lines().filter_map(entry).collect(),
        doors: lines()
            .filter_map(|line| line.split('\t').next())
            .map(first)
            .filter(|name| !name.is_empty())
            .collect(),
        safe: safe.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect(),
    }
}

fn entry(line: &'static str) -> Option<(&'static str, Entry)> {
    let mut cells = line.split('\t');
    let (path, effect, argument, note) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    let (position, names) = argument.split_once('|').unwrap_or((argument, ""));
    let note = (note != "-").then_some(note);
    Some((path, Entry { effect, position: position.parse().ok(), names, is_self: argument == "self", note }))
}

impl Table {
    /// What calling the thing at this path does: `shutil.rmtree`, `socket.socket().connect`.
    pub(super) fn find(&self, path: &str) -> Option<&Entry> {
        if let Some(entry) = self.entries.get(path) {
            return Some(entry);
        }
        if let Some((_, method)) = path.rsplit_once('.')
            && path.contains("()")
            && let Some(entry) = self.method(method)
        {
            return Some(entry);
        }
        let mut below = path;
        while let Some((outer, _)) = below.rsplit_once(['.', '(']) {
            if let Some(entry) = self.entries.get(format!("{outer}.*").as_str()) {
                return Some(entry);
            }
            below = outer;
        }
        None
    }

    /// What a method of this name does, whatever the object.
    pub(super) fn method(&self, name: &str) -> Option<&Entry> {
        self.entries.get(format!(".{name}").as_str())
    }

    /// Whether a module or name only computes.
    pub(super) fn is_safe(&self, name: &str) -> bool {
        self.safe.contains(name)
    }

    /// Whether a module or name has calls that matter.
    pub(super) fn has_doors(&self, name: &str) -> bool {
        self.doors.contains(name)
    }
}
