//! Reads words: quotes, escapes and the places where something is substituted.
//!
//! Expands nothing. What follows a dollar sign is `dollar.rs`.

use std::rc::Rc;

use super::read::{Parsed, Reader};
use super::tree::{Part, Word};

/// Where a word ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At a blank or an operator.
    Operator,
    /// At the `}` of `${..}`.
    Brace,
    /// At the `/` between pattern and replacement of `${x/a/b}`, or at the `}`.
    Slash,
    /// At the `]` of an index.
    Bracket,
    /// At a `|` or `)` within an extended pattern.
    Choice,
    /// At a blank outside of brackets: what `=~` compares with.
    Regex,
}

impl Reader<'_> {
    /// One word; empty if there is none here.
    pub fn word(&mut self, stop: Stop) -> Parsed<Word> {
        let mut parts = Vec::new();
        let mut level = 0usize;
        while let Some(byte) = self.peek() {
            if self.ends(byte, stop, &mut level) {
                break;
            }
            match byte {
                b'\\' => self.escape(&mut parts),
                b'\'' if stop != Stop::Slash || level == 0 => parts.push(self.single()?),
                b'"' => parts.push(self.double()?),
                b'$' => {
                    let part = self.dollar(false)?;
                    parts.push(part);
                }
                b'`' => parts.push(self.backticks(false)?),
                b'<' | b'>' if stop != Stop::Regex && self.peek_at(1) == Some(b'(') => {
                    self.at += 2;
                    let script = self.enclosed(b')')?;
                    parts.push(Part::Process(Rc::new(script), byte == b'>'));
                }
                b'(' if stop == Stop::Operator || stop == Stop::Choice => self.choices(&mut parts)?,
                _ => self.run(stop, &mut parts),
            }
        }
        Ok(Word { parts })
    }

    fn ends(&mut self, byte: u8, stop: Stop, level: &mut usize) -> bool {
        match stop {
            Stop::Operator => match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' => true,
                b'<' | b'>' => self.peek_at(1) != Some(b'('),
                b'(' => !self.opens_choice(),
                _ => false,
            },
            Stop::Brace => byte == b'}',
            Stop::Slash => byte == b'}' || byte == b'/',
            Stop::Bracket => byte == b']',
            Stop::Choice => byte == b'|' || byte == b')',
            Stop::Regex => {
                match byte {
                    b'(' => *level += 1,
                    b')' if *level == 0 => return true,
                    b')' => *level -= 1,
                    _ => {}
                }
                *level == 0 && matches!(byte, b' ' | b'\t' | b'\n')
            }
        }
    }

    /// True if the bracket here belongs to an extended pattern, `@(a|b)`.
    fn opens_choice(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        matches!(before, Some(b'?' | b'*' | b'+' | b'@' | b'!'))
    }

    fn choices(&mut self, parts: &mut Vec<Part>) -> Parsed<()> {
        self.deeper()?;
        self.at += 1;
        parts.push(Part::Bare("(".to_owned()));
        loop {
            parts.extend(self.word(Stop::Choice)?.parts);
            match self.peek() {
                Some(b'|') => parts.push(Part::Bare("|".to_owned())),
                Some(b')') => break,
                _ => return Err("a bracket is not closed"),
            }
            self.at += 1;
        }
        self.at += 1;
        parts.push(Part::Bare(")".to_owned()));
        self.shallower();
        Ok(())
    }

    /// Plain text up to whatever may mean something.
    fn run(&mut self, stop: Stop, parts: &mut Vec<Part>) {
        let start = self.at;
        self.char();
        while let Some(byte) = self.peek() {
            let special = match byte {
                b'\\' | b'\'' | b'"' | b'$' | b'`' | b'<' | b'>' | b'(' | b')' => true,
                b' ' | b'\t' | b'\n' => stop == Stop::Operator || stop == Stop::Regex,
                b';' | b'&' | b'|' => stop == Stop::Operator || stop == Stop::Choice,
                b'}' => stop == Stop::Brace || stop == Stop::Slash,
                b'/' => stop == Stop::Slash,
                b']' => stop == Stop::Bracket,
                _ => false,
            };
            if special {
                break;
            }
            self.at += 1;
        }
        let text = self.between(start, self.at);
        match parts.last_mut() {
            Some(Part::Bare(before)) => before.push_str(text),
            _ => parts.push(Part::Bare(text.to_owned())),
        }
    }

    fn escape(&mut self, parts: &mut Vec<Part>) {
        self.at += 1;
        match self.char() {
            Some('\n') => {}
            Some(it) => parts.push(Part::Quoted(it.to_string())),
            None => parts.push(Part::Quoted("\\".to_owned())),
        }
    }

    fn single(&mut self) -> Parsed<Part> {
        self.at += 1;
        let length = self.rest().find('\'').ok_or("a single quote is not closed")?;
        let text = self.between(self.at, self.at + length);
        self.at += length + 1;
        Ok(Part::Quoted(text.to_owned()))
    }

    /// From one double quote to the other.
    pub fn double(&mut self) -> Parsed<Part> {
        self.deeper()?;
        self.at += 1;
        let mut parts = Vec::new();
        self.text_parts(Some(b'"'), &mut parts)?;
        if !self.eats("\"") {
            return Err("a double quote is not closed");
        }
        self.shallower();
        Ok(match parts.pop() {
            None => Part::Quoted(String::new()),
            Some(only @ Part::Quoted(_)) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                Part::Double(parts)
            }
        })
    }

    /// Everything that is left, as the text of a here-document is read: dollars, backticks and escapes only.
    pub fn loose(mut self) -> Parsed<Word> {
        self.deeper()?;
        let mut parts = Vec::new();
        self.text_parts(None, &mut parts)?;
        Ok(Word { parts: vec![Part::Double(parts)] })
    }

    fn text_parts(&mut self, end: Option<u8>, parts: &mut Vec<Part>) -> Parsed<()> {
        let mut text = String::new();
        while let Some(byte) = self.peek() {
            if end == Some(byte) {
                break;
            }
            match byte {
                b'$' | b'`' => {
                    let part = if byte == b'$' { self.dollar(true)? } else { self.backticks(end.is_some())? };
                    match part {
                        Part::Bare(it) => text.push_str(&it),
                        part => {
                            if !text.is_empty() {
                                parts.push(Part::Quoted(std::mem::take(&mut text)));
                            }
                            parts.push(part);
                        }
                    }
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'\n') => self.at += 1,
                        Some(next @ (b'$' | b'`' | b'\\')) => {
                            self.at += 1;
                            text.push(char::from(next));
                        }
                        Some(b'"') if end.is_some() => {
                            self.at += 1;
                            text.push('"');
                        }
                        _ => text.push('\\'),
                    }
                }
                _ => {
                    let start = self.at;
                    while self.peek().is_some_and(|it| !matches!(it, b'$' | b'`' | b'\\') && end != Some(it))
                    {
                        self.at += 1;
                    }
                    text.push_str(self.between(start, self.at));
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Quoted(text));
        }
        Ok(())
    }
}
