//! The text of an expression, looked through before it is parsed.
//!
//! Answerable for keeping from the parser what it would choke on or explain badly: too long, too deep,
//! unbalanced, unfinished, or no CEL at all. Does not know what an expression means.

use super::Fault;

/// Bytes an expression may have.
pub(super) const LONGEST: usize = 4 * 1024;
/// How deep an expression may nest: brackets, operators and postfixes on one branch, counted together.
pub(super) const DEEPEST: usize = 64;

/// What was seen: where each bracket closes.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pairs: Vec<(usize, usize)>,
}

impl Scan {
    /// Where the bracket that opens at `open` closes.
    pub(super) fn close_of(&self, open: usize) -> Option<usize> {
        self.pairs.iter().find(|(start, _)| *start == open).map(|(_, end)| *end)
    }
}

/// How deep one bracket's contents go where they are being read.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    open: Option<(usize, u8)>,
    /// Binary operators since the last comma, `&&` or `||`: they chain to the left.
    chained: usize,
    /// `?` since the last comma: they chain to the right.
    choices: usize,
    /// The longest row of `!`, `-`, `.x`, `[x]` and `(x)` around one operand.
    longest_tail: usize,
    tail: usize,
}

impl Level {
    fn depth(&self) -> usize {
        1 + self.chained + self.choices + self.longest_tail.max(self.tail)
    }

    fn operator(&mut self) {
        self.chained += 1;
        self.longest_tail = self.longest_tail.max(self.tail);
        self.tail = 0;
    }

    /// A new operand that is no part of what stands before it.
    fn fresh(&mut self) {
        (self.chained, self.longest_tail, self.tail) = (0, 0, 0);
    }
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
    levels: Vec<Level>,
    scan: Scan,
    /// True if an operand has just ended, so that `-` is binary and `(` a call.
    operand: bool,
}

/// Looks through an expression.
pub(super) fn scan(source: &str) -> Result<Scan, Vec<Fault>> {
    if source.len() > LONGEST {
        let message = format!("an expression may have {LONGEST} bytes, and this one has {}", source.len());
        return Err(vec![fault(LONGEST, message, Some("split it into several rules"))]);
    }
    if source.trim().is_empty() {
        return Err(vec![fault(
            0,
            "an expression is missing".into(),
            Some("write one such as `args.amount <= 200`"),
        )]);
    }
    let mut scanner =
        Scanner { source, at: 0, levels: vec![Level::default()], scan: Scan::default(), operand: false };
    scanner.run().map_err(|fault| vec![fault])?;
    Ok(scanner.scan)
}

