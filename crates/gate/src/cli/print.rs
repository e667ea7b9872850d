//! What a command prints: aligned tables for people, JSON for programs.
//!
//! Answerable for never printing what steers a terminal (arguments and reasons come from agents), for colour
//! only where it can be seen, and for a reader that goes away. Knows nothing of what is printed.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};

use serde::Serialize;

use super::Failure;

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hue {
    /// It went well, or is allowed.
    Good,
    /// It failed, or is denied.
    Bad,
    /// It waits, or wants to be looked at.
    Care,
    /// Less important than the rest.
    Dim,
    /// More important than the rest.
    Strong,
}

impl Hue {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Care => "33",
            Self::Dim => "2",
            Self::Strong => "1",
        }
    }
}

/// True if stdout shows colours: a terminal that is not dumb, and nobody set NO_COLOR.
pub fn is_coloured() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|it| it == "dumb");
    io::stdout().is_terminal() && !unwanted && !dumb
}

/// `text` in a colour, where colours show.
pub fn paint(text: &str, hue: Hue) -> String {
    if is_coloured() { format!("\u{1b}[{}m{text}\u{1b}[0m", hue.code()) } else { text.to_owned() }
}

/// `text` with everything escaped that a terminal would obey rather than show: control characters, and those
/// that turn the direction of writing.
pub fn clean(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if steers(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Prints a line. Whatever others wrote in it must be [`clean`].
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(unwritten)
}

/// Prints text that ends as it ends.
pub fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(unwritten)
}

/// Prints one JSON document.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::said)?;
    line(&text)
}

/// Prints one JSON document on one line.
pub fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(Failure::said)?;
    line(&text)
}

/// Stdout, for much at once.
pub fn stream() -> BufWriter<io::Stdout> {
    BufWriter::with_capacity(1 << 16, io::stdout())
}

/// What an error of writing to stdout means.
pub fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::said(format!("the output cannot be written: {error}")),
    }
}

/// Says on stderr why it did not work. If that is closed too, nobody can be told.
pub fn complain(why: &str) {
    let _closed = writeln!(io::stderr(), "portcullis: {why}");
}

/// Says something beside the output, on stderr.
pub fn aside(text: &str) {
    let _closed = writeln!(io::stderr(), "{text}");
}

/// A line on stderr that tells how far long work is, if that is a terminal.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    shown: bool,
    last: u64,
}

impl Progress {
    /// `what` is being done.
    pub fn of(what: &'static str) -> Self {
        Self { what, shown: false, last: 0 }
    }

    /// `done` of `all` records.
    pub fn at(&mut self, done: u64, all: u64) {
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
        if (self.shown && percent == self.last) || all < 20_000 || !io::stderr().is_terminal() {
            return;
        }
        (self.shown, self.last) = (true, percent);
        let _closed = write!(io::stderr(), "\r{} {done} of {all} records ({percent} %)", self.what);
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.shown {
            let _closed = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// A table: a heading, and rows of cells.
#[derive(Debug, Default)]
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell: text, and its colour.
#[derive(Debug)]
pub struct Cell(String, Option<Hue>);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(clean(&text.into()), None)
    }
}

/// A coloured cell.
pub fn hued(text: impl Into<String>, hue: Hue) -> Cell {
    Cell(clean(&text.into()), Some(hue))
}

impl Table {
    /// An empty table.
    pub fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Prints it, or `nothing` if there is no row.
    pub fn print(&self, nothing: &str) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return line(nothing);
        }
        let width = |n: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.0.chars().count());
            let heading = self.heading.get(n).map_or(0, |it| it.chars().count());
            cells.max().unwrap_or(0).max(heading)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let heading: Vec<Cell> = self.heading.iter().map(|name| hued(*name, Hue::Dim)).collect();
        line(&aligned(&heading, &widths))?;
        self.rows.iter().try_for_each(|row| line(&aligned(row, &widths)))
    }
}

/// One row: every cell but the last filled up to its column.
fn aligned(row: &[Cell], widths: &[usize]) -> String {
    let mut out = String::new();
    for (n, (Cell(text, hue), width)) in row.iter().zip(widths).enumerate() {
        let last = n.saturating_add(1) == row.len();
        let room = if last { 0 } else { width.saturating_sub(text.chars().count()).saturating_add(2) };
        out.push_str(&hue.map_or_else(|| text.clone(), |hue| paint(text, hue)));
        out.push_str(&" ".repeat(room));
    }
    out.truncate(out.trim_end().len());
    out
}

/// `name:` and a value, aligned with its neighbours; nothing for no value.
pub fn field(name: &str, value: &str) -> Result<(), Failure> {
    if value.is_empty() {
        return Ok(());
    }
    let label = format!("{name:<14}");
    line(&format!("{}{}", paint(&label, Hue::Dim), clean(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        for (text, shown) in [
            ("plain `x` é 漢", "plain `x` é 漢"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("two\nlines\tand", "two\\nlines\\tand"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}txt.exe", "abc\\u{202e}txt.exe"),
            ("\r\u{7}", "\\u{d}\\u{7}"),
        ] {
            assert_eq!(clean(text), shown);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let row: Vec<Cell> = vec!["a".into(), "bb".into(), "c".into()];
        assert_eq!(aligned(&row, &[3, 2, 9]), "a    bb  c");
    }
}
