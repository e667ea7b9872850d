//! Mistakes and warnings, with their places, and the list they are gathered in.
//!
//! Answerable for every place lying within its text, for the order people read them in, and for an
//! end: a file of nothing but mistakes gets the first hundred named. Knows nothing of policies.

use std::fmt;

use hashbrown::HashSet;

use super::yaml::{Scalar, Style};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is not taken.
    Error,
    /// The file is taken, and probably does not do what was meant.
    Warning,
}

/// One mistake or warning, placed. Shown as `file:line:column: error: message`, then the help on a
/// line of its own.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name, as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong: a sentence.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, line, column, message, help } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        match help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Where something stands: the file by its position in the report, line and column from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// More than this many errors are not named: whoever sees a hundred begins with those.
const NAMED: usize = 100;

/// The files that were read, and what is wrong with them.
#[derive(Default)]
pub(super) struct Report {
    files: Vec<(String, String)>,
    problems: Vec<(Place, Problem)>,
    errors: usize,
    /// Where sections begin that have a mistake inside, so that nothing is concluded from them.
    broken: HashSet<Place>,
}

impl Report {
    /// Adds a file; its position is the `file` of its places.
    pub(super) fn add_file(&mut self, name: &str, text: &str) -> usize {
        self.files.push((name.to_owned(), text.to_owned()));
        self.files.len().saturating_sub(1)
    }

    /// The position of a file that was read already.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.iter().any(|(known, _)| known == name)
    }

    /// How many files were read.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// A file's name.
    pub(super) fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |(name, _)| name)
    }

    pub(super) fn error(&mut self, at: Place, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.errors = self.errors.saturating_add(1);
        if self.errors <= NAMED {
            self.push(Severity::Error, at, message.into(), help.into());
        }
    }

    pub(super) fn warn(&mut self, at: Place, message: impl Into<String>, help: impl Into<Option<String>>) {
        if self.problems.len() < NAMED {
            self.push(Severity::Warning, at, message.into(), help.into());
        }
    }

    fn push(&mut self, severity: Severity, at: Place, message: String, help: Option<String>) {
        let at = self.within(at);
        let problem = Problem {
            severity,
            file: self.name(at.file).to_owned(),
            line: at.line,
            column: at.column,
            message,
            help,
        };
        self.problems.push((at, problem));
    }

    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// True once further errors are only counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= NAMED
    }

    pub(super) fn mark_broken(&mut self, at: Place) {
        self.broken.insert(at);
    }

    pub(super) fn is_broken(&self, at: Place) -> bool {
        self.broken.contains(&at)
    }

    /// `file:line:column`, for pointing from one place to another.
    pub(super) fn show(&self, at: Place) -> String {
        // Finding the nearest place costs a walk over the text: not for what nobody will read.
        let at = if self.is_full() { at } else { self.within(at) };
        format!("{}:{}:{}", self.name(at.file), at.line, at.column)
    }

    /// The problems in the order of the files and of the lines in them, none twice.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        if let Some(unnamed) = self.errors.checked_sub(NAMED).filter(|n| *n > 0) {
            let at = self.problems.last().map_or(Place { file: 0, line: 1, column: 1 }, |(at, _)| *at);
            self.push(Severity::Error, at, format!("{unnamed} more mistakes are not named"), None);
        }
        // Stable: what was noticed first at a place stays first.
        self.problems.sort_by_key(|(at, _)| *at);
        let mut problems: Vec<Problem> = self.problems.into_iter().map(|(_, problem)| problem).collect();
        problems.dedup();
        problems
    }

    /// The nearest place that exists in the file's text; the end of a line is one.
    fn within(&self, at: Place) -> Place {
        let text = self.files.get(at.file).map_or("", |(_, text)| text.as_str());
        let (mut last, mut number) = ("", 0);
        for line in lines(text) {
            (last, number) = (line, number + 1);
            if number == at.line {
                break;
            }
        }
        let width = last.chars().count();
        let column = if number == at.line.max(1) { at.column.clamp(1, width + 1) } else { width + 1 };
        Place { file: at.file, line: number.max(1), column }
    }

    /// Where byte `offset` of a scalar's value stands in the file.
    pub(super) fn inside(&self, at: Place, scalar: &Scalar, offset: usize) -> Place {
        let text = self.files.get(at.file).map_or("", |(_, text)| text.as_str());
        let (mut number, mut rest) = (1, text);
        while number < at.line {
            match rest.split_once('\n') {
                Some((_, tail)) => (number, rest) = (number + 1, tail),
                None => return at,
            }
        }
        let source: String = rest.chars().skip(at.column.saturating_sub(1)).collect();
        align(at, &source, scalar, offset)
    }
}

/// A text's lines as YAML counts them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Walks a scalar's source and its value side by side, up to byte `offset` of the value. Line breaks that
/// folding took away, indentation and escapes are what can differ between the two.
fn align(start: Place, source: &str, scalar: &Scalar, offset: usize) -> Place {
    let mut walk = Walk { source: source.chars().peekable(), at: start };
    if matches!(scalar.style, Style::Single | Style::Double) {
        walk.step();
    }
    // Breaks before a block's first line are part of the value, but stand before its place.
    let block = scalar.style == Style::Block;
    let value = scalar.text.char_indices().skip_while(|(_, c)| block && *c == '\n');
    for (_, wanted) in value.take_while(|(byte, _)| *byte < offset) {
        walk.skip_blanks(|c| c != wanted && !(wanted == ' ' && matches!(c, '\n' | '\r')));
        walk.take(scalar.style);
    }
    let next = scalar.text.get(offset..).and_then(|rest| rest.chars().next());
    if next.is_some_and(|c| !c.is_ascii_whitespace()) {
        walk.skip_blanks(|_| true);
    }
    walk.at
}

struct Walk<'s> {
    source: std::iter::Peekable<std::str::Chars<'s>>,
    at: Place,
}

impl Walk<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.source.next();
        match c {
            Some('\n') => (self.at.line, self.at.column) = (self.at.line + 1, 1),
            Some(_) => self.at.column += 1,
            None => (),
        }
        c
    }

    fn skip_blanks(&mut self, which: impl Fn(char) -> bool) {
        while self.source.peek().is_some_and(|c| c.is_ascii_whitespace() && which(*c)) {
            self.step();
        }
    }

    /// One character of the value: one of the source, or an escape.
    fn take(&mut self, style: Style) {
        match (style, self.step()) {
            (Style::Double, Some('\\')) => {
                let digits = match self.step() {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                for _ in 0..digits {
                    self.step();
                }
            }
            (Style::Single, Some('\'')) => drop(self.step()),
            _ => (),
        }
    }
}
