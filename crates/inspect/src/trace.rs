//! Stack traces and internal errors: what tells a stranger how the machine is built.
//!
//! Answerable for the languages whose traces are known, for where a trace begins and ends, and for not taking
//! a sentence that quotes one line of one for a trace. Knows nothing of what the text answers to.
//!
//! A handful of rare words is looked for all at once; lines are read only around those.

mod line;

use std::borrow::Cow;
use std::ops::Range;

use verdict::Risk;

use self::line::Sort;
use crate::Hit;
use crate::glance::{Places, glance};

/// Words that a trace or an internal error always has one of.
pub(crate) const ANCHORS: &[&str] = &[
    "Traceback (",
    "\", line ",
    "\n\tat ",
    "\n    at ",
    "\n   at ",
    "\n  at ",
    "panicked at",
    "goroutine ",
    ".rb:",
    "\n#0 ",
    "\n#1 ",
    "    #0 ",
    "PHP Fatal",
    "Fatal error: ",
    "Uncaught ",
    "terminate called",
    "Sanitizer: ",
    "SQLSTATE",
    "ORA-",
    "SQL syntax",
    "syntax error at or near",
    "sqlite3.",
    "SQLITE_",
    "SQLException",
    "SqlException",
    "Unclosed quotation",
    "psycopg",
    "PG::",
    "ER_",
    "Duplicate entry '",
    "violates ",
    "ECONNREFUSED",
    "Internal Server Error",
    "Whitelabel Error",
    "Server Error in '/",
    "DEBUG = True",
    "Werkzeug Debugger",
];

/// How long a line is read.
const LINE: usize = 1_000;

/// How many lines that are no frames may stand between two frames.
const BETWEEN: usize = 3;

/// Adds the stack traces and internal errors of `text`, one layer of a text. Spans are bytes of it, over the
/// whole trace. Linear in the length of the text.
pub fn find(text: &str, hits: &mut Vec<Hit>) {
    find_at(text, &glance(text).anchors, hits);
}

/// The same, where anchors were seen at `places`, in order.
pub(crate) fn find_at(text: &str, places: &Places, hits: &mut Vec<Hit>) {
    let mut from = 0;
    for (start, number) in places {
        let (Ok(start), Some(anchor)) = (usize::try_from(*start), ANCHORS.get(usize::from(*number))) else {
            continue;
        };
        if start < from {
            continue;
        }
        // An anchor may begin with the end of the line before.
        let at = start + usize::from(anchor.starts_with('\n'));
        let mut trace = Trace::around(text, at, from);
        from = trace.end.max(start + anchor.len());
        while !text.is_char_boundary(from) {
            from += 1;
        }
        if let Some((name, confidence)) = trace.judge() {
            let span = trace.start..trace.last.max(trace.start);
            let severity = if confidence >= 75 { Risk::Medium } else { Risk::Low };
            let name = Cow::Borrowed(name);
            hits.push(Hit { kind: "stack_trace", name, span, severity, confidence, verified: None });
        }
    }
}

/// Lines that may be a trace.
struct Trace {
    start: usize,
    /// The end of the last line that is part of it.
    last: usize,
    /// How far the text was read.
    end: usize,
    /// What its lines are.
    seen: Vec<Sort>,
}

impl Trace {
    /// Reads forward from the line with an anchor, and up to three lines back, not before `from`.
    fn around(text: &str, at: usize, from: usize) -> Self {
        let first = line_at(text, at, from);
        let mut trace = Self { start: first.start, last: first.start, end: first.end, seen: Vec::new() };
        trace.back(text, from);
        let mut line = first;
        let mut between = 0;
        loop {
            let sort = line::sort(text.get(line.clone()).unwrap_or_default());
            trace.end = line.end;
            match sort {
                Some(sort) => {
                    trace.seen.push(sort);
                    trace.last = line.end;
                    between = 0;
                }
                None => between += 1,
            }
            let near = border(text, (line.end + LINE).min(text.len()));
            let after = text.get(line.end..near).and_then(|rest| rest.find('\n'));
            let (Some(gap), false) = (after, between > BETWEEN) else { break };
            let next = line.end + gap + 1;
            line = line_at(text, next, next);
        }
        trace.ending(text);
        trace
    }

    /// Takes in the lines above that announce the trace.
    fn back(&mut self, text: &str, from: usize) {
        for _ in 0..3 {
            let above = self.start.checked_sub(1).filter(|above| *above > from);
            let Some(above) = above else { return };
            let line = line_at(text, above, from);
            let written = text.get(line.clone()).unwrap_or_default();
            match line::sort(written) {
                Some(sort) => {
                    self.seen.insert(0, sort);
                    self.start = line.start;
                }
                None => return,
            }
        }
    }

    /// Takes in the line below the last frame if it names the error: Python writes it there.
    fn ending(&mut self, text: &str) {
        for _ in 0..3 {
            let Some(next) = text.get(self.last..).and_then(|rest| rest.strip_prefix('\n')) else { return };
            let start = text.len() - next.len();
            let line = line_at(text, start, start);
            let written = text.get(line.clone()).unwrap_or_default();
            if line::names_error(written) {
                self.last = line.end;
                return;
            }
            if !written.starts_with("    ") {
                return;
            }
            self.last = line.end;
        }
    }

    /// What it is, and how sure one may be.
    fn judge(&mut self) -> Option<(&'static str, u8)> {
        let count = |wanted: fn(&Sort) -> Option<&'static str>| {
            let mut counts: Vec<(&'static str, usize)> = Vec::new();
            for name in self.seen.iter().filter_map(wanted) {
                match counts.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((name, 1)),
                }
            }
            // The first of those that are as many.
            counts.into_iter().rev().max_by_key(|(_, count)| *count)
        };
        let frames = count(|sort| if let Sort::Frame(name) = sort { Some(*name) } else { None });
        let heads = count(|sort| if let Sort::Head(name) = sort { Some(*name) } else { None });
        let announced = self.seen.iter().any(|sort| matches!(sort, Sort::Error));
        let alone = self.seen.iter().find_map(|sort| match sort {
            Sort::Alone(name, sure) => Some((*name, *sure)),
            _ => None,
        });
        match (frames, heads) {
            (Some((name, 3..)), _) => Some((name, 95)),
            (Some((name, 2)), _) => Some((name, 90)),
            (Some((name, _)), Some((head, _))) if name == head => Some((name, 92)),
            (Some((name, _)), _) if announced => Some((name, 80)),
            _ => alone,
        }
    }
}

/// The line that holds a byte: at most [`LINE`] bytes around it, at borders of characters, not before `from`.
fn line_at(text: &str, at: usize, from: usize) -> Range<usize> {
    let low = border(text, at.saturating_sub(LINE / 2).max(from));
    let start = text.get(low..at).and_then(|part| part.rfind('\n')).map_or(low, |gap| low + gap + 1);
    let high = border(text, (at + LINE).min(text.len()));
    let end = text.get(at..high).and_then(|part| part.find('\n')).map_or(high, |gap| at + gap);
    start..end.max(start)
}

fn border(text: &str, at: usize) -> usize {
    (0..4).map(|back| at.saturating_sub(back)).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