fn fault(offset: usize, message: String, help: Option<&str>) -> Fault {
    Fault { offset, message, help: help.map(str::to_owned) }
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0c => self.at += 1,
                b'/' if self.peek(1) == Some(b'/') => self.skip_while(|b| b != b'\n'),
                b'"' | b'\'' => self.string(start, false)?,
                b'`' => self.quoted_name(start)?,
                b'0'..=b'9' => self.word(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => match self.prefix() {
                    Some((length, raw)) => {
                        self.at += length;
                        self.string(start, raw)?;
                    }
                    None => self.word(),
                },
                b'(' | b'[' | b'{' => self.open(byte),
                b')' | b']' | b'}' => self.close(byte)?,
                _ => self.sign(byte)?,
            }
            let depth: usize = self.levels.iter().map(Level::depth).sum();
            if depth > DEEPEST {
                let message = format!("this nests more than {DEEPEST} levels deep");
                return Err(fault(start, message, Some("split the expression into several rules")));
            }
        }
        match self.levels.last().and_then(|level| level.open) {
            Some((open, byte)) => {
                Err(fault(open, format!("`{}` is never closed", char::from(byte)), Some("close it")))
            }
            None => Ok(()),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, test: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&test) {
            self.at += 1;
        }
    }

    fn level(&mut self, change: impl Fn(&mut Level)) {
        if let Some(level) = self.levels.last_mut() {
            change(level);
        }
    }

    /// The length of `r`, `b` or `br` before a quote, and whether backslashes mean nothing after it.
    fn prefix(&self) -> Option<(usize, bool)> {
        let quote = |at: usize| matches!(self.peek(at), Some(b'"' | b'\''));
        let first = self.peek(0)?.to_ascii_lowercase();
        let second = self.peek(1)?.to_ascii_lowercase();
        match (first, second) {
            (b'r', _) if quote(1) => Some((1, true)),
            (b'b', _) if quote(1) => Some((1, false)),
            (b'b', b'r') if quote(2) => Some((2, true)),
            _ => None,
        }
    }

    fn string(&mut self, start: usize, raw: bool) -> Result<(), Fault> {
        let quote = self.peek(0).unwrap_or(b'"');
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        let width = if triple { 3 } else { 1 };
        self.at += width;
        loop {
            match self.peek(0) {
                Some(b'\\') if !raw => self.at += 2,
                Some(byte) if byte == quote && (0..width).all(|n| self.peek(n) == Some(quote)) => break,
                Some(b'\n' | b'\r') | None if !triple => return Err(unfinished(start, "string")),
                None => return Err(unfinished(start, "string")),
                Some(_) => self.at += 1,
            }
        }
        self.at += width;
        self.operand = true;
        Ok(())
    }

    fn quoted_name(&mut self, start: usize) -> Result<(), Fault> {
        self.at += 1;
        self.skip_while(|b| b != b'`' && b != b'\n');
        if self.peek(0) != Some(b'`') {
            return Err(unfinished(start, "name"));
        }
        self.at += 1;
        self.operand = true;
        Ok(())
    }

    /// A name, a number or the operator `in`.
    fn word(&mut self) {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        let operator = self.source.get(start..self.at) == Some("in");
        if operator {
            self.level(Level::operator);
        }
        self.operand = !operator;
    }

    fn open(&mut self, byte: u8) {
        if self.operand {
            self.level(|level| level.tail += 1);
        }
        self.levels.push(Level { open: Some((self.at, byte)), ..Level::default() });
        self.at += 1;
        self.operand = false;
    }

    fn close(&mut self, byte: u8) -> Result<(), Fault> {
        let opened = match byte {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let message = match self.levels.last().and_then(|level| level.open) {
            Some((start, open)) if open == opened => {
                self.levels.pop();
                self.scan.pairs.push((start, self.at));
                self.at += 1;
                self.operand = true;
                return Ok(());
            }
            Some((_, open)) => format!("`{}` is closed by `{}`", char::from(open), char::from(byte)),
            None => format!("`{}` closes nothing", char::from(byte)),
        };
        Err(fault(self.at, message, Some("check the brackets")))
    }

    fn sign(&mut self, byte: u8) -> Result<(), Fault> {
        let next = self.peek(1);
        let width = match (byte, next) {
            (b'&', Some(b'&')) | (b'|', Some(b'|')) => 2,
            (b'=' | b'!' | b'<' | b'>', Some(b'=')) => 2,
            _ => 1,
        };
        let lone = match (byte, width) {
            (b'=', 1) => Some("`=` compares nothing"),
            (b'&', 1) => Some("`&` is no operator"),
            (b'|', 1) => Some("`|` is no operator"),
            _ => None,
        };
        if let Some(message) = lone {
            let doubled = format!("write `{0}{0}`", char::from(byte));
            return Err(fault(self.at, message.to_owned(), Some(&doubled)));
        }
        match (byte, width) {
            (b'.', _) => self.level(|level| level.tail += 1),
            (b',', _) => self.level(|level| *level = Level { open: level.open, ..Level::default() }),
            (b':' | b'&' | b'|', _) => self.level(Level::fresh),
            (b'?', _) => self.level(|level| {
                level.choices += 1;
                level.fresh();
            }),
            (b'!', 1) => self.level(|level| level.tail += 1),
            (b'-', _) if !self.operand => self.level(|level| level.tail += 1),
            (b'+' | b'-' | b'*' | b'/' | b'%' | b'=' | b'!' | b'<' | b'>', _) => self.level(Level::operator),
            _ => {
                let odd = self.source.get(self.at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
                let message = format!("`{}` has no meaning here", odd.escape_default());
                return Err(fault(self.at, message, Some("put texts in quotes")));
            }
        }
        self.at += width;
        self.operand = false;
        Ok(())
    }
}

fn unfinished(start: usize, what: &str) -> Fault {
    fault(start, format!("this {what} has no closing quote"), Some("close it on the same line"))
}
