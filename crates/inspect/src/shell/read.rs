//! A place in a script, and how far reading has come: bytes, blanks, comments, line ends, here-documents.
//!
//! Knows nothing of commands or words; bounds how deep anything may nest, so that reading never runs out of stack.

use std::cell::OnceCell;
use std::rc::Rc;

use super::tree::{Part, Word};

/// How deep substitutions, groups and quotes may nest. Nobody writes ten.
const DEEPEST: usize = 64;

/// Why a script cannot be read.
pub type Parsed<T> = Result<T, &'static str>;

/// A script and a place in it.
pub struct Reader<'s> {
    pub text: &'s str,
    pub at: usize,
    pub depth: usize,
    pending: Vec<Pending>,
}

struct Pending {
    end: String,
    strips_tabs: bool,
    is_literal: bool,
    body: Rc<OnceCell<Word>>,
}

impl<'s> Reader<'s> {
    pub fn new(text: &'s str, depth: usize) -> Self {
        Self { text, at: 0, depth, pending: Vec::new() }
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub fn peek_at(&self, offset: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + offset).copied()
    }

    pub fn rest(&self) -> &'s str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn between(&self, start: usize, end: usize) -> &'s str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub fn sees(&self, what: &str) -> bool {
        self.rest().as_bytes().starts_with(what.as_bytes())
    }

    /// Goes past `what` if it is next.
    pub fn eats(&mut self, what: &str) -> bool {
        let found = self.sees(what);
        if found {
            self.at += what.len();
        }
        found
    }

    /// The next character, whatever it is.
    pub fn char(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// One level further in; refuses to go too deep.
    pub fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST { Err("nested too deeply") } else { Ok(()) }
    }

    pub fn shallower(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Past blanks, joined lines and a comment, up to the next token or line end.
    pub fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.at += 2,
                Some(b'#') => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                    return;
                }
                _ => return,
            }
        }
    }

    /// Past blanks, comments and line ends.
    pub fn lines(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.line_end()?;
        }
    }

    /// Past a line end, and past the here-documents that begin after it.
    pub fn line_end(&mut self) -> Parsed<()> {
        self.at += 1;
        for one in std::mem::take(&mut self.pending) {
            self.here(&one)?;
        }
        Ok(())
    }

    /// A here-document was announced; its text begins after the next line end.
    pub fn announce(&mut self, end: String, strips_tabs: bool, is_literal: bool) -> Rc<OnceCell<Word>> {
        let body = Rc::new(OnceCell::new());
        self.pending.push(Pending { end, strips_tabs, is_literal, body: Rc::clone(&body) });
        body
    }

    fn here(&mut self, pending: &Pending) -> Parsed<()> {
        let mut body = String::new();
        while self.at < self.text.len() {
            let line = self.rest().split_inclusive('\n').next().unwrap_or_default();
            self.at += line.len();
            let line = if pending.strips_tabs { line.trim_start_matches('\t') } else { line };
            let bare = line.trim_end_matches('\n');
            if bare == pending.end {
                break;
            }
            // Within `$(..)` the end may share its line with the bracket.
            if !pending.end.is_empty() && bare.strip_prefix(pending.end.as_str()) == Some(")") {
                self.at -= line.len() - pending.end.len();
                break;
            }
            body.push_str(line);
        }
        let word = if pending.is_literal {
            Word { parts: vec![Part::Quoted(body)] }
        } else {
            Reader::new(&body, self.depth + 1).loose()?
        };
        let _ = pending.body.set(word);
        Ok(())
    }

    /// Where the bracket that was just opened closes, quotes minded; `None` if it never does.
    pub fn closing(&self, open: u8, close: u8) -> Option<usize> {
        let mut level = 1usize;
        let mut quote = None;
        let mut bytes = self.rest().bytes().enumerate();
        while let Some((offset, byte)) = bytes.next() {
            match (quote, byte) {
                (Some(b'\''), b'\'') => quote = None,
                (Some(b'\''), _) => {}
                (_, b'\\') => {
                    bytes.next();
                }
                (Some(b'"'), b'"') => quote = None,
                (Some(_), _) => {}
                (None, b'\'' | b'"') => quote = Some(byte),
                (None, byte) if byte == open => level += 1,
                (None, byte) if byte == close => {
                    level -= 1;
                    if level == 0 {
                        return Some(self.at + offset);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
